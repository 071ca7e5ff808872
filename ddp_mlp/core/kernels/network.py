"""One micro-batch or some: gather, forward, backward, over flat arrays.

The table `layers` is int64 of shape (n_layers, LAYER_COLUMNS), one row a layer; the columns
are the constants below. Beside it stands `settings` of shape (n_layers, 2), in the dtype of
training: the setting of the activation, and the dropout rate of the inputs. Offsets into
`parameters` and `gradient` count elements. Offsets into `work` count elements *per row of
capacity*, so a table fits any capacity: the rows of one quantity lie together,
``capacity * column`` from the start.

Each forward stands beside its backward. Letters: B rows, I inputs, O outputs.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.activations import bias_activate, times_derivative
from ddp_mlp.core.kernels.dropout import drop, drop_delta
from ddp_mlp.core.kernels.intrinsics import (
    inlined,
    is_large,
    jit,
    like,
    prefetch,
    row_as,
)
from ddp_mlp.core.kernels.maxout import give_to_winner, take_largest
from ddp_mlp.core.kernels.meeting import hand_in
from ddp_mlp.core.kernels.products import multiply
from ddp_mlp.core.kernels.reduction import add_columns, add_into, copy, merge
from ddp_mlp.core.kernels.tiles import TILE_ROWS

N_IN, N_OUT, WEIGHT, BIAS, ACTIVATION, INPUT_AT, OUTPUT_AT, WIDTH, LINEAR_AT, MASK_AT, TRANSPOSED, SHARED = range(12)
LAYER_COLUMNS = 12
#: `WIDTH` is the number of columns of the weight, N_OUT times the pieces of a maxout unit, and
#: `LINEAR_AT` where they are computed. A `TRANSPOSED` weight is stored as (O, I), that of an
#: earlier layer, which is `SHARED` and adds to the gradient that is already there.

SHAPE, DROPOUT = range(2)

#: Features are stored as the dtype of training, or as bytes that are scaled while gathering.
STORED_AS_DTYPE, STORED_AS_UINT8 = 0, 1

#: Rows asked for before they are gathered: their addresses are random, so no hardware guesses them.
_AHEAD = 2

#: Values of a weight that stay in the second-level cache while all micro-batches are added to them.
_VALUES_AT_ONCE = 2**16


@jit
def has_shared_weights(layers):
    """Tell whether a weight serves two layers."""
    for k in range(layers.shape[0]):
        if layers[k, SHARED] != 0:
            return True
    return False


@jit
def gather(features, stored, offset, scale, order, start, stop, work):
    """Copy rows ``order[start:stop]`` into `work`, normalised, as (B, I)."""
    n_in = offset.shape[0]
    for r in range(stop - start):
        if start + r + _AHEAD < stop:
            prefetch(features, order[start + r + _AHEAD])
        out = work[r * n_in : (r + 1) * n_in]
        row = features[order[start + r]]
        if stored == STORED_AS_UINT8:
            for c in range(n_in):
                out[c] = (like(work, 1.0) * row[c] - offset[c]) * scale[c]
        else:
            values = row_as(row, work)
            for c in range(n_in):
                out[c] = values[c]


@jit
def forward(layers, settings, parameters, work, capacity, n_rows, key, order, start):
    """Fill the activations of every layer; the last one holds the logits.

    Where a dropout rate is not 0, `key` (uint64) and the samples ``order[start + r]`` decide
    what is dropped.
    """
    for k in range(layers.shape[0]):
        n_in, width, weight = layers[k, N_IN], layers[k, WIDTH], layers[k, WEIGHT]
        h, out = capacity * layers[k, INPUT_AT], capacity * layers[k, LINEAR_AT]
        if settings[k, DROPOUT] > 0:
            drop(work, h, capacity * layers[k, MASK_AT], n_rows, n_in, settings[k, DROPOUT], key, k, order, start)
        transposed = layers[k, TRANSPOSED] != 0
        row = n_in if transposed else width
        # (B, O) = (B, I) (I, O), or (B, I) (O, I)^T
        multiply(
            work, h, n_in, 1, parameters, weight, row, transposed, work, out, width, n_rows, width, n_in, False
        )  # fmt: skip
        bias = parameters[layers[k, BIAS] : layers[k, BIAS] + width]
        bias_activate(layers[k, ACTIVATION], work[out : out + n_rows * width], bias, settings[k, SHAPE])
        if width != layers[k, N_OUT]:
            take_largest(work, out, capacity * layers[k, OUTPUT_AT], n_rows, layers[k, N_OUT], width)


@inlined
def backward(layers, settings, parameters, work, capacity, edges, delta_at, nodes, row, merges, meeting):
    """Write the gradient sums of every layer; return True if a sum in them may have overflowed.

    On entry the logits have been replaced by ``d loss / d logits``. Micro-batch i consists of
    the rows ``edges[i]`` to ``edges[i + 1]``. `delta_at` (2,) are the columns of `work` for the
    deltas of hidden layers, used in turn. The sums go to `nodes`, as those of `_gradients`
    do. The workers of a node can meet at each layer, see `hand_in`.

    With all deltas and activations up to 2^24 in magnitude (float32), products are at most
    2^48. Neither their sum over 2^79 rows nor the squares of 2^31 means of them overflow, so
    only a suspicious gradient need be searched, and squared with more range.
    """
    suspicious = False
    n_rows = edges[-1]
    last = layers.shape[0] - 1
    at = h = capacity * layers[last, OUTPUT_AT]
    for k in range(last, -1, -1):
        n_in, width = layers[k, N_IN], layers[k, WIDTH]
        sums = np.zeros((merges.shape[0], width), work.dtype)
        for i in range(merges.shape[0]):
            start, stop = edges[i] * width, edges[i + 1] * width
            if k == last:
                add_columns(work[at + start : at + stop], sums[i])
            else:
                delta, activation = work[at + start : at + stop], work[h + start : h + stop]
                times_derivative(layers[k, ACTIVATION], delta, activation, sums[i], settings[k, SHAPE])
        h = capacity * layers[k, INPUT_AT]
        if is_large(work[at : at + n_rows * width]) or is_large(work[h : h + n_rows * n_in]):
            suspicious = True
        _gradients(layers, k, work, edges, at, h, sums, nodes, row, merges)
        hand_in(k, layers[k, WEIGHT], layers[k, BIAS] + width, nodes, meeting)
        if k == 0:
            break
        below = capacity * delta_at[k % 2]
        _input_delta(layers, k, parameters, work, n_rows, at, below)
        rate = settings[k, DROPOUT]
        if rate > 0:
            drop_delta(work, below, capacity * layers[k, MASK_AT], h, n_rows * n_in, rate)
        width = layers[k - 1, WIDTH]
        at = below
        if width != n_in:
            at = h = capacity * layers[k - 1, LINEAR_AT]
            give_to_winner(work, at, below, n_rows, n_in, width)
    return suspicious


@inlined
def _gradients(layers, k, work, edges, at, h, sums, nodes, row, merges):
    """Write the gradient sums of a layer, and add the pairs of the tree that are complete.

    The first micro-batch goes to row `row` of `nodes`. After each, `merges[i]` pairs are
    added: the first, onto the row before, on the way out of the product, the others while
    that part of the layer is in cache. So the next one goes ``1 - merges[i]`` rows further.
    A shared weight comes in two parts, so it allows no merges.
    """
    width, weight, bias = layers[k, WIDTH], layers[k, WEIGHT], layers[k, BIAS]
    # (I, O) = (B, I)^T (B, O), or (O, I) = (B, O)^T (B, I), in the shape in which it is stored
    if layers[k, TRANSPOSED]:
        a, m, b, n = at, width, h, layers[k, N_IN]
    else:
        a, m, b, n = h, layers[k, N_IN], at, width
    shared = layers[k, SHARED] != 0
    size = max(TILE_ROWS, _VALUES_AT_ONCE // n // TILE_ROWS * TILE_ROWS) if merges.shape[0] > 1 else m
    for first in range(0, m, size):
        count = min(size, m - first)
        start = weight + first * n
        to = row
        for i in range(merges.shape[0]):
            adds = 1 if merges[i] > 0 else 0
            x, y, n_rows = a + edges[i] * m + first, b + edges[i] * n, edges[i + 1] - edges[i]
            multiply(work, x, 1, m, work, y, n, False, nodes[to - adds], start, n, count, n, n_rows, adds or shared)
            if first == 0:
                _put(sums[i], nodes[to - adds, bias : bias + width], adds)
                merge(nodes, to - 1, merges[i] - 1, bias, bias + width)
            merge(nodes, to - 1, merges[i] - 1, start, start + count * n)
            to += 1 - merges[i]


@jit
def _put(values, target, adds):
    """Write `values` to `target`, or add them."""
    if adds:
        add_into(target, values)
    else:
        copy(values, target)


@inlined
def _input_delta(layers, k, parameters, work, n_rows, at, below):
    """Write the derivative by the inputs of a layer."""
    n_in, width, weight = layers[k, N_IN], layers[k, WIDTH], layers[k, WEIGHT]
    stored = layers[k, TRANSPOSED] == 0
    row = width if stored else n_in
    # (B, I) = (B, O) (I, O)^T, or (B, O) (O, I)
    multiply(work, at, width, 1, parameters, weight, row, stored, work, below, n_in, n_rows, n_in, width, False)
