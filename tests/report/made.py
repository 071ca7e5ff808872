"""Run directories written by hand, as runs of any length and fate leave them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

CONFIG = """[data]
train = "/data/digits.h5"

[model]
hidden = [8]
activation = "relu"

[loss]
name = "auto"

[optimizer]
name = "adam"
learning_rate = {rate}

[schedule]
name = "constant"

[train]
epochs = {epochs}
global_batch_size = 64
seed = 0
timeout_s = {timeout}
"""
HEADER = (
    "epoch,step,train_loss,valid_loss,valid_accuracy,learning_rate,grad_norm,samples_per_s,"
    "compute_s,communicate_s,data_s,wall_s"
)
STARTED = "2026-01-02T03:04:05Z data: 90 rows train, 10 validate, 0 are for a test; nothing missing"


def row(epoch: int) -> str:
    """Return a line of metrics.csv; the lowest validation loss is that of epoch 7."""
    loss = 1 / epoch + 0.01
    valid = loss + 0.05 * abs(epoch - 7)
    numbers = (loss, valid, 1 - valid / 3, 0.01, 2 * loss, 1e4 + 100 * math.sin(epoch), 0.5, 0.1, 0.01, 0.7)
    return ",".join([str(epoch), str(10 * epoch), *map(repr, numbers)])


def make_run(
    path: Path,
    epochs: int = 20,
    *,
    done: int | None = None,
    state: str = "finished",
    log: tuple[str, ...] = (),
    rate: float = 0.01,
    timeout: float = 600.0,
    **status: Any,
) -> Path:
    """Write the files of a run that has done some of its epochs; None means all."""
    path.mkdir(parents=True)
    done = epochs if done is None else done
    (path / "config.toml").write_text(CONFIG.format(epochs=epochs, rate=rate, timeout=timeout))
    (path / "metrics.csv").write_text("\n".join([HEADER, *map(row, range(1, done + 1))]) + "\n")
    (path / "log.txt").write_text("\n".join([STARTED, *log]) + "\n")
    given = {"world_size": 2, "threads_per_rank": 1, "n_parameters": 610, **status, "state": state, "host": "elsewhere"}
    (path / "status.json").write_text(json.dumps(given))
    return path
