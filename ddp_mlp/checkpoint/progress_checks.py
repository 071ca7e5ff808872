"""Whether the progress that a checkpoint tells of can be: a stranger may have written it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import msgspec

from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.checkpoint.history import Cells, cells_of, extended
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.checkpoint.untrusted import Stored
from ddp_mlp.config import MOST_MICRO_BATCHES, Config
from ddp_mlp.core.windows import Cut
from ddp_mlp.errors import DataError

_COUNTS = ("epoch", "position", "step", "n_samples", "best_epoch", "plateau_wait", "n_skipped", "n_skipped_total")
_SUMS = ("loss_sum", "weight_sum", "norm_sum", "penalty_sum", "plateau_factor", "best_loss")
#: More than any run takes, and exact as a floating-point number.
_MOST = 2**53
#: Columns of ``metrics.csv``, such as "grad_norm_layer0.weight".
_COLUMN = re.compile(r"[a-z][A-Za-z0-9_./ -]{0,99}")
_TEXT = re.compile(r"[0-9A-Za-z+.-]{0,64}")
_NEEDED = {"epoch", "step", "train_loss", "valid_loss"}


def read_progress(stored: Stored, config: Config, n_weights: int) -> tuple[Progress, tuple[Cells, ...]]:
    """Read the progress of a run of `config`, whose network has `n_weights` weight matrices.

    Returns
    -------
    progress : Progress
    rows : tuple of dict
        Rows of ``metrics.csv`` that come with it.

    Raises
    ------
    DataError
        If no run can have come to it.
    """
    told = msgspec.convert(stored.long_json("progress"), dict[str, Any])
    history = msgspec.convert(told.pop("history", None), list[dict[str, Any]] | None)
    progress = msgspec.convert(told, Progress)
    reasons = [_impossible(progress, n_weights), _impossible_rate(progress, config)]
    if history is not None:  # format 1
        reasons.append(_impossible_history(history, progress, config))
    _refuse(stored, "progress", itertools.chain(*reasons))
    if history is not None:
        _tell_again(progress, history)
        return progress, tuple(map(cells_of, history))
    _refuse(stored, "progress", _impossible_rows(progress, config))
    return progress, _read_rows(stored, "metrics", progress, list(progress.last_row))


def read_hashes(stored: Stored, progress: Progress, layers: Sequence[str]) -> tuple[Cells, ...]:
    """Read the rows of ``hashes.csv`` that come with a progress, of a network with these layers.

    Raises
    ------
    DataError
        If they cannot be rows of it.
    """
    return _read_rows(stored, "hashes", progress, ["epoch", "step", "weights_sha256", *layers])


def _read_rows(stored: Stored, name: str, progress: Progress, columns: Sequence[str]) -> tuple[Cells, ...]:
    if not stored.holds("rows"):
        return ()
    tables = msgspec.convert(stored.long_json("rows"), dict[str, tuple[Cells, ...]])
    rows = tables.get(name, ())
    _refuse(stored, "rows", _impossible_cells(rows, progress.epoch, columns))
    return rows


def _refuse(stored: Stored, name: str, reasons: Iterable[str]) -> None:
    for reason in reasons:
        raise DataError(f"{stored.path}: /{name}: {reason}; the file is not what this program writes")


def _tell_again(progress: Progress, history: list[dict[str, Any]]) -> None:
    """Return the rows of the whole history that a run remembers."""
    progress.n_skipped_total = sum(int(row.get("skipped_steps", 0)) for row in history) + progress.n_skipped
    progress.last_row = history[-1] if history else {}
    progress.best_row = history[progress.best_epoch - 1] if progress.best_epoch else {}
    progress.history_sha256 = reduce(extended, map(cells_of, history), "")


def read_micro_batches(stored: Stored) -> int:
    """Return the micro-batches the run began with; may differ from the configuration.

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


def read_cut(stored: Stored) -> Cut | None:
    """Return how the rows of the run are cut; None where they are not streamed, and of earlier versions.

    Raises
    ------
    DataError
        If no rows can be cut so.
    """
    if not stored.has_attribute("cut"):
        return None
    found = msgspec.convert(stored.json("cut"), Cut)
    if not (0 < found.block_rows < _MOST and 0 < found.window_blocks < _MOST):
        raise DataError(f"{stored.path}: {found} is no way to cut rows; the file is not what this program writes")
    return found


def _impossible(progress: Progress, n_weights: int) -> Iterator[str]:
    """Yield each value that no real run can reach."""
    for name in _COUNTS:
        if not 0 <= getattr(progress, name) < _MOST:
            yield f"{name} = {getattr(progress, name)}"
    for name in _SUMS:  # a norm or a loss of finite numbers may still be beyond all of them
        if math.isnan(getattr(progress, name)):
            yield f"{name} = {getattr(progress, name)}"
    for name in ("norm_sum", "penalty_sum"):
        if getattr(progress, name) < 0:
            yield f"{name} = {getattr(progress, name)}"
    if progress.best_loss == -math.inf:
        yield f"best_loss = {progress.best_loss}"
    if any(not norm >= 0 for norm in progress.layer_norm_sums):
        yield "layer norms that are no norms"
    if progress.best_epoch > progress.epoch:
        yield f"best_epoch = {progress.best_epoch} after {progress.epoch} epochs"
    if not progress.n_skipped <= progress.position <= progress.step:
        yield f"{progress.n_skipped} of {progress.position} steps of the epoch left out, {progress.step} in all"
    if progress.weight_sum < 0 or (progress.weight_sum == 0 and progress.loss_sum != 0):
        yield f"weight_sum = {progress.weight_sum} of losses {progress.loss_sum}"
    if len(progress.layer_norm_sums) not in (0, n_weights):
        yield f"{len(progress.layer_norm_sums)} layer norms, but there are {n_weights} weights"


def _impossible_rate(progress: Progress, config: Config) -> Iterator[str]:
    """Yield a learning rate that no plateaus can leave."""
    least = 0.0 if SCHEDULES[config.schedule.name].plateau else 1.0
    if not least <= progress.plateau_factor <= 1.0:
        yield f"plateau_factor = {progress.plateau_factor} with [schedule] name = {config.schedule.name!r}"


def _impossible_rows(progress: Progress, config: Config) -> Iterator[str]:
    """Yield the rows, of those that a run remembers, that contradict its progress."""
    for name, row, epoch in (
        ("last", progress.last_row, progress.epoch),
        ("best", progress.best_row, progress.best_epoch),
    ):
        if row.get("epoch", 0) != epoch:
            yield f"the {name} row is not that of epoch {epoch}"
        elif row:
            yield from _impossible_row(f"the {name} row", row, list(progress.last_row), config)
    if not re.fullmatch(r"[0-9a-f]{64}" if progress.epoch else "", progress.history_sha256):
        yield f"history_sha256 = {progress.history_sha256!r:.80}"


def _impossible_history(history: list[dict[str, Any]], progress: Progress, config: Config) -> Iterator[str]:
    """Yield the contradictions in the history of a run, as format 1 has it."""
    if len(history) != progress.epoch:
        yield f"{len(history)} rows of history after {progress.epoch} epochs"
    for epoch, row in enumerate(history, 1):
        if row.get("epoch") != epoch:
            yield f"row {epoch} of the history is not that of an epoch"
        yield from _impossible_row(f"row {epoch} of the history", row, list(history[0]), config)


def _impossible_row(what: str, row: dict[str, Any], columns: list[str], config: Config) -> Iterator[str]:
    """Say why a row cannot be one of ``metrics.csv``."""
    needed = _NEEDED | ({"skipped_steps"} if config.train.on_nonfinite == "skip" else set())
    if list(row) != columns or columns[0] != "epoch" or not needed <= set(row) or not all(map(_COLUMN.fullmatch, row)):
        yield f"{what} has other columns than those of the run"
    elif not all(map(_is_cell, row.values())) or not all(isinstance(row[name], int) for name in ("epoch", "step")):
        yield f"{what} is not that of an epoch"


def _impossible_cells(rows: Sequence[Cells], epoch: int, columns: Sequence[str]) -> Iterator[str]:
    """Say why rows cannot be of a table after some epochs."""
    last = 0
    for row in rows:
        if list(row) != list(columns) or not all(map(_TEXT.fullmatch, row.values())) or not row["epoch"].isdigit():
            yield f"a row after that of epoch {last} that is none"
        elif not last < int(row["epoch"]) <= epoch:
            yield f"a row of epoch {row['epoch']} between those of {last} and {epoch}"
        else:
            last = int(row["epoch"])


def _is_cell(value: object) -> bool:
    """Tell whether a value is a number, or the empty cell of a run without validation."""
    return value == "" or isinstance(value, float) or (type(value) is int and abs(value) < _MOST)
