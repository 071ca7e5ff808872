"""A run that hung while another job took over its directory, and failures while a run fails."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import load_config
from ddp_mlp.data.importing import make_dataset
from ddp_mlp.errors import NonFiniteError, OutputError, StorageError
from ddp_mlp.run.files import writer as run_writer
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.epoch_table import EpochTable
from ddp_mlp.run.files.lock_owner import this_process
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.training.report import Report

CONFIG = """
[data]
train = "data.h5"
valid_fraction = 0.2
[model]
hidden = [4]
[train]
epochs = 6
global_batch_size = 16
micro_batches = 2
[checkpoint]
every_epochs = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset("moons", tmp_path / "data.h5", samples=80)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def train(folder: Path, listen: Callable[[Report], object], told: list[str] | None = None) -> dict[str, Any]:
    config, tell = load_config(folder / "c.toml", [], {}), (told if told is not None else []).append
    return Run(config, RunOptions(folder / "run"), SingleProcess(), tell).execute(lambda report: [listen(report)])


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {str(path): (status.st_ino, status.st_mtime_ns, path.read_bytes()) for path, status in found.items()}


class Taker:
    """Another job: after an epoch it takes the directory over, and notes how it then looks."""

    def __init__(self, run: Path, then: Callable[[], object] = lambda: None) -> None:
        self.run, self.then = run, then
        self.found: dict[str, tuple[int, int, bytes]] = {}

    def __call__(self, report: Report) -> None:
        if report.finished_epoch and report.epoch == 3:
            owner = replace(this_process(), host="n1", boot="other", pid=42)
            (self.run / ".lock").write_text(json.dumps(asdict(owner)))
            time.sleep(0.3)  # for a write that had been checked before
            self.found = tree(self.run)
            self.then()


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def diverge() -> None:
    raise NonFiniteError("the loss is not finite")


@pytest.mark.parametrize(
    ("then", "error", "reason"),
    [
        (lambda: None, OutputError, "was taken over by n1, pid 42"),
        (ask_to_stop, OutputError, "was taken over by n1, pid 42"),
        (diverge, NonFiniteError, "the loss is not finite"),
    ],
    ids=["finishes", "is stopped", "fails"],
)
def test_however_a_run_ends_it_leaves_the_directory_of_another_alone(
    folder: Path, then: Callable[[], object], error: type[Exception], reason: str
) -> None:
    taker, told = Taker(folder / "run", then), []
    with pytest.raises(error, match=reason):
        train(folder, taker, told)
    assert tree(folder / "run") == taker.found
    assert json.loads((folder / "run/status.json").read_text())["state"] == "running"
    assert [line for line in told if not line.startswith("data: ")] == [], "the error is said once, by the starter"


def test_a_time_out_is_not_noted_in_a_directory_that_is_not_ours(folder: Path) -> None:
    """The limit holds from the first meeting of the ranks on, when another job may still have the directory."""
    run = RunDirectory(folder / "run")
    run.create()
    run.write_status("running")
    before = tree(run.path)
    config = load_config(folder / "c.toml", [], {})
    Run(config, RunOptions(run.path), SingleProcess(), print)._note_timeout("waited 600 s")
    assert tree(run.path) == before


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Path, "unlink"), (RunDirectory, "write_status"), (EpochTable, "append"), (os, "utime")],
)
def test_a_failure_while_failing_does_not_hide_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """Giving back the lock, writing the status, and what still waits to be written."""

    def break_down(report: Report) -> None:
        if report.finished_epoch and report.epoch == 2:
            monkeypatch.setattr(owner, name, fail)
            diverge()

    with pytest.raises(NonFiniteError, match="the loss is not finite"):
        train(folder, break_down)


def test_a_line_that_cannot_be_said_does_not_end_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error may lead to the disk that is full, of which it is to tell."""
    save = run_writer.save_checkpoint

    def fail_at_first(*_: object) -> Path:
        monkeypatch.setattr(run_writer, "save_checkpoint", save)
        raise StorageError("the disk is full")

    monkeypatch.setattr(run_writer, "save_checkpoint", fail_at_first)
    monkeypatch.setattr("ddp_mlp.run.recorder.REST", 0.0)
    config = load_config(folder / "c.toml", [], {})
    run = Run(config, RunOptions(folder / "run"), SingleProcess(), fail)  # type: ignore[arg-type]
    assert run.execute(lambda _: time.sleep(0.05))["status"] == "finished"
    assert "warning: the disk is full" in (folder / "run/log.txt").read_text()
