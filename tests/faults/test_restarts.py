"""`launch --max-restarts`: a job whose ranks are killed ends in the bits of one that was left alone."""

from __future__ import annotations

import pytest

from tests.faults.jobs import make_folder, run_with_fault
from tests.tiers import THOROUGH

pytestmark = pytest.mark.mpi

SHORT = ("--set", "train.epochs=30", "--set", "train.timeout_s=60", "--json")  # a disk may be slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("restarts"))


@THOROUGH
def test_killed_twice_restarted_twice_the_same_bits(folder):
    undisturbed = run_with_fault(folder, "9|never|kill", *SHORT)
    assert undisturbed.code == 0, undisturbed.err
    (folder / "faults").write_bytes(b"xx")
    ended = run_with_fault(
        folder,
        "1|step 100|kill when saved",
        *SHORT,
        launch=("--max-restarts", "3"),
        DDP_MLP_TEST_FAULT_COUNT=str(folder / "faults"),
    )
    assert ended.code == 0, ended.err
    assert ended.err.count("restart ") == 2
    assert "restart 1 of 3 from step " in ended.err
    assert "going on from step-" in ended.err
    assert ended.result["weights_sha256"] == undisturbed.result["weights_sha256"]
    assert ended.leftovers == ()


@pytest.mark.thorough
def test_a_mistake_of_the_user_is_not_tried_again(folder):
    ended = run_with_fault(folder, "9|never|kill", "--set", "train.epochs=0", launch=("--max-restarts", "3"))
    assert (ended.code, len(ended.error_lines)) == (2, 1), ended.err
    assert "restart" not in ended.err


@pytest.mark.thorough
def test_a_job_that_fails_before_its_first_checkpoint_does_not_loop(folder):
    ended = run_with_fault(folder, "1|while loading|kill", *SHORT, launch=("--max-restarts", "9"))
    assert ended.code == 70, ended.err
    assert ended.err.count("restart ") == 1
    assert "two starts without a new checkpoint" in ended.err
