"""Rules of stopping that come too late: they would have ended a run before the epochs that it has done."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ddp_mlp.checkpoint.history import Cells
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.config import Config
from ddp_mlp.run.files.table_lines import read_table
from ddp_mlp.training.epoch_stats import note_validation, status_of


def too_late(metrics: Path, progress: Progress, config: Config) -> str:
    """Return a line if the rules of `config` would have ended a run before where it stands; nothing else.

    Epochs that are done stay done, since the weights of earlier ones are not kept.

    Parameters
    ----------
    metrics : Path
        ``metrics.csv``, whose rows are believed up to the first that is missing.
    """
    epoch, status = 0, ""
    with suppress(OSError):
        epoch, status = _first_end(read_table(metrics), config)
    if not epoch and config.train.epochs < progress.epoch:
        epoch, status = config.train.epochs, "finished"
    if not 0 < epoch < progress.epoch:
        return ""
    over = status_of(progress, config)
    then = "the result is that of all of them" if over else "training goes on until a rule holds again"
    return (
        f"these rules would have ended the run after epoch {epoch} ({status}), but {progress.epoch} epochs are done "
        f"and stay so: {then}; for a run that ends there start one with another --out"
    )


def _first_end(history: Iterable[Cells], config: Config) -> tuple[int, str]:
    """Return after which epoch the rules would have ended a run, and as what; 0 for never."""
    then = Progress()
    with suppress(KeyError, ValueError):  # a table that somebody has changed tells no more
        for row in history:
            if int(row["epoch"]) != then.epoch + 1:
                break
            then.last_row = {"train_loss": float(row["train_loss"])}
            note_validation(then, float(row["valid_loss"] or row["train_loss"]), config)
            then.epoch += 1
            if status := status_of(then, config):
                return then.epoch, status
    return 0, ""
