"""Saving as users ask for it: when, beside training, and what happens on a disk that is full."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.checkpoint import sealed_hdf5 as sealed
from ddp_mlp.checkpoint.checkpoint import list_checkpoints, load_checkpoint
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import CheckpointConfig, load_config
from ddp_mlp.durable import Check, write_whole
from ddp_mlp.errors import NonFiniteError, OutputError, StorageError, UsageError
from ddp_mlp.run.files import writer as run_writer
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.save_schedule import SaveSchedule
from tests.runs import MOONS, ddp_mlp, prepare
from tests.runs import train_here as train
from tests.tiers import thorough

CONFIG = f"""{MOONS}learning_rate = 0.02
[train]
epochs = 5
early_stopping_patience = 0
global_batch_size = 8
micro_batches = 4
[checkpoint]
keep = 100
"""
#: Steps of an epoch: 80 samples without a fifth, by 8.
PER_EPOCH = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("saving"), CONFIG, "moons", 80, seed=1)


def saved_steps(folder: Path, name: str) -> list[int]:
    return [int(path.stem[5:]) for path in list_checkpoints(folder / name / "checkpoints")][::-1]


@pytest.mark.parametrize(
    ("rules", "steps"),
    [
        ([], [8, 16, 24, 32, 40]),
        (["checkpoint.every_epochs=2"], [16, 32, 40]),
        (["checkpoint.every_steps=7"], [7, 14, 21, 28, 35, 40]),
        (["checkpoint.every_steps=15", "checkpoint.every_epochs=4"], [15, 30, 32, 40]),
        (["checkpoint.every_steps=1000"], [40]),
        (["checkpoint.every_minutes=100"], [40]),
    ],
)
def test_checkpoints_at_the_steps_that_were_asked_for(folder: Path, rules: list[str], steps: list[int]) -> None:
    name = "at-" + "-".join(rules)
    train(folder, name, *rules)
    assert saved_steps(folder, name) == steps
    for path in list_checkpoints(folder / name / "checkpoints"):
        progress = load_checkpoint(path).state.progress
        assert progress.epoch * PER_EPOCH + progress.position == progress.step == int(path.stem[5:])


@pytest.mark.mpi
def test_the_schedule_is_the_same_on_every_rank_count(folder: Path) -> None:
    rules = ["--set", "checkpoint.every_steps=7"]
    shas = {
        ddp_mlp("train", "c.toml", "--out", f"ranks-{n}", "--json", *rules, cwd=folder, ranks=n).result[
            "weights_sha256"
        ]
        for n in (1, 3)
    }
    assert len(shas) == 1
    assert saved_steps(folder, "ranks-1") == saved_steps(folder, "ranks-3") == [7, 14, 21, 28, 35, 40]


def test_the_schedule_is_the_same_after_a_resume_in_the_middle(folder: Path) -> None:
    rules = ["checkpoint.every_steps=7"]
    whole = train(folder, "whole", *rules)
    train(folder, "part", *rules)
    for path in list_checkpoints(folder / "part" / "checkpoints"):
        if int(path.stem[5:]) > 14:
            path.unlink()
    resumed = train(folder, "part", *rules, resume=True)
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert saved_steps(folder, "part") == saved_steps(folder, "whole")
    for step in (21, 35):
        found = [load_checkpoint(folder / name / f"checkpoints/step-{step:08d}.h5").state for name in ("whole", "part")]
        assert found[0].parameters.tobytes() == found[1].parameters.tobytes()
        assert found[0].moments.tobytes() == found[1].moments.tobytes()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_minutes_are_counted_from_the_last_save(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("ddp_mlp.run.save_schedule.monotonic", clock)
    schedule = SaveSchedule(CheckpointConfig(every_minutes=0.5), SingleProcess())
    due = []
    for now in (1, 29, 31, 32, 60, 62):
        clock.now = now
        due.append(schedule.is_due(Progress(), ends_epoch=False))
    assert due == [False, False, True, False, False, True]


def test_minutes_save_within_an_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddp_mlp.run.save_schedule.monotonic", itertools.count(0, 1000).__next__)
    train(folder, "minutes", "checkpoint.every_minutes=1", "train.epochs=1")
    assert saved_steps(folder, "minutes")[-1] == PER_EPOCH
    assert len(saved_steps(folder, "minutes")) > 1


def test_rules_that_mean_nothing(folder: Path) -> None:
    for rule in ("every_steps=0", "every_minutes=0", "every_epochs=0"):
        with pytest.raises(UsageError, match=rule.split("=")[0]):
            load_config(folder / "c.toml", [f"checkpoint.{rule}"], {})


def test_the_same_files_as_if_each_had_been_written_in_its_time(folder: Path) -> None:
    """Far more saves than there is time for: the newest are there, and nothing else."""
    train(folder, "many", "train.epochs=200", "checkpoint.keep=3")
    assert saved_steps(folder, "many") == [198 * PER_EPOCH, 199 * PER_EPOCH, 200 * PER_EPOCH]
    with (folder / "many" / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(k) for k in range(1, 201)]
    with (folder / "many" / "hashes.csv").open() as file:
        hashes = {int(row["step"]): row["weights_sha256"] for row in csv.DictReader(file)}
    assert len(hashes) == 200
    train(folder, "fewer", "train.epochs=70", "checkpoint.keep=1")
    with (folder / "fewer" / "hashes.csv").open() as file:
        assert all(hashes[int(row["step"])] == row["weights_sha256"] for row in csv.DictReader(file))


def test_short_epochs_are_not_spent_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes 20 ms for each file: 300 epochs would wait 20 s for it and more."""
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(0.02)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    started = time.monotonic()
    train(folder, "slow-disk", "train.epochs=300", "checkpoint.keep=2")
    assert time.monotonic() - started < 12
    assert saved_steps(folder, "slow-disk") == [299 * PER_EPOCH, 300 * PER_EPOCH]


def test_a_run_that_is_over_within_its_first_rest_is_written_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same files in the end as one that saved at once."""
    saved: list[int] = []
    save = run_writer.save_checkpoint

    def count(directory: Path, image: bytes, step: int, check: Any) -> Path:
        saved.append(step)
        return save(directory, image, step, check)

    monkeypatch.setattr(run_writer, "save_checkpoint", count)
    train(folder, "at-once", "checkpoint.keep=1", at_report=lambda: time.sleep(0.2))
    assert len(saved) > 1
    saved.clear()
    train(folder, "rested", "checkpoint.keep=1", at_report=lambda: time.sleep(0.2), first_rest_s=600.0)
    assert saved == [5 * PER_EPOCH]
    files = [sorted(path.name for path in (folder / name).rglob("*")) for name in ("at-once", "rested")]
    assert files[0] == files[1]


def failing(monkeypatch: pytest.MonkeyPatch, fails: Any, number: int) -> list[int]:
    """Let saves of checkpoints fail for which `fails` (step) holds; return their steps."""
    save, failed = run_writer.save_checkpoint, []

    def fail(directory: Path, image: bytes, step: int, check: Any) -> Path:
        if fails(step):
            failed.append(step)
            raise StorageError(f"{directory}: cannot write: {os.strerror(number)}")
        return save(directory, image, step, check)

    monkeypatch.setattr(run_writer, "save_checkpoint", fail)
    monkeypatch.setattr("ddp_mlp.run.recorder.REST", 0.0)
    monkeypatch.setattr("ddp_mlp.run.recorder.LOOK_EVERY_S", 0.001)
    return failed


@pytest.mark.parametrize("number", [errno.ENOSPC, thorough(errno.EIO)])
def test_a_periodic_save_that_fails_costs_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    told: list[str] = []
    calls = itertools.count(1)
    failed = failing(monkeypatch, lambda _: 3 <= next(calls) <= 6, number)
    name = f"survives-{number}"
    summary = train(folder, name, "train.epochs=100", told=told, at_report=lambda: time.sleep(0.02))
    warnings = [line for line in told if line.startswith("warning")]
    assert len(failed) == 4
    assert len(warnings) == 1
    assert os.strerror(number) in warnings[0]
    assert "last good checkpoint: step-0" in warnings[0]
    assert "training goes on" in warnings[0]
    assert told[told.index(warnings[0]) + 1] == "files of the run can be written again"
    assert summary["status"] == "finished"
    assert saved_steps(folder, name)[-1] == 100 * PER_EPOCH
    assert json.loads((folder / name / "status.json").read_text())["state"] == "finished"


def test_a_last_save_that_fails_is_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda step: step == 40, errno.ENOSPC)
    with pytest.raises(StorageError, match="No space left on device"):
        train(folder, "unsaved")
    status = json.loads((folder / "unsaved" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 74)
    assert saved_steps(folder, "unsaved") == [8, 16, 24, 32]


def test_what_nobody_expects_in_the_thread_that_writes_ends_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Path:
        raise MemoryError("injected")

    monkeypatch.setattr(run_writer, "save_checkpoint", fail)
    with pytest.raises(MemoryError, match="injected"):
        train(folder, "unexpected")
    assert saved_steps(folder, "unexpected") == []


def test_what_is_announced_is_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status names a checkpoint only when its directory entry has been forced to disk."""
    durable: list[str] = []
    announced: list[tuple[str, list[str]]] = []
    write, status = write_whole, RunDirectory.write_status

    def note_write(path: Path, content: bytes, check: Check) -> None:
        write(path, content, check)
        durable.append(path.name)

    def note_status(self: RunDirectory, state: str, **fields: Any) -> None:
        announced.append((fields.get("checkpoint") or "", list(durable)))
        status(self, state, **fields)

    monkeypatch.setattr(sealed, "write_whole", note_write)
    monkeypatch.setattr(RunDirectory, "write_status", note_status)
    train(folder, "announced", "checkpoint.every_steps=1")
    named = [(name, known) for name, known in announced if name]
    assert named
    for name, known in named:
        assert name in known


def test_good_states_are_saved_before_a_failure_ends_the_run(folder: Path) -> None:
    with pytest.raises(NonFiniteError):
        train(folder, "diverges", "optimizer.name=sgd", "optimizer.learning_rate=1e30", "checkpoint.every_steps=1")
    steps = saved_steps(folder, "diverges")
    for step in steps:
        load_checkpoint(folder / f"diverges/checkpoints/step-{step:08d}.h5")
    assert json.loads((folder / "diverges" / "status.json").read_text())["exit_code"] == 79


def test_a_run_that_lost_its_directory_stops_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddp_mlp.run.files.lock import RunLock

    def lost(self: RunLock) -> None:
        raise OutputError("taken over by n1")

    monkeypatch.setattr(RunLock, "check", lost)
    with pytest.raises(OutputError, match="taken over by n1"):
        train(folder, "lost", "train.epochs=200")
    assert saved_steps(folder, "lost") == []


def test_training_waits_where_too_much_waits_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddp_mlp.run import recorder

    held: list[int] = []
    has_room = recorder.Recorder._has_room

    def note(self: recorder.Recorder, snapshot: Any) -> bool:
        held.append(len(self._waiting))
        return has_room(self, snapshot)

    monkeypatch.setattr(recorder, "ROOM_BYTES", 1)
    monkeypatch.setattr(recorder.Recorder, "_has_room", note)
    train(folder, "no-room", "train.epochs=20")
    assert saved_steps(folder, "no-room") == [PER_EPOCH * k for k in range(1, 21)]
    assert max(held) <= 1
