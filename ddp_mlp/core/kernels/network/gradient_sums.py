"""Gradient sums of a layer over micro-batches, added in the tree.

The first micro-batch goes to row `row` of `nodes`. After each, `merges[i]` pairs are added:
the first, onto the row before, on the way out of the product, the others while that part of
the layer is in cache. So the next one goes ``1 - merges[i]`` rows further.

A worker takes the sums of its own micro-batches, for the tree over workers to add. Or it
takes those of all, but only for the weights that it updates, see `part_of_weight`: then they
need not leave its cache. It is the same tree, so the bits are the same.
"""

from __future__ import annotations

from ddp_mlp.core.kernels.gemm.gemm import multiply
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
)
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER
from ddp_mlp.core.kernels.parallel.tree import merge
from ddp_mlp.core.kernels.vector_ops import add_into, copy


@jit
def bias_gradient(sums, nodes, row, bias, merges):
    """Write the column sums of the deltas of each micro-batch, `sums` (n, O), from column `bias` on."""
    stop = bias + sums.shape[1]
    for i in range(merges.shape[0]):
        if merges[i] > 0:
            add_into(nodes[row - 1, bias:stop], sums[i])
        else:
            copy(sums[i], nodes[row, bias:stop])
        merge(nodes, row - 1, merges[i] - 1, bias, stop)
        row += 1 - merges[i]


@jit
def weight_gradient(layers, k, works, capacity, spans, first, count, nodes, row, start, merges):
    """Write `count` rows of a weight, from `first` on, from column `start` of `nodes` on.

    A shared weight comes in two parts, so it allows no merges.
    """
    n_in, width = layers[k, N_IN], layers[k, WIDTH]
    h = capacity * layers[k, INPUT_AT]
    delta = capacity * (layers[k, DELTA_AT] if width == layers[k, N_OUT] else layers[k, LINEAR_AT])
    # (I, O) = (B, I)^T (B, O), or (O, I) = (B, O)^T (B, I), in the shape in which it is stored
    a, m, b, n = (delta, width, h, n_in) if layers[k, TRANSPOSED] else (h, n_in, delta, width)
    shared = layers[k, SHARED] != 0
    for i in range(merges.shape[0]):
        adds = 1 if merges[i] > 0 else 0
        work, begin, n_rows = works[spans[i, WORKER]], spans[i, FROM], spans[i, TO] - spans[i, FROM]
        x, y = a + begin * m + first, b + begin * n
        multiply(work, x, 1, m, work, y, n, False, nodes[row - adds], start, n, count, n, n_rows, adds or shared)
        merge(nodes, row - 1, merges[i] - 1, start, start + count * n)
        row += 1 - merges[i]


@jit
def whole_weight(layers, k, works, capacity, spans, nodes, row, merges):
    """Write all rows of a weight where its parameters lie, a part at a time if micro-batches are added."""
    n_in, width = layers[k, N_IN], layers[k, WIDTH]
    n_rows, n = (width, n_in) if layers[k, TRANSPOSED] else (n_in, width)
    size = layers[k, ROWS_AT_ONCE] if merges.shape[0] > 1 else n_rows
    for first in range(0, n_rows, size):
        start, count = layers[k, WEIGHT] + first * n, min(size, n_rows - first)
        weight_gradient(layers, k, works, capacity, spans, first, count, nodes, row, start, merges)


@jit
def part_of_weight(layers, works, capacity, spans, merges, begin, end, nodes):
    """Write rows of one weight to the start of `nodes`, from that of parameter `begin` on; none beyond `end`.

    Return the first and last (exclusive) parameter of these rows.
    """
    k = 0
    while begin >= layers[k, BIAS]:
        k += 1
    weight, n = layers[k, WEIGHT], layers[k, WIDTH]
    first = (begin - weight) // n
    last = min(first + layers[k, ROWS_AT_ONCE], layers[k, N_IN], (end - weight + n - 1) // n)
    weight_gradient(layers, k, works, capacity, spans, first, last - first, nodes, 0, 0, merges)
    return weight + first * n, weight + last * n
