"""Gradient sums of a layer over micro-batches, added in the tree.

The first micro-batch goes to row `row` of `partials`. After each, `merges[i]` pairs are added:
the first, onto the row before, on the way out of the product, the others while that part of
the layer is in cache. So the next one goes ``1 - merges[i]`` rows further.

A worker takes the sums of its own micro-batches, for the tree over workers to add. Or it
takes those of all, but only for the weights that it updates, see `part_of_weight`: then they
need not leave its cache. It is the same tree, so the bits are the same.
"""

from __future__ import annotations

from typing import NamedTuple

from ddp_mlp.core.kernels.arrays import Floats2, Integers1, Integers2
from ddp_mlp.core.kernels.gemm.gemm import Matrix
from ddp_mlp.core.kernels.gemm.product import product
from ddp_mlp.core.kernels.network.layers import (
    BIAS,
    DELTA_AT,
    INPUT_AT,
    LINEAR_AT,
    N_IN,
    N_OUT,
    ROWS_AT_ONCE,
    SHARED,
    TRANSPOSED,
    WEIGHT,
    WIDTH,
    WorkSpace,
)
from ddp_mlp.core.kernels.network.tile_sums import rows_in_tiles, sum_tiles
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER
from ddp_mlp.core.kernels.parallel.tree import merge
from ddp_mlp.core.kernels.vector_ops import add_into, copy


@jit
def has_shared_weights(layers):
    """Tell whether a weight serves two layers."""
    for k in range(layers.shape[0]):
        if layers[k, SHARED] != 0:
            return True
    return False


class Sums(NamedTuple):
    """Where the sums of some micro-batches go, one after the other."""

    partials: Floats2  # (rows, P or a part of it)
    row: int  # of the first micro-batch
    merges: Integers1  # (n,) pairs that are complete, and added, after each


@jit
def bias_gradient(columns, bias, sums):
    """Write the column sums of the deltas of each micro-batch, `columns` (n, O), from parameter `bias` on."""
    stop, row = bias + columns.shape[1], sums.row
    for i in range(sums.merges.shape[0]):
        merges = sums.merges[i]
        if merges > 0:
            add_into(sums.partials[row - 1, bias:stop], columns[i])
        else:
            copy(columns[i], sums.partials[row, bias:stop])
        merge(sums.partials, row - 1, merges - 1, bias, stop)
        row += 1 - merges


@jit
def weight_gradient(
    layers: Integers2,
    k: int,
    space: WorkSpace,
    row_ranges: Integers2,
    first: int,
    count: int,
    sums: Sums,
    start: int,
) -> None:
    """Write `count` rows of a weight, from `first` on, from column `start` of the partials on.

    A shared weight comes in two parts, so it allows no merges.
    """
    n_in, width = layers[k, N_IN], layers[k, WIDTH]
    h = space.capacity * layers[k, INPUT_AT]
    delta = space.capacity * (layers[k, DELTA_AT] if width == layers[k, N_OUT] else layers[k, LINEAR_AT])
    # (I, O) = (B, I)^T (B, O), or (O, I) = (B, O)^T (B, I), in the shape in which it is stored
    a, m, b, n = (delta, width, h, n_in) if layers[k, TRANSPOSED] else (h, n_in, delta, width)
    shared, row = layers[k, SHARED] != 0, sums.row
    is_rounded = space.factors.itemsize != space.workers.itemsize
    tiled = 0 if shared or is_rounded else rows_in_tiles(sums.partials, n, row_ranges, count)
    if tiled > 0:
        sum_tiles(space.workers, row_ranges, a + first, m, b, n, sums.merges, sums.partials, row, start, tiled)
    first, count, start = first + tiled, count - tiled, start + tiled * n
    if count == 0:
        return
    for i in range(sums.merges.shape[0]):
        merges = sums.merges[i]
        adds = 1 if merges > 0 else 0
        work, begin = space.workers[row_ranges[i, WORKER]], row_ranges[i, FROM]
        x, y = Matrix(work, a + begin * m + first, 1, m), Matrix(work, b + begin * n, n, 1)
        out = Matrix(sums.partials[row - adds], start, n, 1)
        product(space.factors, x, y, False, out, count, n, row_ranges[i, TO] - begin, merges > 0 or shared)
        merge(sums.partials, row - 1, merges - 1, start, start + count * n)
        row += 1 - merges


@jit
def whole_weight(layers, k, space, row_ranges, sums):
    """Write all rows of a weight where its parameters lie, a part at a time if micro-batches are added."""
    n_in, width = layers[k, N_IN], layers[k, WIDTH]
    n_rows, n = (width, n_in) if layers[k, TRANSPOSED] else (n_in, width)
    size = layers[k, ROWS_AT_ONCE] if sums.merges.shape[0] > 1 else n_rows
    for first in range(0, n_rows, size):
        start, count = layers[k, WEIGHT] + first * n, min(size, n_rows - first)
        weight_gradient(layers, k, space, row_ranges, first, count, sums, start)


@jit
def part_of_weight(layers, space, row_ranges, merges, begin, end, partials):
    """Write rows of one weight to the start of `partials`, from that of parameter `begin` on, up to parameter `end`.

    Return the first and last (exclusive) parameter of these rows.
    """
    k = 0
    while begin >= layers[k, BIAS]:
        k += 1
    weight, n = layers[k, WEIGHT], layers[k, WIDTH]
    first = (begin - weight) // n
    last = min(first + layers[k, ROWS_AT_ONCE], layers[k, N_IN], (end - weight + n - 1) // n)
    weight_gradient(layers, k, space, row_ranges, first, last - first, Sums(partials, 0, merges), 0)
    return weight + first * n, weight + last * n
