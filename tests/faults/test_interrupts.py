"""Somebody ends a job, or what started it: saved where it can be, nothing lost, no rank stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from ddp_mlp.checkpoint.checkpoint import newest_good
from tests.faults.jobs import Job, job, make_folder
from tests.faults.orphans import role_of
from tests.tiers import thorough

pytestmark = pytest.mark.mpi

NO_FAULT = "9|never|kill"
AT_ONCE_S = 5.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("interrupts"))


def wait_for_checkpoint(started: Job) -> None:
    def saved() -> bool:
        with contextlib.suppress(OSError, ValueError):
            return bool(json.loads((started.run / "status.json").read_text()).get("checkpoint"))
        return False

    started.wait_for("a checkpoint", saved)


def good_step(started: Job) -> int:
    """Return the step of the newest checkpoint; it, and all others, are good."""
    found, passed_over = newest_good(started.run / "checkpoints")
    assert passed_over == []
    return found.state.progress.step if found else 0


def children(pid: int) -> list[int]:
    """Return the processes that one has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("number", "ranks"),  # without and with the launcher
    [
        (signal.SIGINT, 2),
        thorough(signal.SIGINT, 0),
        thorough(signal.SIGTERM, 0),
        thorough(signal.SIGTERM, 2),
    ],
)
def test_asked_once_a_job_saves_and_leaves(folder, ranks, number):
    with job(folder, NO_FAULT, "--set", "train.timeout_s=60", "--json", ranks=ranks) as started:  # a disk may be slow
        wait_for_checkpoint(started)
        os.killpg(started.process.pid, number)  # as a terminal does
        ended = started.end()
    assert ended.code == 75, ended.err
    assert (ended.status["state"], ended.status["exit_code"]) == ("stopped", 75)
    assert json.loads(ended.out)["steps"] == ended.status["steps"] == good_step(started)
    assert ended.leftovers == ()


@pytest.mark.parametrize(("number", "ranks"), [(signal.SIGINT, 0), (signal.SIGTERM, 2), thorough(signal.SIGUSR1, 0)])
def test_asked_while_it_compiles_it_does_not_wait_for_the_compiler(folder, number, ranks):
    with job(folder, NO_FAULT, ranks=ranks, DDP_MLP_TEST_COMPILE_S="100") as started:
        started.wait_for("compiling", lambda: "compiling kernels" in started.err)
        os.kill(started.process.pid, number)
        asked = time.monotonic()
        ended = started.end()
    assert time.monotonic() - asked < 2 * AT_ONCE_S
    assert (ended.code, ended.error_lines) == (75, []), ended.err
    assert ended.err.count("while the kernels were compiled, before anything was begun; go on with the same") == 1
    assert not started.run.exists()
    assert ended.leftovers == ()


@pytest.mark.parametrize("ranks", [0, thorough(2)])
def test_asked_twice_by_ctrl_c_it_does_not_wait(folder, ranks):
    """In a step that takes for ever, so that nobody comes to hear the first one."""
    rank = 1 if ranks else 0
    with job(folder, f"{rank}|step 4000|sleep", "--set", "train.timeout_s=0", ranks=ranks) as started:
        started.wait_for("the step that does not end", lambda: "fault sleep" in started.err)
        wait_for_checkpoint(started)
        before = good_step(started)
        os.killpg(started.process.pid, signal.SIGINT)
        time.sleep(0.5)
        assert started.process.poll() is None
        os.killpg(started.process.pid, signal.SIGINT)
        asked = time.monotonic()
        ended = started.end()
    assert ended.code == 130, ended.err
    assert time.monotonic() - asked < AT_ONCE_S
    assert 0 < before <= good_step(started)  # the thread that writes has not slept
    assert ended.leftovers == ()


@pytest.mark.parametrize("who", ["launch", "mpiexec"])
def test_what_started_the_ranks_ends_them_when_it_is_told_to_end(folder, who):
    with job(folder, NO_FAULT) as started:
        wait_for_checkpoint(started)
        before = good_step(started)
        launchers = [process for process in children(started.process.pid) if role_of(process) == "mpiexec"]
        os.kill(started.process.pid if who == "launch" else launchers[0], signal.SIGTERM)
        asked = time.monotonic()
        ended = started.end()
    assert time.monotonic() - asked < 2 * AT_ONCE_S
    assert ended.code != 0, ended.err
    assert good_step(started) >= before
    assert ended.leftovers == ()
