"""Fixed blocks of the parameter vector, the units of reduction and update.

A block is at most `BLOCK` values of one segment, a weight or a bias, so sums over a layer
are sums over whole blocks, added in the same order whoever computed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.parallel.words import BLOCK
from ddp_mlp.core.layout import Layout
from ddp_mlp.core.sharding import Interval

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


class LayerGroup(NamedTuple):
    """Neighbouring layers, and the first and last (exclusive) of their blocks."""

    layers: tuple[int, ...]
    blocks: Interval


def layer_groups(layout: Layout, table: BlockTable, n_values: int) -> list[LayerGroup]:
    """Group the layers, from the last to the first, so that each group but one has at least `n_values` parameters.

    Tied layers are one group, since a shared weight is complete at the end only.

    Examples
    --------
    >>> layout = Layout((30, 50, 40, 3))
    >>> [group.layers for group in layer_groups(layout, block_table(layout), 2000)]
    [(2, 1), (0,)]
    """
    if layout.tied:
        return [LayerGroup(tuple(range(layout.n_layers)), (0, len(table.blocks)))]
    groups, layers, last = list[LayerGroup](), list[int](), len(table.blocks)
    for layer in reversed(range(layout.n_layers)):
        layers.append(layer)
        first = int(table.segments[2 * layer, 0])
        if layer == 0 or table.blocks[last - 1, 1] - table.blocks[first, 0] >= n_values:
            groups.append(LayerGroup(tuple(layers), (first, last)))
            layers, last = [], first
    return groups


def block_slices(lengths: Integers, n_workers: int) -> Integers:
    """Share out blocks, of so many values each, so that each worker has about as many; shape (n_workers, 2).

    Worker w takes the blocks that begin in its part of their values, ``[n w/W, n (w+1)/W)``.
    """
    edges = np.concatenate([[0], np.cumsum(lengths)])
    bounds = [int(edges[-1]) * w // n_workers for w in range(n_workers + 1)]
    at = np.searchsorted(edges[:-1], bounds)
    return np.stack([at[:-1], at[1:]], axis=1).astype(np.int64)


def block_lengths(blocks: Integers) -> Integers:
    """Return the values of each block, shape (n_blocks,)."""
    lengths: Integers = blocks[:, 1] - blocks[:, 0]
    return lengths


def share_bounds(blocks: Integers, groups: Sequence[Interval], n_nodes: int) -> tuple[tuple[Interval, ...], ...]:
    """Share out each of some groups of neighbouring blocks between nodes.

    Returns
    -------
    tuple of tuple of (first, last)
        For each node the blocks that it has of each group.
    """
    slices = [block_slices(block_lengths(blocks[first:last]), n_nodes) + first for first, last in groups]
    return tuple(tuple((int(part[node, 0]), int(part[node, 1])) for part in slices) for node in range(n_nodes))


def with_places(blocks: Integers, share: Sequence[Interval]) -> tuple[Integers, Integers]:
    """Lay a share of the blocks end to end.

    Returns
    -------
    blocks : ndarray of int64, shape (n_blocks, 5)
        With a column for where each begins there; -1 for those of other shares.
    owned : ndarray of int64, shape (n_owned,)
        The blocks of the share.
    """
    owned = np.concatenate([np.arange(*part) for part in share]).astype(np.int64)
    lengths, places = block_lengths(blocks)[owned], np.full(len(blocks), -1, np.int64)
    places[owned] = np.cumsum(lengths) - lengths
    return np.column_stack([blocks, places]), owned
