"""Training killed at any time, and every call of a save failing or the last one: nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import (
    list_checkpoints,
    load_checkpoint,
    newest_good,
)
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.run.files.table_lines import read_table
from ddp_mlp.run.files.writer import RunWriter
from tests.faults.forks import in_child
from tests.faults.stores import Store
from tests.faults.table import Row
from tests.runs import prepare, train_here
from tests.tiers import THOROUGH, thorough

CONFIG = """
[data]
train = "moons.h5"
[model]
hidden = [8]
[optimizer]
name = "adam"
[train]
epochs = 1000000
early_stopping_patience = 0
global_batch_size = 16
micro_batches = 2
[checkpoint]
every_steps = 1
keep = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("saving"), CONFIG, "moons", 80)


@pytest.fixture(scope="module")
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))


def train(folder: Path, name: str, *overrides: str, resume: bool = True, writer: int | None = None) -> dict[str, Any]:
    """Train in this process; a byte to `writer` says that the first step is done."""
    at_report = (lambda: None) if writer is None else (lambda: os.write(writer, b"."))
    return train_here(folder, name, *overrides, resume=resume, at_report=at_report)


def announced(run: Path) -> int:
    """Return the newest step that a run has said to be saved."""
    log, status = run / "log.txt", run / "status.json"
    lines = log.read_text().splitlines() if log.exists() else []
    said = [int(line.split("step-")[1].split(".")[0]) for line in lines if " saved step-" in line]
    told = json.loads(status.read_text()).get("checkpoint") if status.exists() else None
    return max([0, *said, int(told[5:13]) if told else 0])


@THOROUGH
@pytest.mark.timeout(3600)
def test_kills_at_random_times_lose_nothing_that_was_announced(
    folder: Path, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that saves as fast as the disk can, killed over and over, and started again from where it was."""
    monkeypatch.setattr("ddp_mlp.run.recorder.REST", 0.0)
    monkeypatch.setattr("ddp_mlp.run.recorder.LOOK_EVERY_S", 0.001)
    train(folder, "warm", "train.epochs=1", resume=False)
    started = time.monotonic()
    train(folder, "warm-again", "train.epochs=1", resume=False)
    span_s = 2 * (time.monotonic() - started)  # by how busy the machine is
    n_kills, rng, run = 1000 if long else 40, np.random.default_rng(0), folder / "killed"
    n_advanced, newest = 0, 0
    for k in range(n_kills):
        from_the_start = k % 4 == 0

        def work(writer: int, from_the_start: bool = from_the_start) -> int:
            if from_the_start:
                os.write(writer, b".")
            train(folder, "killed", writer=writer)
            return 0

        child = in_child(work, kill_after_s=rng.uniform(0, span_s), deadline_s=60)
        assert (child.code, child.timed_out) == (-signal.SIGKILL, False), child.said
        found, passed_over = newest_good(run / "checkpoints")
        step = found.state.progress.step if found else 0
        assert step >= max(newest, announced(run)), "what was announced is lost"
        assert passed_over == [], "a save that was cut short is visible"
        newest, n_advanced = step, n_advanced + (step > newest)
    print(f"{n_kills} kills, {n_advanced} of them after a new checkpoint, at step {newest}; lost: 0")  # noqa: T201
    assert n_advanced > n_kills / 4
    train(folder, "killed", "train.epochs=1")
    assert not list((run / "checkpoints").glob(".*.tmp")), "what dead jobs leave is taken away by the next"


CALLS = [(os, name) for name in ("open", "write", "fsync", "close", "rename", "unlink", "ftruncate")]
CALLS += [(Path, "rename"), (Path, "replace"), (Path, "unlink")]


@contextmanager
def failing_at(n: int, act: Callable[[], None], *, after: bool) -> Iterator[list[str]]:
    """Let the n-th system call that changes files, before or after it is done, be followed by an act."""
    made: list[str] = []

    def faulty(owner: Any, name: str) -> Callable[..., Any]:
        call = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            made.append(name)
            if len(made) == n and not after:
                act()
            result = call(*arguments, **named)
            if len(made) == n and after:
                act()
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patched:
        for owner, name in CALLS:
            patched.setattr(owner, name, faulty(owner, name))
        yield made


def end() -> None:
    os._exit(9)


def error(number: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


FAULTS = {
    "killed before": (end, False),
    "killed after": (end, True),
    "no space": (error(errno.ENOSPC), False),
    "I/O error": (error(errno.EIO), False),
}
CASES = ["killed before", *(thorough(fault) for fault in ("killed after", "no space", "I/O error"))]
#: Exit code of a child whose failed call cost nothing.
SURVIVED = 5


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    """A run directory of three saves; the next one has a better model."""
    train(folder, "source", "train.epochs=1", resume=False)
    filled = Store(folder / "filled", load_checkpoint(list_checkpoints(folder / "source" / "checkpoints")[0]))
    writer = filled.start()
    for step in (1, 2, 3):
        filled.save(writer, step)
    return filled


@pytest.mark.parametrize("fault", CASES)
def test_every_call_of_a_save_leaves_the_state_before_or_after(tmp_path: Path, store: Store, fault: str) -> None:
    """As SQLite tests itself: the n-th call fails, for n = 1, 2, ... until there are no more."""
    act, after = FAULTS[fault]
    n = 0
    while True:
        n += 1
        own = replace(store, path=tmp_path / str(n))
        shutil.copytree(store.path, own.path)
        writer = own.start()
        before = {path.name: path.read_bytes() for path in own.checkpoints.iterdir()}

        def save(_writer: int, own: Store = own, writer: RunWriter = writer, n: int = n) -> int:
            with failing_at(n, act, after=after) as made:
                own.save(writer, 4)
            return SURVIVED if len(made) >= n else 0

        outcome = in_child(save).code
        found, passed_over = newest_good(own.checkpoints)
        assert found is not None
        assert passed_over == []
        step = found.state.progress.step
        assert step in (3, 4)
        assert step == 4 or outcome not in (0, SURVIVED)
        n_left = len(list_checkpoints(own.checkpoints))
        assert n_left >= 3, "one was pruned before the new one was good"
        if step == 3:
            assert {name: (own.checkpoints / name).read_bytes() for name in before} == before
        row = Row(fault)
        own.check(row, f"call {n}")
        assert row.failures == []
        if outcome == 0:
            assert n_left == 3
            break
        assert n < 200
    print(f"{fault}: {n - 1} calls")  # noqa: T201
    assert n > 20


@THOROUGH
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_of_a_start_can_be_the_last_one(tmp_path: Path, store: Store, fault: str) -> None:
    """All that a start puts right is wrong, and it is killed or fails at its n-th call: the next one puts it right."""
    act, after = FAULTS[fault]
    n = 0
    while True:
        n += 1
        own = replace(store, path=tmp_path / str(n))
        shutil.copytree(store.path, own.path)
        (own.path / "model.h5").write_bytes(b"damaged")
        (own.path / "hashes.csv").unlink()
        (own.path / "status.json").unlink()
        table = own.path / "metrics.csv"
        table.write_bytes(table.read_bytes()[:-9] + b"\nnotes\n")

        def start(_writer: int, own: Store = own, n: int = n) -> int:
            with failing_at(n, act, after=after) as made:
                own.start()
            return SURVIVED if len(made) >= n else 0

        outcome = in_child(start).code
        own.start()
        assert load_model(own.path).epoch == 2
        assert [row["epoch"] for row in read_table(table)] in (["1", "2", "3"], ["2", "3"])
        assert own.announced() == 3
        if outcome == 0:
            break
        assert n < 200
    assert n > 20
