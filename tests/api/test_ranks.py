"""Scripts that use the package, under a launcher: the bits of one process, errors on all ranks, an orderly end."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.api.test_training import write
from tests.runs import Finished, run
from tests.tiers import THOROUGH

_TOML = """
[data]
train = "m.h5"
[model]
hidden = [6]
[train]
epochs = 2
global_batch_size = 100
"""
#: The lines of the contract, and what ranks may not do.
_SCRIPT = """
import os, sys
import numpy as np
import ddp_mlp
rank = int(os.environ.get("PMI_RANK", "0"))
X = np.random.default_rng(0).normal(size=(200, 4))
y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
Xv, yv = X[:50], y[:50]

config = ddp_mlp.Config.from_toml("c.toml", {"optimizer.learning_rate": 0.01})
result = ddp_mlp.train(config, out="runs/a", threads=2, overwrite=True)
history, summary = result.history["valid_loss"], result.summary
for report in ddp_mlp.training(config, data=(X, y), valid=(Xv, yv)):
    if report.finished_epoch and rank == summary["world_size"] - 1:
        break
left = ddp_mlp.training(config, data=(X, y))
next(left)
held = ddp_mlp.train(config, data=(X, y))
try:
    next(left)
except ddp_mlp.UsageError as error:
    assert "ended when another" in str(error) or summary["world_size"] == 1, error
assert summary["world_size"] == 1 or left.result.status == "stopped"
model = ddp_mlp.load_model("runs/a")
if rank == 0:  # each rank by itself
    model.predict(X), model.predict_proba(X), model.evaluate(X, (y == "same").astype(int)), model.schema
if summary["world_size"] > 1:
    last = rank == summary["world_size"] - 1
    for data, kind in (((X + (rank == 1), y), ddp_mlp.LaunchError), ((X, y[: 200 - last]), ValueError)):
        try:
            ddp_mlp.train(config, data=data)
        except kind as error:
            assert "rank" in str(error), error
        else:
            raise SystemExit("no error")
    try:
        ddp_mlp.train(config, out="runs/alone" if rank == 0 else None)
    except ddp_mlp.LaunchError as error:
        assert "a run directory is not given, on rank 0 given" in str(error), error
    else:
        raise SystemExit("no error where one rank alone was given a directory")
said = result.weights_sha256, result.model.weights_sha256 == model.weights_sha256, held.weights_sha256, history
print(f"{said}\\n", end="")  # at once, as lines of several ranks must not mix
never_closed = ddp_mlp.training(config, data=(X, y))
next(never_closed)
if sys.argv[1:] == ["sys.exit"] and rank == 1:
    sys.exit(3)
if sys.argv[1:] == ["exit"] and rank == 1:
    exit(3)
if sys.argv[1:] and rank == 1:
    raise RuntimeError("of this rank alone")
if sys.argv[1:]:
    ddp_mlp.train(config, data=(X, y))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(200, 4))
    write(tmp_path / "m.h5", x=x, y=(x[:, 0] * x[:, 1] > 0).astype(int))
    (tmp_path / "c.toml").write_text(_TOML)
    (tmp_path / "s.py").write_text(_SCRIPT)
    return tmp_path


def ranks(folder: Path, n: int, *arguments: str) -> Finished:
    start = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(n)] if n > 1 else []
    return run([*start, sys.executable, "s.py", *arguments], folder)


@THOROUGH
@pytest.mark.mpi
def test_a_script_gives_the_same_bits_alone_and_on_three_ranks(folder: Path) -> None:
    alone, several = ranks(folder, 1), ranks(folder, 3)
    assert alone.code == 0, alone.err
    assert several.code == 0, several.err
    assert alone.out
    assert sorted(several.out.splitlines()) == [alone.out.strip()] * 3


@pytest.mark.mpi
def test_a_rank_whose_script_fails_alone_ends_the_others(folder: Path) -> None:
    ended = ranks(folder, 2, "fail")
    assert ended.code != 0
    assert "of this rank alone" in ended.err


@THOROUGH
@pytest.mark.mpi
@pytest.mark.parametrize("way", ["sys.exit", "exit"])
def test_a_rank_whose_script_exits_while_others_wait_for_it_ends_them_with_its_code(folder: Path, way: str) -> None:
    ended = ranks(folder, 2, way)
    assert ended.code == 3
    assert "the script of this rank has ended, but rank 0 waits for it in" in ended.err
