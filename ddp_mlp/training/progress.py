"""Whether the progress that a checkpoint tells of can be: a stranger may have written it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ddp_mlp.config import MOST_MICRO_BATCHES, Config
from ddp_mlp.errors import DataError
from ddp_mlp.training.state import Progress
from ddp_mlp.training.stored import Stored

_COUNTS = ("epoch", "position", "step", "n_samples", "best_epoch", "plateau_wait", "n_skipped")
_SUMS = ("loss_sum", "weight_sum", "norm_sum", "penalty_sum", "plateau_factor", "best_loss")
#: More than any run takes, and exact as a floating-point number.
_MOST = 2**53
#: Columns of ``metrics.csv``, such as "grad_norm_layer0.weight".
_COLUMN = re.compile(r"[a-z][A-Za-z0-9_./ -]{0,99}")
_NEEDED = {"epoch", "step", "train_loss", "valid_loss"}


def read_progress(stored: Stored, config: Config, n_weights: int) -> Progress:
    """Read the progress of a run of `config`, whose network has `n_weights` weight matrices.

    Raises
    ------
    DataError
        If no run can have come to it.
    """
    progress = msgspec.convert(json.loads(stored.text("progress")), Progress)
    for reason in (*_impossible(progress, n_weights), *_impossible_rows(progress.history, config)):
        raise DataError(f"{stored.path}: /progress: {reason}; the file is not what this program writes")
    return progress


def read_micro_batches(stored: Stored) -> int:
    """Read into how many parts a run cuts its batches; not what is configured, if it began with another number.

    Raises
    ------
    DataError
        If no run can have been cut so.
    """
    found = stored.attribute("micro_batches", int)
    if not 0 < found <= MOST_MICRO_BATCHES or found & (found - 1) != 0:
        raise DataError(
            f"{stored.path}: micro_batches = {found}, but it must be a power of two up to {MOST_MICRO_BATCHES}; "
            "the file is not what this program writes"
        )
    return found


def _impossible(progress: Progress, n_weights: int) -> Iterator[str]:
    """Say what no run can have come to."""
    for name in _COUNTS:
        if not 0 <= getattr(progress, name) < _MOST:
            yield f"{name} = {getattr(progress, name)}"
    for name in _SUMS:  # a norm or a loss of finite numbers may still be beyond all of them
        if math.isnan(getattr(progress, name)):
            yield f"{name} = {getattr(progress, name)}"
    if progress.best_epoch > progress.epoch:
        yield f"best_epoch = {progress.best_epoch} after {progress.epoch} epochs"
    if not progress.n_skipped <= progress.position <= progress.step:
        yield f"{progress.n_skipped} of {progress.position} steps of the epoch left out, {progress.step} in all"
    if progress.weight_sum < 0 or (progress.weight_sum == 0 and progress.loss_sum != 0):
        yield f"weight_sum = {progress.weight_sum} of losses {progress.loss_sum}"
    if len(progress.layer_norm_sums) not in (0, n_weights):
        yield f"{len(progress.layer_norm_sums)} layer norms, but there are {n_weights} weights"
    if len(progress.history) != progress.epoch:
        yield f"{len(progress.history)} rows of history after {progress.epoch} epochs"


def _impossible_rows(history: list[dict[str, Any]], config: Config) -> Iterator[str]:
    """Say which row of the history cannot be one of ``metrics.csv``."""
    columns = list(history[0]) if history else []
    needed = _NEEDED | ({"skipped_steps"} if config.train.on_nonfinite == "skip" else set())
    if history and not (needed <= set(columns) and all(map(_COLUMN.fullmatch, columns))):
        yield "columns of the history that are not those of a run"
    for epoch, row in enumerate(history, 1):
        if list(row) != columns:
            yield f"row {epoch} of the history has other columns than the first"
        elif row["epoch"] != epoch or not all(map(_is_cell, row.values())):
            yield f"row {epoch} of the history is not that of an epoch"


def _is_cell(value: object) -> bool:
    """Tell whether a value is a number, or the empty cell of a run without validation."""
    return value == "" or (isinstance(value, int | float) and not isinstance(value, bool))
