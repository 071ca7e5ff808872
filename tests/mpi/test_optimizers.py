"""The promise for every optimiser and all that an update can do: the same bits on any number of ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from tests.mpi.optimizer_runs import CONFIG, RUNS
from tests.runs import on_ranks, prepare
from tests.tiers import thorough

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("optimizers")
    return prepare(path, CONFIG, "spirals", 200, seed=3)


def found(folder: Path, ranks: int, **environment: str) -> dict[str, Any]:
    name = "-".join(map(str, (ranks, *environment.values())))
    done = on_ranks("tests.mpi.optimizer_runs", folder, name, cwd=folder, ranks=ranks, **environment)
    assert done.code == 0, done.err
    return json.loads((folder / name / "found.json").read_text())


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    return found(folder, 1)


def test_every_optimizer_is_here() -> None:
    assert OPTIMIZERS.keys() <= RUNS.keys()


#: Nodes of one and of two ranks that share out the optimiser, and five of which most own nothing of a tiny network.
SHARDED = {"DDP_MLP_RANKS_PER_NODE": "2", "DDP_MLP_TRAIN_SHARD_OPTIMIZER": "true"}
APART = {"DDP_MLP_RANKS_PER_NODE": "1", "DDP_MLP_TRAIN_SHARD_OPTIMIZER": "true"}


@pytest.mark.parametrize(
    ("ranks", "environment"),
    [
        (2, {}),
        (4, SHARDED),
        thorough(3, {"DDP_MLP_RANKS_PER_NODE": "2"}),
        thorough(3, SHARDED),
        thorough(5, APART),
        thorough(8, {}),
    ],
)
def test_bits_do_not_depend_on_ranks(
    folder: Path, alone: dict[str, Any], ranks: int, environment: dict[str, str]
) -> None:
    together = found(folder, ranks, **environment)
    assert [name for name in together if together[name] != alone[name]] == []
    assert together.keys() >= OPTIMIZERS.keys()


def test_they_differ_from_each_other(alone: dict[str, Any]) -> None:
    """Equal bits above mean something only if each run did something of its own."""
    assert len({result["weights_sha256"] for result in alone.values()}) == len(RUNS)


def test_the_plateau_and_the_stop_took_place(alone: dict[str, Any]) -> None:
    rates = [row["learning_rate"] for row in alone["plateau"]["norms"]]
    assert rates[0] > rates[-1]
    assert alone["stopped"]["status"] == "early-stopped"
    assert alone["stopped"]["epochs"] == alone["stopped"]["best_epoch"] + 1 < 9
