"""Sums of layers that travel while others are computed: the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs import ddp_mlp, make_data

pytestmark = pytest.mark.mpi

#: Three groups of layers, in any of which a worker may come last.
CONFIG = """
[data]
train = "spirals.h5"
[model]
hidden = [300, 300, 300]
[optimizer]
name = "{optimizer}"
learning_rate = 0.01
[train]
epochs = 2
global_batch_size = 24
micro_batches = 8
shard_optimizer = true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overlap")
    make_data(path, "spirals", 400, seed=3)
    for optimizer in ("nesterov", "lamb"):
        (path / f"{optimizer}.toml").write_text(CONFIG.format(optimizer=optimizer))
    return path


def train(folder: Path, optimizer: str, name: str, **how: Any) -> dict[str, Any]:
    return ddp_mlp("train", f"{optimizer}.toml", "--out", name, "--json", cwd=folder, **how).result


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    return {name: train(folder, name, f"alone-{name}") for name in ("nesterov", "lamb")}


@pytest.mark.parametrize(
    ("optimizer", "ranks", "threads", "per_node", "overlap"),
    [
        ("nesterov", 2, 1, "1", "true"),
        ("nesterov", 2, 1, "1", "auto"),
        ("nesterov", 2, 1, "1", "false"),
        ("nesterov", 3, 1, "2", "true"),  # two workers of a node fold a layer, whoever comes last
        ("lamb", 2, 3, "1", "true"),  # three workers have two sums left, which other nodes fold
    ],
)
def test_the_same_bits_with_layers_that_travel_by_themselves(
    folder: Path, alone: dict[str, Any], optimizer: str, ranks: int, threads: int, per_node: str, overlap: str
) -> None:
    name = f"{optimizer}-{ranks}-{threads}-{per_node}-{overlap}"
    environment = {"DDP_MLP_RANKS_PER_NODE": per_node, "DDP_MLP_TRAIN_OVERLAP": overlap}
    found = train(folder, optimizer, name, ranks=ranks, threads=threads, **environment)
    same = ("weights_sha256", "train_loss", "steps")
    assert {key: found[key] for key in same} == {key: alone[optimizer][key] for key in same}
