"""One rank fails: the job ends soon, says what happened, and leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.faults.jobs import TIMEOUT_S, job, make_folder, run_with_fault
from tests.tiers import THOROUGH, thorough

pytestmark = pytest.mark.mpi

#: What is promised, a second and the time-out plus two, and as much again for a machine that does other work.
AT_ONCE_S = 2.0
LATEST_S = TIMEOUT_S + 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("ranks"))


PLACES = {
    "before the first collective": ("while opening the run directory", "while opening the run directory"),
    "while loading": ("while loading the data", "while loading the data"),
    "in a step": ("step 40", "at step "),
    "in the validation": ("in the validation", "in the validation after step "),
}


@pytest.mark.parametrize(
    ("place", "rank"),
    [
        ("in a step", 1),
        *(thorough(place, rank) for place in PLACES for rank in (0, 1) if (place, rank) != ("in a step", 1)),
    ],
)
def test_an_exception_on_one_rank_is_one_line_and_the_end(folder, place, rank):
    fault, phrase = PLACES[place]
    ended = run_with_fault(folder, f"{rank}|{fault}|raise")
    assert ended.code == 70, ended.err
    assert len(ended.error_lines) == 1, ended.err
    assert f"[rank {rank}/2 on " in ended.error_lines[0]
    assert phrase in ended.error_lines[0]
    assert "RuntimeError: injected" in ended.error_lines[0]
    assert ended.wait_s < AT_ONCE_S
    assert ended.leftovers == ()


@pytest.mark.thorough
def test_an_exception_while_saving(folder):
    ended = run_with_fault(folder, "0|while saving|memory")
    assert (ended.code, len(ended.error_lines)) == (70, 1), ended.err
    assert "[rank 0/2 on " in ended.error_lines[0]
    assert "while saving step " in ended.error_lines[0]


@pytest.mark.parametrize(
    "action", ["segfault", thorough("kill"), thorough("leave=7"), thorough("leave=0"), thorough("exit")]
)
def test_a_rank_that_is_gone_ends_the_job(folder, action):
    ended = run_with_fault(folder, f"1|step 40|{action}")
    assert ended.code != 0, ended.err
    assert ended.err.count("\n") > 1
    assert ended.wait_s < AT_ONCE_S
    assert ended.leftovers == ()
    if action == "segfault":
        assert "Fatal Python error: Segmentation fault" in ended.err
        assert "sitecustomize.py" in ended.err


@pytest.mark.parametrize(("rank", "ranks", "per_node"), [(1, 2, ""), thorough(0, 3, ""), thorough(2, 3, "1")])
def test_a_stopped_rank_is_named_and_killed(folder, rank, ranks, per_node):
    ended = run_with_fault(folder, f"{rank}|step 40|stop", ranks=ranks, DDP_MLP_RANKS_PER_NODE=per_node)
    assert ended.code == 80, ended.err
    assert len(ended.error_lines) == 1, ended.err
    assert "in the sum of the gradients" in ended.error_lines[0]
    assert " at step " in ended.error_lines[0]
    assert f"rank {rank} on " in ended.error_lines[0]
    assert "never entered it (it gives no sign of life)" in ended.error_lines[0]
    assert TIMEOUT_S < ended.wait_s < LATEST_S
    if rank != 0:  # rank 0 may go on to write for a moment, since Open MPI wakes a stopped rank to end it
        assert (ended.status["state"], ended.status["exit_code"]) == ("failed", 80)
    assert ended.leftovers == ()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "place", ["while loading the data", "while preparing the first step", "step 40", "while saving"]
)
def test_a_sleeping_rank_is_named_and_shows_its_stack(folder, place):
    rank = 0 if "saving" in place else 1
    ended = run_with_fault(folder, f"{rank}|{place}|sleep")
    assert ended.code == 80, ended.err
    assert len(ended.error_lines) == 1, ended.err
    assert f"rank {rank} on " in ended.error_lines[0]
    assert "never entered it (it is busy, see its stack)" in ended.error_lines[0]
    assert f"stacks of rank {rank}:" in ended.err
    assert "sitecustomize.py" in ended.err
    assert ended.wait_s < LATEST_S
    assert ended.leftovers == ()


@pytest.mark.thorough
def test_a_rank_that_holds_the_interpreter_shows_its_stack_too(folder):
    ended = run_with_fault(folder, "1|step 40|hold=60")
    assert (ended.code, len(ended.error_lines)) == (80, 1), ended.err
    assert "rank 1 on " in ended.error_lines[0]
    assert "sitecustomize.py" in ended.err


@pytest.mark.thorough
def test_a_slow_rank_is_warned_about_at_half_the_time_and_no_more(folder):
    ended = run_with_fault(folder, f"1|step 40|sleep={0.8 * TIMEOUT_S}", "--max-time", "6s")
    assert ended.code == 75, ended.err
    assert ended.error_lines == []
    warnings = [line for line in ended.err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1, ended.err
    assert "rank 1 on " in warnings[0]


@pytest.mark.thorough
@pytest.mark.parametrize("action", ["leave=7", "sleep"])
def test_a_rank_that_never_starts(folder, action):
    ended = run_with_fault(folder, f"1|start|{action}", DDP_MLP_TRAIN_TIMEOUT_S=str(TIMEOUT_S))
    assert ended.code != 0, ended.err
    assert ended.wait_s < LATEST_S + 4  # a launcher that stays is ended after a while
    assert ended.leftovers == ()
    if action == "sleep":
        assert "in the start of MPI at the start; some rank did not start" in ended.err


APART = {"DDP_MLP_RANKS_PER_NODE": "1", "DDP_MLP_TEST_COMPILE_S": f"{TIMEOUT_S:g}"}


@THOROUGH
def test_compiling_may_take_longer_than_the_time_out(folder):
    """Here once and twice as long, on two nodes; the fault never comes."""
    ended = run_with_fault(folder, "0|step 1000000|kill", "--set", "train.epochs=1", **APART)
    assert (ended.code, ended.error_lines) == (0, []), ended.err
    assert "warning" not in ended.err
    assert ended.err.count("compiling kernels") == 1


@THOROUGH
def test_a_rank_that_is_stopped_while_it_compiles_is_named(folder):
    with job(folder, "1|step 1000000|kill", **APART) as started:
        started.wait_for("compiling", lambda: "compiling kernels" in started.err)
        started.stop_rank(1)
        ended = started.end()
    assert (ended.code, len(ended.error_lines)) == (80, 1), ended.err
    assert "while the kernels are compiled; rank 1 on " in ended.error_lines[0]
    assert ended.leftovers == ()
