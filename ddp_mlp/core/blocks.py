"""Fixed blocks of the parameter vector: what the reduction and the update go by.

A block is at most `BLOCK` values of one segment, a weight or a bias, so sums over a layer
are sums over whole blocks, added in the same order whoever computed them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.reduction import BLOCK
from ddp_mlp.core.layout import Layout

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class BlockTable:
    """The blocks of a layout.

    Attributes
    ----------
    blocks : ndarray of int64, shape (n_blocks, 4)
        Of each its start and stop in the vector, its segment, and 1 if that is a weight.
    segments : ndarray of int64, shape (n_segments, 2)
        First and last (exclusive) block of each weight and bias.
    weights : ndarray of int64, shape (n_weights,)
        Which segments are weights, in the order of the layers.
    """

    blocks: Integers
    segments: Integers
    weights: Integers


def block_table(layout: Layout) -> BlockTable:
    """Cut every segment of a layout into blocks.

    Examples
    --------
    >>> block_table(Layout((30, 50))).blocks.tolist()
    [[0, 1024, 0, 1], [1024, 1500, 0, 1], [1500, 1550, 1, 0]]
    """
    blocks: list[tuple[int, int, int, int]] = []
    segments: list[tuple[int, int]] = []
    weights: list[int] = []
    for index, segment in enumerate(layout.segments()):
        is_weight = segment.name.endswith("weight")
        first = len(blocks)
        starts = range(segment.start, segment.stop, BLOCK)
        blocks += [(start, min(start + BLOCK, segment.stop), index, int(is_weight)) for start in starts]
        segments.append((first, len(blocks)))
        if is_weight:
            weights.append(index)
    return BlockTable(*(np.array(table, np.int64) for table in (blocks, segments, weights)))


def block_slices(blocks: Integers, n_workers: int) -> Integers:
    """Share out blocks so that each worker has about as many values; shape (n_workers, 2).

    Worker w takes the blocks that begin in its part of the vector, ``[P w/W, P (w+1)/W)``.
    """
    n_parameters = int(blocks[-1, 1])
    bounds = [n_parameters * w // n_workers for w in range(n_workers + 1)]
    at = np.searchsorted(blocks[:, 0], bounds)
    return np.stack([at[:-1], at[1:]], axis=1).astype(np.int64)
