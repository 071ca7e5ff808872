"""Checkpoints of runs that never were, of a small network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.checkpoint import Checkpoint, checkpoint_name
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.core.network import build_network
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.schema import Schema

FACTS = Schema("multiclass", 3, 4, ("a", "b", "ü"), None, ("w", "x", "y", "z"), (3, 1))

HISTORY = [
    {"epoch": 1, "step": 20, "train_loss": 0.1 + 0.2, "valid_loss": 1e-300, "wall_s": 2.5},
    {"epoch": 2, "step": 40, "train_loss": 1 / 3, "valid_loss": "", "wall_s": 2.25},
]


def config_of(**tables: dict[str, Any]) -> Config:
    raw: dict[str, Any] = {"data": {"train": "/data/train.h5"}, "model": {"hidden": [5]}}
    for name, table in tables.items():
        raw[name] = raw.get(name, {}) | table
    return from_builtins(raw, "test")


def checkpoint_of(step: int = 40, dtype: str = "float32", optimizer: str = "adam", **tables: Any) -> Checkpoint:
    rng = np.random.default_rng(step)
    train = {"dtype": dtype} | ({"global_batch_size": "full"} if optimizer == "line_search" else {})
    config = config_of(optimizer={"name": optimizer}, train=train, **tables)
    network = build_network(config.model, config.loss, FACTS.task, FACTS.n_features, FACTS.n_outputs)
    n_parameters, n_moments = network.layout.n_parameters, len(OPTIMIZERS[optimizer].moments)
    state = TrainState(
        rng.normal(size=n_parameters).astype(dtype),
        rng.normal(size=(n_moments, n_parameters)).astype(dtype),
        Progress(
            2, 3, step, 0.1, 96, 1 / 7, 0.25,
            best_epoch=1, best_row=HISTORY[0], last_row=HISTORY[1], history_sha256="0a" * 32,
        ),
        rng.normal(size=n_parameters).astype(dtype),
    )  # fmt: skip
    return Checkpoint(
        path=Path(checkpoint_name(step)),
        state=state,
        config=config,
        schema=FACTS,
        normalization=Normalization("standard", rng.normal(size=3), rng.uniform(0.1, 2, size=3)),
        network=network,
        fingerprint="0123abcd",
        micro_batches=8,
        written_by={"version": "0.1.0", "world_size": 4, "host": "node01"},
    )
