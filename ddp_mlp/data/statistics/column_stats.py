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


#: Merged statistics of 2**depth neighbouring parts, and this depth.
Folded = tuple[int, ColumnStats]


def fold_stats(parts: Iterable[ColumnStats]) -> ColumnStats:
    """Merge statistics in order, pairwise: neighbours of equal depth first, as a carry does.

    The tree depends on the number of parts only, and at most log2 of them are held.

    Raises
    ------
    DataError
        If there are no parts.
    """
    return merge_folded(fold_partly((0, part) for part in parts))


def fold_partly(parts: Iterable[Folded]) -> list[Folded]:
    """Merge neighbours of equal depth, and return what is left: each of less depth than the one before.

    Whoever folds 2**n parts that begin at a multiple of that number gets a single one, of depth n. So several may fold
    some each, and what they have left folds to the same bits as all parts would.
    """
    pending: list[Folded] = []
    for depth, merged in parts:
        while pending and pending[-1][0] == depth:
            merged = merge_stats(pending.pop()[1], merged)
            depth += 1
        pending.append((depth, merged))
    return pending


def merge_folded(pending: list[Folded]) -> ColumnStats:
    """Merge the rest that `fold_partly` returns.

    Raises
    ------
    DataError
        If there is nothing.
    """
    if not pending:
        raise DataError("no rows to fit the normalisation to; the training split needs at least one sample")
    *rest, (_, total) = pending
    for _, part in reversed(rest):
        total = merge_stats(part, total)
    return total
