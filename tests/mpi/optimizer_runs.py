"""A program for the launcher: train with every optimiser, and leave the summaries of all runs.

    mpiexec -n 3 python -m tests.mpi.optimizer_runs FOLDER NAME

One process for all runs, since starting it takes longer than all of them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import connect
from ddp_mlp.config import load_config
from ddp_mlp.engine.compilation import ready_kernels
from tests.building import compilations

CONFIG = """
[data]
train = "spirals.h5"
valid_fraction = 0.2
[model]
hidden = [40, 30]           # a weight of two blocks
activation = "tanh"
[optimizer]
name = "sgd"
learning_rate = 0.1
[train]
epochs = 3
early_stopping_patience = 0
global_batch_size = 50      # no multiple of the micro-batches; the last batch is shorter
micro_batches = 8
"""

#: What each run changes: every optimiser, and everything else that an update can do.
RUNS: dict[str, list[str]] = {
    "sgd": [],
    "momentum": ["optimizer.momentum_final=0.95", "optimizer.momentum_steps=5"],
    "nesterov": [],
    "adagrad": [],
    "rmsprop": ["optimizer.learning_rate=0.01"],
    "adam": ["optimizer.learning_rate=0.01"],
    "adamw": ["optimizer.learning_rate=0.01"],
    "lamb": ["optimizer.learning_rate=0.01"],
    "line_search": ["train.global_batch_size=full", "optimizer.learning_rate=4.0"],
    "clipped": ["optimizer.name=nesterov", "train.clip_norm=0.05", "train.log_layer_norms=true"],
    "clipped lamb": ["optimizer.name=lamb", "train.clip_norm=0.05", "loss.l2=0.01", "train.dtype=float64"],
    "penalised": ["optimizer.name=sgd", "loss.l1=0.001", "loss.l2=0.01", "loss.lq=0.001", "loss.q=1.5"],
    "searched": ["optimizer.name=line_search", "loss.l2=0.1", "train.global_batch_size=full"],
    "tiny": ["optimizer.name=adam", "model.hidden=[]"],  # on most nodes nothing is left to update
    "online": ["optimizer.name=adam", "train.global_batch_size=1", "train.epochs=1"],
    "full": ["optimizer.name=nesterov", "train.global_batch_size=full"],
    "plateau": ["optimizer.name=sgd", "optimizer.learning_rate=5.0", "schedule.name=plateau", "schedule.patience=0"],
    "stopped": [
        "optimizer.name=sgd", "optimizer.learning_rate=5.0", "train.early_stopping_patience=1", "train.epochs=9",
        "schedule.name=cosine", "schedule.warmup_steps=3",
    ],
}  # fmt: skip

#: What must not depend on ranks.
SAME = ("status", "epochs", "steps", "best_epoch", "train_loss", "penalty", "valid_loss", "weights_sha256")


def train(folder: Path, name: str, comm: Any) -> dict[str, Any]:
    """Collective. Train one of `RUNS` and return its summary and metrics."""
    from ddp_mlp.checkpoint.checkpoint import list_checkpoints, load_checkpoint
    from ddp_mlp.core.layout import digest
    from ddp_mlp.run.run import Run, RunOptions

    named = [] if any(text.startswith("optimizer.name") for text in RUNS[name]) else [f"optimizer.name={name}"]
    config = load_config(folder / "c.toml", [*named, *RUNS[name]], os.environ)
    directory = folder / sys.argv[2] / name
    rows: list[dict[str, Any]] = []
    run = Run(config, RunOptions(directory), comm, lambda _: None)
    summary = run.execute(lambda report: rows.append(report.finished_epoch) if report.finished_epoch else None)
    norms = [{key: value for key, value in row.items() if key.startswith(("grad_norm", "learning"))} for row in rows]
    (last,) = list_checkpoints(directory / "checkpoints")[:1]
    moments = digest(load_checkpoint(last).state.moments.reshape(-1))
    return {key: summary[key] for key in SAME if key in summary} | {"norms": norms, "moments": moments}


def main() -> None:
    """Train all of them; rank 0 writes ``NAME/found.json``."""
    folder = Path(sys.argv[1])
    with connect() as comm:
        for dtype in ("float32", "float64"):
            ready_kernels(dtype, comm, print)
        # Where many ranks share a core, each barrier takes long: then each optimiser once.
        names = [name for name in RUNS if comm.world_size <= 3 or name in (*OPTIMIZERS, "tiny")]
        with compilations() as compiled:
            found = {name: train(folder, name, comm) for name in names}
        if compiled:
            raise RuntimeError(f"compiled in a step: {compiled}")
        if comm.rank == 0:
            (folder / sys.argv[2] / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
