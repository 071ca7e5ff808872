"""Statistics of columns over runs of rows: exact to merge, pairwise, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.errors import DataError


@dataclass(frozen=True, eq=False)
class ColumnStats:
    """Statistics of a run of rows.

    Attributes
    ----------
    count : int
        Number of rows.
    mean, squares, low, high : ndarray of float64, shape (F,)
        Mean, sum of squared deviations from it, minimum and maximum.
    """

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def block_stats(block: NDArray[Any]) -> ColumnStats:
    """Return the statistics of one block of at least one row, shape (n, F), in float64."""
    values = np.asarray(block, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = values.mean(axis=0)
        squares = np.square(values - mean).sum(axis=0)
    return ColumnStats(len(values), mean, squares, values.min(axis=0), values.max(axis=0))


def merge_stats(left: ColumnStats, right: ColumnStats) -> ColumnStats:
    """Return the statistics of two neighbouring runs of rows together."""
    count = left.count + right.count
    with np.errstate(over="ignore", invalid="ignore"):
        delta = right.mean - left.mean
        mean = left.mean + delta * (right.count / count)
        squares = left.squares + right.squares + np.square(delta) * (left.count * right.count / count)
    return ColumnStats(count, mean, squares, np.minimum(left.low, right.low), np.maximum(left.high, right.high))


def fold_stats(parts: Iterable[ColumnStats]) -> ColumnStats:
    """Merge statistics in order, pairwise: neighbours of equal depth first, as a carry does.

    The tree depends on the number of parts only, and at most log2 of them are held.

    Raises
    ------
    DataError
        If there are no parts.
    """
    pending: list[tuple[int, ColumnStats]] = []
    for part in parts:
        depth, merged = 0, part
        while pending and pending[-1][0] == depth:
            merged = merge_stats(pending.pop()[1], merged)
            depth += 1
        pending.append((depth, merged))
    if not pending:
        raise DataError("no rows to fit the normalisation to; the training split needs at least one sample")
    total = pending.pop()[1]
    while pending:
        total = merge_stats(pending.pop()[1], total)
    return total
