"""Defaults that depend on another key, and those of earlier versions."""

from __future__ import annotations

from typing import Any

from ddp_mlp.catalog.schedules import SCHEDULES

#: Defaults of earlier versions, of the keys that have others now: runs that began with them keep them.
EARLIER_DEFAULTS: dict[str, dict[str, Any]] = {
    "data": {"normalize_targets": "none"},
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
    "train": {"epochs": 10, "global_batch_size": 128, "early_stopping_patience": 0},
}
#: Epochs in a row without a lower loss after which a run ends of which nothing else is said.
_PATIENCE = 20


def patience_beside(schedule: str) -> int:
    """Return the ``early_stopping_patience`` that is meant by "auto": 0 where the schedule has an end to come to."""
    return 0 if SCHEDULES[schedule].ends else _PATIENCE
