"""Jobs that are made up: one in each state, and what a service tells of them."""

from __future__ import annotations

import math
from typing import Any

COLUMNS = ["epoch", "step", "train_loss", "valid_loss", "valid_accuracy", "learning_rate", "grad_norm",
           "samples_per_s", "compute_s", "communicate_s", "data_s", "wall_s"]  # fmt: skip
CONFIG = """# the digits
[data]
train = "digits.h5"

[optimizer]
learning_rate = 0.01

[train]
epochs = 30
"""
UNDERSTOOD = "1617 rows train, 180 validate; 64 features divided by 16; multiclass of 10 classes; nothing missing"
_RANK = {"compute_s": 3.0, "communicate_s": 0.5, "data_s": 0.1, "wait_s": 0.2, "other_s": 0.3}
RANKS = {
    "sentence": "No rank kept the others waiting: they computed for 2.8 to 3 s.",
    "seconds": [_RANK, {**_RANK, "compute_s": 2.8, "wait_s": 0.4}],
    "ranks": 2,
    "threads": 1,
}
HEALTH = {
    "reason": "",
    "importance": [{"name": f"pixel {i}", "rise": 0.8 / (i + 1)} for i in range(8)],
    "features": [
        {"name": f"pixel {i}", "low": 0, "high": 16, "mean": 4.9, "spread": 6.02, "missing": 0.02 * (i == 3),
         "drift": {"valid": 0.03 * i}, "remarks": ["constant"] if i == 0 else []}
        for i in range(8)
    ],
}  # fmt: skip
ANSWERS = {
    "columns": ["row", "answer", "probability"],
    "rows": [[i, f"class {i % 3}", 0.9 - i / 200] for i in range(100)],
    "n_rows": 360,
}
NO_LOSS = "the loss was not finite at step 45; [optimizer] learning_rate = 10 is large for adam; try 0.001"


def row(epoch: int, shift: float = 0.0) -> dict[str, float]:
    """Return a line of metrics.csv; the lowest validation loss is that of epoch 7."""
    loss = 1 / (epoch + shift) + 0.01
    valid = loss + 0.05 * abs(epoch - 7) / (1 + epoch / 9)
    numbers = (loss, valid, 1 - valid / 3, 0.01, 2 * loss, 1e5 + 9e3 * math.sin(epoch), 0.5, 0.1, 0.01, 0.7)
    return dict(zip(COLUMNS, (epoch, 10 * epoch, *numbers), strict=True))


def made_job(number: int, name: str, state: str, *, done: int = 0, epochs: int = 30, **more: Any) -> dict[str, Any]:
    """Return a job that has done some of its epochs."""
    rows = [row(epoch, number % 3) for epoch in range(1, done + 1)]
    best = min(rows, key=lambda one: one["valid_loss"], default=None)
    minute = f"2026-01-02T{number // 60 % 24:02d}:{number % 60:02d}"
    is_begun = state != "queued"
    return {
        "id": number, "name": name, "kind": "train", "state": state, "ranks": 2, "threads": 1, "priority": 0,
        "after": [], "created_utc": f"{minute}:00Z", "started_utc": f"{minute}:05Z" if is_begun else None,
        "ended_utc": f"{minute}:47Z" if state in ("finished", "failed", "stopped") else None, "restarts": 0,
        "exit_code": {"finished": 0, "stopped": 75, "failed": 79}.get(state), "reason": None, "waits_for": None,
        "run_dir": f"runs/{name}",
        "progress": {"epoch": done, "epochs": epochs, "step": 10 * done, "samples_per_s": 104_321.5, "elapsed_s": 42.0,
                     "remaining_s": 12.0 if state == "running" else None} if is_begun else None,
        "latest": {key: rows[-1][key] for key in ("train_loss", "valid_loss", "valid_accuracy")} if rows else {},
        "best": {"metric": "valid_loss", "value": best["valid_loss"], "epoch": best["epoch"]} if best else None,
        "sparkline": [one["valid_loss"] for one in rows][-60:], **more,
    }  # fmt: skip


def every_state() -> list[dict[str, Any]]:
    """Return a job in each state that a list can show."""
    return [
        made_job(1, "digits", "finished", done=30),
        made_job(2, "digits-wide", "finished", done=30, reason="stopped early, as it was told to"),
        made_job(3, "too-fast", "failed", done=4, reason=NO_LOSS),
        made_job(4, "no-memory", "failed", reason="data.train: runs/gone.h5 is not there", exit_code=66),
        made_job(5, "half-way", "stopped", done=12),
        made_job(6, "moons", "running", done=9, epochs=200),
        made_job(7, "a-name-that-is-longer-than-any-column-of-a-list-has-room-for", "running", done=0, epochs=10),
        made_job(8, "waits", "queued", waits_for="2 cores"),
        made_job(9, "afterwards", "queued", waits_for="run 6", after=[6], kind="ensemble"),
        made_job(10, "<img src=http:x onerror=console.log(1)>", "stopping", done=3),
        made_job(11, "one-epoch", "finished", done=1, epochs=1),
    ]
