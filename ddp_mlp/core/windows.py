"""The order of rows that are streamed: blocks of neighbouring rows in windows, as pure functions of (seed, epoch).

The rows of a split are cut into blocks. Each epoch puts the blocks into a random order and cuts that into windows of
about as many blocks each; within a window the rows that train are in random order. So a step takes rows of one window,
or of two that follow each other, and whoever holds two windows holds all that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ddp_mlp.core.sampling import Ids, permuted
from ddp_mlp.core.sharding import fair_bounds


@dataclass(frozen=True)
class Cut:
    """How the rows of a split are cut; an epoch's order depends on it, so checkpoints keep it.

    Attributes
    ----------
    block_rows : int
        Rows of a block; the last one may have fewer.
    window_blocks : int
        Blocks of a window, at most.
    """

    block_rows: int
    window_blocks: int

    @property
    def window_rows(self) -> int:
        """Rows of a window, at most."""
        return self.block_rows * self.window_blocks

    def n_blocks(self, n_rows: int) -> int:
        """Return the number of blocks of a split of `n_rows` rows."""
        return -(-n_rows // self.block_rows)

    def n_windows(self, n_rows: int) -> int:
        """Return the number of windows of each epoch, of a split of `n_rows` rows."""
        return -(-self.n_blocks(n_rows) // self.window_blocks)

    def rows_of(self, block: int, n_rows: int) -> tuple[int, int]:
        """Return the first row of a block and the first after it, of a split of `n_rows` rows."""
        return block * self.block_rows, min((block + 1) * self.block_rows, n_rows)


def training_rows_of_blocks(cut: Cut, n_rows: int, train_ids: Ids) -> Ids:
    """Return how many rows of each block train; `train_ids` (n,) are sorted."""
    edges = np.minimum(np.arange(cut.n_blocks(n_rows) + 1) * cut.block_rows, n_rows)
    return np.diff(np.searchsorted(train_ids, edges))


@dataclass(frozen=True, eq=False)
class EpochWindows:
    """The windows of one epoch.

    Attributes
    ----------
    epoch : int
    blocks : tuple of tuple of int
        Of each window, in the order in which they lie in memory.
    starts : ndarray of int64, shape (n_windows + 1,)
        Samples of the epoch before each window, and all of them.
    """

    epoch: int
    blocks: tuple[tuple[int, ...], ...]
    starts: Ids

    def window_of(self, sample: int) -> int:
        """Return the window of sample number `sample` of the epoch."""
        return int(np.searchsorted(self.starts, sample, side="right")) - 1


def windows_of_epoch(cut: Cut, counts: Ids, seed: int, epoch: int) -> EpochWindows:
    """Return the windows of an epoch.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_blocks,)
        How many rows of each block train.
    seed, epoch : int
        Of the training; epochs count from 0.
    """
    order = permuted(np.arange(len(counts), dtype=np.int64), "block order", seed, epoch)
    n_windows = -(-len(counts) // cut.window_blocks)
    bounds = [fair_bounds(len(counts), window, n_windows) for window in range(n_windows)]
    starts = np.concatenate([[0], np.cumsum(counts[order])])[[0, *(last for _, last in bounds)]]
    return EpochWindows(epoch, tuple(tuple(order[first:last].tolist()) for first, last in bounds), starts)


def least_rows_of_window(cut: Cut, counts: Ids) -> int:
    """Return the fewest rows that train in any window that the blocks, which have `counts` each, may make up."""
    n_windows = -(-len(counts) // cut.window_blocks)
    return int(np.sort(counts)[: len(counts) // n_windows].sum())


def window_order(
    cut: Cut, n_rows: int, train_ids: Ids, blocks: Sequence[int], seed: int, epoch: int, window: int
) -> Ids:
    """Return the rows of a window that train, in their order, as places in the memory of the window.

    Block number i of the window lies at row ``i * cut.block_rows`` of that memory.

    Parameters
    ----------
    n_rows : int
        Of the split.
    train_ids : ndarray of int64
        Its rows that train, sorted.
    blocks : sequence of int
        Of the window.
    seed, epoch, window : int
        What the order depends on.
    """
    places = []
    for index, block in enumerate(blocks):
        start, stop = cut.rows_of(block, n_rows)
        first, last = np.searchsorted(train_ids, (start, stop))
        places.append(train_ids[first:last] + (index * cut.block_rows - start))
    return permuted(np.concatenate(places), "window order", seed, epoch, window)
