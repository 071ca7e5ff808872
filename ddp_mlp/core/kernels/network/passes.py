"""One micro-batch or some: gather, forward, backward, over flat arrays.

Each forward stands beside its backward. Letters: B rows, I inputs, O outputs.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.arrays import Factors1, Floats1, Integers1
from ddp_mlp.core.kernels.gemm.gemm import Matrix
from ddp_mlp.core.kernels.gemm.product import product
from ddp_mlp.core.kernels.network.activations import bias_activate, times_derivative
from ddp_mlp.core.kernels.network.column_sums import add_columns
from ddp_mlp.core.kernels.network.dropout import drop, drop_delta
from ddp_mlp.core.kernels.network.gradient_sums import bias_gradient, whole_weight
from ddp_mlp.core.kernels.network.layers import (
    ACTIVATION,
    ACTIVATION_PARAM,
    BIAS,
    DELTA_AT,
    DROPOUT,
    INPUT_AT,
    LINEAR_AT,
    MASK_AT,
    N_IN,
    N_OUT,
    OUTPUT_AT,
    TRANSPOSED,
    WEIGHT,
    WIDTH,
    Model,
)
from ddp_mlp.core.kernels.network.maxout import give_to_winner, take_largest
from ddp_mlp.core.kernels.network.rows import STORED_AS_UINT8, Rows
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, is_large, jit, prefetch, row_as
from ddp_mlp.core.kernels.parallel.layer_barrier import hand_in
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER

#: Rows asked for before they are gathered, and bytes where rows are short: their addresses are random, so no
#: hardware guesses them.
_AHEAD, _AHEAD_BYTES = 2, 4096


@jit
def gather(rows: Rows, order: Integers1, start: int, stop: int, work: Floats1) -> None:
    """Copy rows ``order[start:stop]`` into `work`, normalised, as (B, I)."""
    n_in = rows.offset.shape[0]
    ahead = max(_AHEAD, _AHEAD_BYTES // rows.features.shape[1])
    for i in range(start, min(start + ahead, stop)):
        prefetch(rows.features, order[i])
    for r in range(stop - start):
        if start + r + ahead < stop:
            prefetch(rows.features, order[start + r + ahead])
        out = work[r * n_in : (r + 1) * n_in]
        row = rows.features[order[start + r]]
        if rows.stored == STORED_AS_UINT8:
            for c in range(n_in):
                out[c] = (like(work, 1.0) * row[c] - rows.offset[c]) * rows.scale[c]
        else:
            values = row_as(row, work)
            for c in range(n_in):
                out[c] = values[c]


@jit
def forward(
    model: Model,
    work: Floats1,
    capacity: int,
    factors: Factors1,
    n_rows: int,
    key: np.uint64,
    order: Integers1,
    start: int,
) -> None:
    """Fill the activations of every layer; the last one holds the logits.

    Where a dropout rate is not 0, `key` (uint64) and the samples ``order[start + r]`` decide
    what is dropped. Products take what is of the dtype of `factors`, see `product`.
    """
    layers, settings, parameters = model.layers, model.settings, model.parameters
    for k in range(layers.shape[0]):
        n_in, width, weight = layers[k, N_IN], layers[k, WIDTH], layers[k, WEIGHT]
        h, out = capacity * layers[k, INPUT_AT], capacity * layers[k, LINEAR_AT]
        if settings[k, DROPOUT] > 0:
            drop(work, h, capacity * layers[k, MASK_AT], n_rows, n_in, settings[k, DROPOUT], key, k, order, start)
        transposed = layers[k, TRANSPOSED] != 0
        # (B, O) = (B, I) (I, O), or (B, I) (O, I)^T
        b_row, b_step = (1, n_in) if transposed else (width, 1)
        a, b, c = Matrix(work, h, n_in, 1), Matrix(parameters, weight, b_row, b_step), Matrix(work, out, width, 1)
        product(factors, a, b, transposed, c, n_rows, width, n_in, False)
        bias = parameters[layers[k, BIAS] : layers[k, BIAS] + width]
        bias_activate(layers[k, ACTIVATION], work[out : out + n_rows * width], bias, settings[k, ACTIVATION_PARAM])
        if width != layers[k, N_OUT]:
            take_largest(work, out, capacity * layers[k, OUTPUT_AT], n_rows, layers[k, N_OUT], width)


@inlined
def backward(model, space, row_ranges, sums, defers, barrier):
    """Write the gradient sums of every layer; return True if a sum in them may have overflowed.

    On entry the logits have been replaced by ``d loss / d logits``. The sums of the micro-batches
    of `row_ranges`, all of one worker, go to `sums`; those of the weights later where it
    `defers`. The workers of a node can meet at each layer, see `hand_in`.

    With all deltas and activations up to 2^24 in magnitude (float32), products are at most
    2^48. Neither their sum over 2^79 rows nor the squares of 2^31 means of them overflow, so
    only a suspicious gradient need be searched, and squared with more range.
    """
    layers, settings, capacity = model.layers, model.settings, space.capacity
    suspicious = False
    work, n_rows = space.workers[row_ranges[0, WORKER]], row_ranges[-1, TO]
    last = layers.shape[0] - 1
    at = h = capacity * layers[last, OUTPUT_AT]
    for k in range(last, -1, -1):
        n_in, width = layers[k, N_IN], layers[k, WIDTH]
        columns = np.zeros((sums.merges.shape[0], width), work.dtype)
        for i in range(sums.merges.shape[0]):
            start, stop = row_ranges[i, FROM] * width, row_ranges[i, TO] * width
            delta, activation = work[at + start : at + stop], work[h + start : h + stop]
            if k == last:
                is_suspicious = add_columns(delta, columns[i])
            else:
                chosen, p = layers[k, ACTIVATION], settings[k, ACTIVATION_PARAM]
                is_suspicious = times_derivative(chosen, delta, activation, columns[i], p)
            suspicious = suspicious or is_suspicious
        h = capacity * layers[k, INPUT_AT]
        suspicious = suspicious or is_large(work[h : h + n_rows * n_in])
        bias_gradient(columns, layers[k, BIAS], sums)
        if not defers:
            whole_weight(layers, k, space, row_ranges, sums)
        hand_in(k, layers[k, WEIGHT], layers[k, BIAS] + width, sums.partials, barrier)
        if k == 0:
            break
        below = capacity * layers[k - 1, DELTA_AT]
        _input_delta(model, k, work, space.factors, n_rows, at, below)
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
def _input_delta(model, k, work, factors, n_rows, at, below):
    """Write the derivative by the inputs of a layer."""
    n_in, width, weight = model.layers[k, N_IN], model.layers[k, WIDTH], model.layers[k, WEIGHT]
    stored = model.layers[k, TRANSPOSED] == 0
    # (B, I) = (B, O) (I, O)^T, or (B, O) (O, I)
    b_row, b_step = (1, width) if stored else (n_in, 1)
    b, c = Matrix(model.parameters, weight, b_row, b_step), Matrix(work, below, n_in, 1)
    product(factors, Matrix(work, at, width, 1), b, stored, c, n_rows, n_in, width, False)
