"""When a job is started again, from where, and when no more; what is said of ranks that could not speak."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.cluster.launch.restarts import explain, run_with_restarts, train_command
from ddp_mlp.errors import UsageError


class Requests:
    """No waiting, and a request to stop after so many calls."""

    def __init__(self, until_asked: int = 1000) -> None:
        self.left = until_asked
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.left -= 1
        if seconds:
            self.waits.append(seconds)
        return self.left < 0


class Job:
    """A job that ends with one code after the other, and saves a step each time, or none."""

    def __init__(self, run: Path, codes: Sequence[int], steps: Sequence[int]) -> None:
        self.run, self.codes, self.steps = run, list(codes), list(steps)
        self.started: list[tuple[str, ...]] = []

    def start(self, arguments: Sequence[str]) -> int:
        self.started.append(tuple(arguments))
        checkpoints = self.run / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        if self.steps and (step := self.steps.pop(0)):
            (checkpoints / f"step-{step:08d}.h5").write_bytes(b"")
        return self.codes.pop(0)


def go(job: Job, most: int, requests: Any = None, said: list[str] | None = None) -> int:
    tell = (said if said is not None else []).append
    return run_with_restarts(job.start, ["train", "c.toml", "--out", str(job.run)], most, requests or Requests(), tell)


def test_a_failed_job_goes_on_from_its_checkpoint(tmp_path):
    job, said = Job(tmp_path, [70, 80, 0], [10, 20, 30]), []
    assert go(job, 3, said=said) == 0
    assert ["--resume" in arguments for arguments in job.started] == [False, True, True]
    assert said[0] == "restart 1 of 3 from step 10 in 1 s: the job ended with exit code 70"
    assert said[1].startswith("restart 2 of 3 from step 20 ")


def test_restarts_are_counted(tmp_path):
    job = Job(tmp_path, [70, 71, 72], [10, 20, 30])
    assert go(job, 2) == 72
    assert len(job.started) == 3
    assert go(Job(tmp_path, [70], []), 0) == 70


@pytest.mark.parametrize("code", [0, 2, 65, 66, 73, 75, 78, 79, 130])
def test_what_another_start_would_not_change_ends_it(tmp_path, code):
    job = Job(tmp_path, [code], [])
    assert go(job, 5) == code
    assert len(job.started) == 1


def test_no_loop_without_progress(tmp_path):
    job, said = Job(tmp_path, [70] * 10, [10]), []
    assert go(job, 9, said=said) == 70
    assert len(job.started) == 3  # the one that saved, and two that did not
    assert "two starts without a new checkpoint (last: step 10)" in said[-1]
    nothing = Job(tmp_path / "other", [70] * 10, [])
    assert go(nothing, 9) == 70
    assert len(nothing.started) == 2


def test_waits_grow_without_progress(tmp_path):
    requests = Requests()
    go(Job(tmp_path, [70] * 10, [10]), 9, requests)
    assert requests.waits == [1.0, 2.0]


def test_a_request_to_stop_ends_it(tmp_path):
    job = Job(tmp_path, [70, 70], [10, 20])
    assert go(job, 5, Requests(until_asked=1)) == 70
    assert len(job.started) == 1


@pytest.mark.parametrize("command", ["search", "cross-validate", "ensemble"])
def test_a_study_goes_on_as_long_as_one_of_its_trials_comes_further(tmp_path, command):
    trials = [Job(tmp_path / name, [70], [step]) for name, step in (("trial-001", 30), ("trial-002/fold-0", 5))]
    codes, started = [70, 70, 0], []

    def start(arguments):
        started.append(tuple(arguments))
        if trials:
            trials.pop(0).start(arguments)
        return codes.pop(0)

    said = []
    arguments = [command, "c.toml", "--out", str(tmp_path)]
    assert run_with_restarts(start, arguments, 5, Requests(), said.append) == 0  # type: ignore[arg-type]
    assert ["--resume" in words for words in started] == [False, True, True]
    assert "from step 30" in said[0]
    assert "from step 35" in said[1]
    with pytest.raises(UsageError, match="give it --out"):
        run_with_restarts(start, arguments[:2], 5, Requests(), print)  # type: ignore[arg-type]


def test_only_training_can_be_restarted():
    with pytest.raises(UsageError, match="--max-restarts is for `train`"):
        run_with_restarts(lambda _: 0, ["evaluate", "m", "d"], 1, Requests(), print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "directory"),
    [
        (["train", "c.toml", "--out", "a/b"], "a/b"),
        (["train", "--out=a", "c.toml"], "a"),
        (["train", "--set", "train.seed=1", "dir/c.toml"], "runs/c"),
    ],
)
def test_the_run_directory_of_a_command_line(arguments, directory):
    command = train_command(arguments)
    assert command is not None
    assert command.run_directory == Path(directory)
    assert train_command(["evaluate", "m"]) is None
    assert train_command([]) is None


@pytest.mark.parametrize("code", [0, 1, 2, 65, 70, 75, 76, 80, 130])
def test_a_job_that_spoke_keeps_its_code(code):
    assert explain(code, None, 0.0, pytest.fail) == code


@pytest.mark.parametrize(("code", "how"), [(9, "exit code 9"), (137, "killed by signal 9"), (255, "exit code 255")])
def test_a_job_that_could_not_speak_is_an_internal_error(code, how):
    said: list[str] = []
    assert explain(code, None, 0.0, said.append) == 70
    assert how in said[0]


def test_a_job_that_ends_well_with_its_run_unfinished_did_not(tmp_path):
    command = train_command(["train", "c.toml", "--out", str(tmp_path)])
    status = tmp_path / "status.json"
    said: list[str] = []
    assert explain(0, command, 0.0, said.append) == 0  # no status at all, as with --dry-run
    status.write_text(json.dumps({"state": "running"}))
    assert explain(0, command, status.stat().st_mtime + 1, said.append) == 0  # that of an older job
    assert said == []
    assert explain(0, command, status.stat().st_mtime, said.append) == 70
    assert "before the job was done" in said[0]
    for text in (json.dumps({"state": "finished"}), "[]", "{"):
        status.write_text(text)
        assert explain(0, command, status.stat().st_mtime, said.append) == 0


def test_a_run_that_is_to_be_replaced_is_not_started_again(tmp_path):
    job = Job(tmp_path, [70], [10])
    with pytest.raises(UsageError, match="--overwrite does not go with --max-restarts"):
        run_with_restarts(job.start, ["train", "c.toml", "--overwrite"], 2, Requests(), print)
    assert job.started == []
