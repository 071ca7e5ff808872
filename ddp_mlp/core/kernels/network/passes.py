"""One micro-batch or some: gather, forward, backward, over flat arrays.

Beside the table of `layers` stands `settings` of shape (n_layers, 2), in the dtype of
training: the setting of the activation, and the dropout rate of the inputs.

Each forward stands beside its backward. Letters: B rows, I inputs, O outputs.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.gemm.gemm import multiply
from ddp_mlp.core.kernels.network.activations import bias_activate, times_derivative
from ddp_mlp.core.kernels.network.dropout import drop, drop_delta
from ddp_mlp.core.kernels.network.gradient_sums import bias_gradient, whole_weight
from ddp_mlp.core.kernels.network.layers import (
    ACTIVATION,
    BIAS,
    DELTA_AT,
    INPUT_AT,
    LINEAR_AT,
    MASK_AT,
    N_IN,
    N_OUT,
    OUTPUT_AT,
    TRANSPOSED,
    WEIGHT,
    WIDTH,
)
from ddp_mlp.core.kernels.network.maxout import give_to_winner, take_largest
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, is_large, jit, like, prefetch, row_as
from ddp_mlp.core.kernels.parallel.layer_barrier import hand_in
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER
from ddp_mlp.core.kernels.vector_ops import add_columns

SHAPE, DROPOUT = range(2)

#: Features are stored as the dtype of training, or as bytes that are scaled while gathering.
STORED_AS_DTYPE, STORED_AS_UINT8 = 0, 1

#: Rows asked for before they are gathered: their addresses are random, so no hardware guesses them.
_AHEAD = 2


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
def backward(layers, settings, parameters, works, capacity, spans, nodes, row, merges, defers, meeting):
    """Write the gradient sums of every layer; return True if a sum in them may have overflowed.

    On entry the logits have been replaced by ``d loss / d logits``. The sums of the micro-batches
    of `spans`, all of one worker, go to `nodes`, see `sums`; those of the weights later where it
    `defers`. The workers of a node can meet at each layer, see `hand_in`.

    With all deltas and activations up to 2^24 in magnitude (float32), products are at most
    2^48. Neither their sum over 2^79 rows nor the squares of 2^31 means of them overflow, so
    only a suspicious gradient need be searched, and squared with more range.
    """
    suspicious = False
    work, n_rows = works[spans[0, WORKER]], spans[-1, TO]
    last = layers.shape[0] - 1
    at = h = capacity * layers[last, OUTPUT_AT]
    for k in range(last, -1, -1):
        n_in, width = layers[k, N_IN], layers[k, WIDTH]
        sums = np.zeros((merges.shape[0], width), work.dtype)
        for i in range(merges.shape[0]):
            start, stop = spans[i, FROM] * width, spans[i, TO] * width
            if k == last:
                add_columns(work[at + start : at + stop], sums[i])
            else:
                delta, activation = work[at + start : at + stop], work[h + start : h + stop]
                times_derivative(layers[k, ACTIVATION], delta, activation, sums[i], settings[k, SHAPE])
        h = capacity * layers[k, INPUT_AT]
        if is_large(work[at : at + n_rows * width]) or is_large(work[h : h + n_rows * n_in]):
            suspicious = True
        bias_gradient(sums, nodes, row, layers[k, BIAS], merges)
        if not defers:
            whole_weight(layers, k, works, capacity, spans, nodes, row, merges)
        hand_in(k, layers[k, WEIGHT], layers[k, BIAS] + width, nodes, meeting)
        if k == 0:
            break
        below = capacity * layers[k - 1, DELTA_AT]
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
def _input_delta(layers, k, parameters, work, n_rows, at, below):
    """Write the derivative by the inputs of a layer."""
    n_in, width, weight = layers[k, N_IN], layers[k, WIDTH], layers[k, WEIGHT]
    stored = layers[k, TRANSPOSED] == 0
    row = width if stored else n_in
    # (B, I) = (B, O) (I, O)^T, or (B, O) (O, I)
    multiply(work, at, width, 1, parameters, weight, row, stored, work, below, n_in, n_rows, n_in, width, False)
