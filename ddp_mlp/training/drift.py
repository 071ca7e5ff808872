"""Remarks on rows that are unlike those that a model was trained on: missing values, other ranges, another spread.

None of them is an error, since rows may well be so; but an answer to values in another unit looks like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import counted
from ddp_mlp.training.inputs.looking import blocks_looked_at

#: Of fewer rows than these the spread says nothing.
FEW_ROWS = 100
#: A spread that is so many times less than in training is remarkable.
_NARROWER = 30.0


@dataclass(frozen=True, eq=False)
class _Seen:
    """Values of the rows that were looked at, column by column.

    Attributes
    ----------
    n_rows : int
    n_missing, n_far : ndarray of int64, shape (F,)
        Values that are NaN, and beyond the range of training by more than its width.
    spread : ndarray of float64, shape (F,)
        Standard deviation of those that are there; 0 where there is none or one value only.
    """

    n_rows: int
    n_missing: NDArray[np.int64]
    n_far: NDArray[np.int64]
    spread: NDArray[np.float64]


def remarks(schema: Schema, trained: Normalization, split: Split) -> list[str]:
    """Return a line for each way in which the rows of a split are unlike those of training.

    Parameters
    ----------
    schema : Schema
        Of the model.
    trained : Normalization
        As fitted to the rows of its training.
    split : Split
        Bound to the schema; missing values are allowed where the model fills them.
    """
    if trained.low is None or trained.high is None:  # a model of an earlier version
        return []
    seen = _look(split, trained.low, trained.high)
    return [*_missing(schema, trained, seen), *_far(schema, trained, seen), *_narrow(schema, trained, seen)]


def usual_range(trained: Normalization) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the least and greatest values of each feature, shape (F,), that are not far from those of training.

    A model of an earlier version knows none.
    """
    if trained.low is None or trained.high is None:
        return None
    width = _width(trained.low, trained.high)
    return trained.low - width, trained.high + width


def _width(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))


def _look(split: Split, low: NDArray[np.float64], high: NDArray[np.float64]) -> _Seen:
    width = _width(low, high)
    n_missing, n_far, n_rows = np.zeros(len(low), np.int64), np.zeros(len(low), np.int64), 0
    sums, squares = np.zeros(len(low)), np.zeros(len(low))
    for rows in blocks_looked_at(split):
        values = np.asarray(rows.features, np.float64)
        missing = np.isnan(values)
        n_rows += len(values)
        n_missing += missing.sum(axis=0)
        n_far += ((values < low - width) | (values > high + width)).sum(axis=0)
        # From the middle of training, and in its widths, so that nothing is lost or overflows.
        away = np.where(missing, 0.0, np.clip((values - (low + high) / 2) / width, -1e100, 1e100))
        sums += away.sum(axis=0)
        squares += np.square(away).sum(axis=0)
    n_there = np.maximum(n_rows - n_missing, 1)
    variance = np.maximum(squares / n_there - np.square(sums / n_there), 0.0)
    return _Seen(n_rows, n_missing, n_far, np.sqrt(variance) * width)


def _worst(schema: Schema, counts: NDArray[Any]) -> tuple[int, str]:
    """Return the column with the highest count, and its name."""
    column = int(np.argmax(counts))
    return column, schema.feature_names[column] if schema.feature_names else f"column {column}"


def _missing(schema: Schema, trained: Normalization, seen: _Seen) -> Iterator[str]:
    columns = np.flatnonzero(seen.n_missing)
    if len(columns) and trained.fill is not None:
        column, name = _worst(schema, seen.n_missing)
        by = f"{trained.fill[column]:g}"
        for source in schema.columns:
            if source.kind == "category" and name in source.features and source.how != "ordinal":
                name, by = source.name, "the most frequent category"
        yield (
            f"missing values in {len(columns)} of {counted(len(seen.n_missing), 'feature')}, most often {name}: in"
            f" {seen.n_missing[column]} of {counted(seen.n_rows, 'row')}, where it is taken as {by} as in training"
        )


def _far(schema: Schema, trained: Normalization, seen: _Seen) -> Iterator[str]:
    if seen.n_far.any() and trained.low is not None and trained.high is not None:
        column, name = _worst(schema, seen.n_far)
        n_far = int(np.count_nonzero(seen.n_far))
        lie = "lies" if n_far == 1 else "lie"
        yield (
            f"warning: {counted(n_far, 'feature')} {lie} far outside the range that was trained on, most often {name}:"
            f" in {seen.n_far[column]} of {counted(seen.n_rows, 'row')} beyond {trained.low[column]:g} to"
            f" {trained.high[column]:g}; are units and scale the same?"
        )


def _narrow(schema: Schema, trained: Normalization, seen: _Seen) -> Iterator[str]:
    """Tell of columns that vary, but much less than in training, as fractions do where percents were trained on."""
    if trained.kind != "standard" or seen.n_rows < FEW_ROWS:
        return
    known = 1 / trained.scale
    ratio = np.divide(known, seen.spread, out=np.zeros_like(known), where=seen.spread > known * 1e-12)
    ratio[list(trained.constant)] = 0
    if (ratio > _NARROWER).any():
        column, name = _worst(schema, ratio)
        n_narrow = int(np.count_nonzero(ratio > _NARROWER))
        vary = "varies" if n_narrow == 1 else "vary"
        yield (
            f"warning: {counted(n_narrow, 'feature')} {vary} much less than in training, most of all {name}: by"
            f" {seen.spread[column]:.3g} where it was {known[column]:.3g}; are units and scale the same?"
        )
