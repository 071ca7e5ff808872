"""A run in a few words: the result of ``train --json``, and lines of its log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Layout, digest
from ddp_mlp.training.epoch_stats import final_row, status_of

#: Steps that a line lists one by one.
_SHOWN = 5


def summarize(state: TrainState, config: Config, layout: Layout) -> dict[str, Any]:
    """Return what a run has come to; nothing in it depends on ranks."""
    progress = state.progress
    last = final_row(progress, config)
    return {
        "status": status_of(progress, config) or "stopped",
        "epochs": progress.epoch,
        "steps": progress.step,
        "train_loss": last.get("train_loss"),
        **{name: value for name, value in last.items() if name == "penalty"},
        **{name: value if value != "" else None for name, value in last.items() if name.startswith("valid_")},
        **({"skipped_steps": progress.n_skipped_total} if config.train.on_nonfinite == "skip" else {}),
        "best_epoch": progress.best_epoch,
        "weights_sha256": digest(state.parameters),
        "samples_per_s": round(last.get("samples_per_s", 0.0), 1),
        "n_parameters": layout.n_parameters,
    }


def skipped_text(steps: Sequence[int]) -> str:
    """Return a line about steps whose update was left out."""
    listed = ", ".join(map(str, steps[:_SHOWN])) + (", ..." if len(steps) > _SHOWN else "")
    return f"no update at step {listed}: its loss or gradient was not finite"
