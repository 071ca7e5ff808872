"""Facts about the rows that train, found in one pass over them that all ranks share.

Rows are taken in blocks of `BLOCK_ROWS`; ranks get neighbouring blocks, and statistics are merged in a tree that
depends on the number of blocks alone: the same bits on any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.core.sharding import fair_bounds
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import BLOCK_ROWS, Span
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.statistics.column_stats import ColumnStats, Folded, block_stats, fold_partly, merge_folded
from ddp_mlp.data.statistics.imputation import fill_missing

Ids = NDArray[np.int64]

#: Groups of blocks that a rank gets at least, where there are enough blocks: so that ranks have about as many.
_GROUPS_OF_RANK = 8


@dataclass(frozen=True)
class Facts:
    """Which facts are wanted.

    Attributes
    ----------
    span, features, targets : bool
        Range and missing values of the features; statistics of the features, and of the targets.
    n_features, n_targets : int
        Columns of either.
    n_classes : int
        Rows of each of so many classes are counted; 0 for not.
    weights : bool
        The largest weight of a row.
    """

    span: bool = False
    features: bool = False
    targets: bool = False
    n_features: int = 0
    n_targets: int = 0
    n_classes: int = 0
    weights: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """The facts that were wanted; None for others.

    Attributes
    ----------
    span : Span or None
    features, targets : ColumnStats or None
    class_counts : ndarray of int64, shape (n_classes,)
    heaviest : float
        The largest weight of a row; 0 where weights were not wanted.
    only_target : ndarray of float64, shape (T,), or None
        The targets that all rows have, if they are the same.
    """

    span: Span | None
    features: ColumnStats | None
    targets: ColumnStats | None
    class_counts: Ids
    heaviest: float
    only_target: NDArray[np.float64] | None


class TrainingBlocks:
    """The rows that train, in blocks of the file, shared out between ranks in groups of a power of two of blocks."""

    def __init__(self, train: Split, train_ids: Ids, comm: Communicator) -> None:
        self.train, self.comm, self._train_ids = train, comm, train_ids
        firsts = np.searchsorted(train_ids, np.arange(0, train.n_samples + BLOCK_ROWS, BLOCK_ROWS))
        self._blocks = np.flatnonzero(np.diff(firsts))
        wanted = max(1, len(self._blocks) // (_GROUPS_OF_RANK * comm.world_size))
        self._group = 2 ** (wanted.bit_length() - 1)

    def _bounds(self, rank: int) -> tuple[int, int]:
        n_groups = -(-len(self._blocks) // self._group)
        first, last = fair_bounds(n_groups, rank, self.comm.world_size)
        return first * self._group, min(last * self._group, len(self._blocks))

    def folded_of(self, rank: int) -> list[tuple[int, int]]:
        """Return depth and number of blocks of what is left when a rank has folded its groups one by one."""
        first, last = self._bounds(rank)
        found = []
        for start in range(first, last, self._group):
            size = min(self._group, last - start)
            found += [(bit, 2**bit) for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]
        return found

    def groups(self) -> Iterator[Iterator[Rows]]:
        """Yield the groups of this rank, each block by block."""
        first, last = self._bounds(self.comm.rank)
        for start in range(first, last, self._group):
            yield map(self._read, self._blocks[start : min(start + self._group, last)].tolist())

    def own(self) -> Iterator[Rows]:
        """Yield all blocks of this rank."""
        for group in self.groups():
            yield from group

    def _read(self, block: int) -> Rows:
        start = block * BLOCK_ROWS
        stop = min(start + BLOCK_ROWS, self.train.n_samples)
        first, last = np.searchsorted(self._train_ids, (start, stop))
        rows, chosen = self.train.read(start, stop), self._train_ids[first:last] - start
        if len(chosen) == len(rows.features):
            return rows
        weights = None if rows.weights is None else rows.weights[chosen]
        return Rows(rows.features[chosen], rows.targets[chosen], weights)


def measure(blocks: TrainingBlocks, facts: Facts, fill: NDArray[np.float64] | None = None) -> Measured:
    """Collective. Return facts about the rows that train.

    Parameters
    ----------
    fill : ndarray of float64, shape (F,), optional
        Takes the place of missing values before statistics are taken.

    Raises
    ------
    DataError
        If rows are not usable.
    """
    own = _Own(facts, fill)
    with agreed(blocks.comm):
        for group in blocks.groups():
            own.take(group)
    return Measured(
        _span(own, facts.n_features, blocks.comm) if facts.span else None,
        _merged(own.features, facts.n_features, blocks) if facts.features else None,
        _merged(own.targets, facts.n_targets, blocks) if facts.targets else None,
        summed(own.class_counts, blocks.comm),
        _largest(own.heaviest, blocks.comm),
        _only_target(own, facts.n_targets, blocks.comm),
    )


class _Own:
    """The facts about the rows of one rank."""

    def __init__(self, facts: Facts, fill: NDArray[np.float64] | None) -> None:
        self._facts, self._fill = facts, fill
        self.features: list[Folded] = []
        self.targets: list[Folded] = []
        self.class_counts = np.zeros(facts.n_classes, np.int64)
        self.heaviest = 0.0
        self.first_target: NDArray[np.float64] | None = None
        self.has_others = False
        self.low: NDArray[Any] | None = None
        self.high: NDArray[Any] | None = None
        self.n_missing: NDArray[np.int64] | None = None

    def take(self, group: Iterator[Rows]) -> None:
        """Take in a group of blocks."""
        features, targets = [], []
        for rows in group:
            if self._facts.span:
                self._widen(rows.features)
            if rows.targets.shape[1]:
                first = self.first_target = rows.targets[0] if self.first_target is None else self.first_target
                self.has_others = self.has_others or not (rows.targets == first).all()
            if self._facts.features:
                features.append((0, block_stats(fill_missing(rows.features, self._fill))))
            if self._facts.targets:
                targets.append((0, block_stats(rows.targets)))
            if self._facts.n_classes:
                labels = rows.targets[:, 0].astype(np.int64)
                self.class_counts += np.bincount(labels, minlength=self._facts.n_classes)
            if self._facts.weights and rows.weights is not None:
                self.heaviest = max(self.heaviest, float(rows.weights.max(initial=0.0)))
            features, targets = fold_partly(features), fold_partly(targets)
        self.features += features
        self.targets += targets

    def _widen(self, block: NDArray[Any]) -> None:
        low, high = np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)
        lost = np.isnan(block).sum(axis=0) if block.dtype.kind == "f" else np.zeros(block.shape[1], np.int64)
        self.low = low if self.low is None else np.fmin(self.low, low)
        self.high = high if self.high is None else np.fmax(self.high, high)
        self.n_missing = lost if self.n_missing is None else self.n_missing + lost


def _span(own: _Own, width: int, comm: Communicator) -> Span:
    """Collective. Return the range over all ranks."""
    table = np.full((comm.world_size, 3, width), np.nan)
    if own.low is not None and own.high is not None and own.n_missing is not None:
        table[comm.rank] = own.low, own.high, own.n_missing
    comm.gather_rows(table, [1] * comm.world_size)
    # Zeros have two signs, of which either may be the least.
    low, high = np.fmin.reduce(table[:, 0]) + 0.0, np.fmax.reduce(table[:, 1]) + 0.0
    return Span(low, high, np.nansum(table[:, 2], axis=0).astype(np.int64))


def _only_target(own: _Own, width: int, comm: Communicator) -> NDArray[np.float64] | None:
    """Collective. Return the targets that all rows of all ranks have; None where some have others."""
    if not width:
        return None
    table = np.full((comm.world_size, width), np.nan)
    if own.first_target is not None:
        table[comm.rank] = own.first_target
    comm.gather_rows(table, [1] * comm.world_size)
    has_others = summed(np.array([own.has_others], np.int64), comm)[0] > 0
    known = table[~np.isnan(table).any(axis=1)]
    return None if has_others or not len(known) or (known != known[0]).any() else known[0]


def _merged(own: list[Folded], width: int, blocks: TrainingBlocks) -> ColumnStats:
    """Collective. Merge the statistics that each rank has folded."""
    comm = blocks.comm
    sizes = [blocks.folded_of(rank) for rank in range(comm.world_size)]
    table = np.zeros((sum(map(len, sizes)), 1 + 4 * width))
    begin = sum(len(size) for size in sizes[: comm.rank])
    for row, (_, stats) in zip(table[begin:], own, strict=False):
        row[:] = np.concatenate([[stats.count], stats.mean, stats.squares, stats.low, stats.high])
    comm.gather_rows(table, [len(size) for size in sizes])
    depths = [depth for size in sizes for depth, _ in size]
    parts = (
        (depth, ColumnStats(int(row[0]), *row[1:].reshape(4, width))) for depth, row in zip(depths, table, strict=True)
    )
    return merge_folded(fold_partly(parts))


def _largest(value: float, comm: Communicator) -> float:
    """Collective. Return the largest of the values of all ranks."""
    table = np.zeros(comm.world_size)
    table[comm.rank] = value
    comm.gather_rows(table, [1] * comm.world_size)
    return float(table.max())


def summed(counts: NDArray[np.int64], comm: Communicator) -> NDArray[np.int64]:
    """Collective. Return the sum of counts over all ranks."""
    table = np.zeros((comm.world_size, *counts.shape), np.int64)
    table[comm.rank] = counts
    comm.gather_rows(table, [1] * comm.world_size)
    return table.sum(axis=0)
