"""``model.h5``: whatever a run says, it is the best model of the newest checkpoint that it has told of."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.checkpoint import sealed_hdf5 as sealed
from ddp_mlp.checkpoint.checkpoint import list_checkpoints, newest_good
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.core.layout import digest
from ddp_mlp.errors import StorageError
from ddp_mlp.run.files import writer as run_writer
from tests.runs import MOONS, prepare
from tests.runs import train_here as train

CONFIG = f"""{MOONS}learning_rate = 0.05
[train]
epochs = 12
early_stopping_patience = 0
global_batch_size = 8
micro_batches = 4
[checkpoint]
every_steps = 5
keep = 4
"""
PER_EPOCH = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = prepare(tmp_path_factory.mktemp("models"), CONFIG, "moons", 80, seed=1)
    train(path, "whole")
    train(path, "other", "train.seed=3")
    return path


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    """A finished run of its own."""
    return Path(shutil.copytree(folder / "whole", tmp_path / "run"))


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "whole" / name).open() as file:
        return list(csv.DictReader(file))


def best_epoch(folder: Path, epochs: int) -> int:
    """Return the best of the first epochs of the run that nobody disturbed."""
    losses = [float(row["valid_loss"]) for row in table(folder, "metrics.csv")[:epochs]]
    return 1 + min(range(len(losses)), key=lambda k: losses[k])


def assert_best(folder: Path, run: Path) -> None:
    found, _ = newest_good(run / "checkpoints")
    assert found is not None
    best = best_epoch(folder, found.state.progress.epoch)
    model = load_model(run)
    assert (model.epoch, model.step) == (best, best * PER_EPOCH)
    assert digest(model.parameters) == table(folder, "hashes.csv")[best - 1]["weights_sha256"]


def resume(folder: Path, run: Path, *overrides: str) -> list[str]:
    """Go on, and return the lines about the model."""
    told: list[str] = []
    train(folder, str(run), *overrides, resume=True, told=told)
    return [line for line in told if "model.h5" in line]


def told_of(run: Path) -> int:
    """Return the newest step that was said to be saved."""
    log = run / "log.txt"
    steps = re.findall(r"saved step-(\d+)", log.read_text()) if log.exists() else []
    return max([0, *map(int, steps)])


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\1")


WRONG: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "gone": (lambda model, other: model.unlink(), "no such file"),
    "damaged": (lambda model, other: damage(model), "SHA-256 does not match"),
    "cut short": (lambda model, other: os.truncate(model, 700), "cut short"),
    "empty": (lambda model, other: os.truncate(model, 0), "not a checkpoint or model"),
    "of another run": (lambda model, other: shutil.copy(other / "model.h5", model), "not that of the checkpoint"),
    "a checkpoint": (lambda model, other: shutil.copy(list_checkpoints(other / "checkpoints")[0], model), "model.h5"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_resume_of_a_finished_run_writes_it_again(folder: Path, run: Path, case: str) -> None:
    spoil, phrase = WRONG[case]
    spoil(run / "model.h5", folder / "other")
    lines = resume(folder, run)
    assert_best(folder, run)
    assert len(lines) == 1
    assert phrase in lines[0]
    assert "it is now the best one so far" in lines[0]


def test_what_is_right_is_left_as_it_is(folder: Path, run: Path) -> None:
    before = (run / "model.h5").stat()
    assert resume(folder, run) == []
    assert (run / "model.h5").stat().st_ino == before.st_ino


def test_another_configuration_is_kept_in_it_without_a_word(folder: Path, run: Path) -> None:
    assert resume(folder, run, "train.epochs=13", "train.early_stopping_patience=50") == []
    assert load_model(run).config.train.epochs == 13


def test_it_goes_back_with_the_checkpoints(folder: Path, run: Path) -> None:
    """The newest are damaged: the model of a later epoch goes too, and comes again."""
    newest = list_checkpoints(run / "checkpoints")
    for path in newest[:-1]:
        damage(path)
    seen: list[int] = []

    def look() -> None:
        if not seen:
            seen.append(load_model(run).epoch)

    told: list[str] = []
    train(folder, str(run), resume=True, told=told, at_report=look)
    step = int(newest[-1].stem[5:])
    assert seen == [best_epoch(folder, step // PER_EPOCH)]
    assert_best(folder, run)


def test_without_a_checkpoint_it_is_set_aside(folder: Path, run: Path) -> None:
    content = (run / "model.h5").read_bytes()
    shutil.rmtree(run / "checkpoints")
    (line,) = resume(folder, run)
    assert "belongs to no checkpoint; it is kept as model.set-aside-1.h5" in line
    assert (run / "model.set-aside-1.h5").read_bytes() == content
    assert_best(folder, run)


def test_one_that_is_removed_while_a_run_goes_on_comes_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddp_mlp.run.recorder.REST", 0.0)
    model, reports, removed = tmp_path / "run" / "model.h5", itertools.count(), []

    def remove() -> None:
        time.sleep(0.02)
        if next(reports) < 20 and model.exists():
            model.unlink()
            removed.append(model)

    train(folder, str(tmp_path / "run"), at_report=remove)
    assert len(removed) > 1
    assert_best(folder, tmp_path / "run")


def full(monkeypatch: pytest.MonkeyPatch, fails: Callable[[Path], bool]) -> None:
    """Let the disk be full for some files."""
    write = sealed.write_whole

    def refuse(path: Path, content: bytes, *rest: Any) -> None:
        if fails(path):
            raise StorageError(f"{path}: cannot write: {os.strerror(errno.ENOSPC)}")
        write(path, content, *rest)

    monkeypatch.setattr(sealed, "write_whole", refuse)


def test_a_disk_that_is_full_for_the_model_alone_ends_with_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with monkeypatch.context() as context:
        full(context, lambda path: path.name == "model.h5")
        with pytest.raises(StorageError, match=r"model\.h5: cannot write: No space left"):
            train(folder, str(tmp_path / "run"), told=told)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 74)
    assert told_of(tmp_path / "run") < PER_EPOCH, "a later one has a model"
    resume(folder, tmp_path / "run")
    assert_best(folder, tmp_path / "run")


@pytest.mark.parametrize("keep", [1, 4])
def test_what_was_told_of_stays_with_its_model_while_no_other_can_be_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    """The disk is full for models from the second one on, then has room again: at any time both fit each other."""
    run, models, seen = tmp_path / "run", [0], set()
    monkeypatch.setattr("ddp_mlp.run.recorder.REST", 0.0)
    save = run_writer.RunWriter.save

    def fails(path: Path) -> bool:
        if path.name != "model.h5":
            return False
        models[0] += 1
        return 2 <= models[0] <= 5

    def looking(self: run_writer.RunWriter, snapshot: Any) -> None:
        try:
            save(self, snapshot)
        finally:
            if self.last_good:
                assert (run / "checkpoints" / self.last_good).exists()
                step = int(self.last_good[5:13])
                if step >= PER_EPOCH:
                    assert load_model(run).epoch == best_epoch(folder, step // PER_EPOCH)
                    seen.add(step)

    full(monkeypatch, fails)
    monkeypatch.setattr(run_writer.RunWriter, "save", looking)
    train(folder, str(run), f"checkpoint.keep={keep}", at_report=lambda: time.sleep(0.03))
    assert models[0] > 5
    assert len(seen) > 1
    assert len(list_checkpoints(run / "checkpoints")) == keep
    assert_best(folder, run)


def test_a_model_that_does_not_read_back_is_not_told_of(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes bytes and returns others."""
    write = sealed.write_whole

    def garble(path: Path, content: bytes, *rest: Any) -> None:
        write(path, content[:-1] + b"\1" if path.name == "model.h5" else content, *rest)

    with monkeypatch.context() as context:
        context.setattr(sealed, "write_whole", garble)
        with pytest.raises(Exception, match="SHA-256 does not match"):
            train(folder, str(tmp_path / "run"))
    assert told_of(tmp_path / "run") < PER_EPOCH
    resume(folder, tmp_path / "run")
    assert_best(folder, tmp_path / "run")
