"""One micro-batch: gather, forward, loss, backward, over flat arrays.

The table `layers` is int64 of shape (n_layers, 7), one row a layer; the columns are the
constants below. Offsets into `parameters` and `gradient` count elements. Offsets into
`work` count elements *per row of capacity*, so a table fits any capacity: the rows of
one quantity lie together, ``capacity * column`` from the start.

Each forward stands beside its backward. Letters: B rows, I inputs, O outputs.
"""

from __future__ import annotations

import math

from ddp_mlp.core.kernels.activations import bias_activate, times_derivative
from ddp_mlp.core.kernels.intrinsics import (
    NO_TRANSPOSE,
    TRANSPOSE,
    gemm,
    is_large,
    jit,
    like,
    row_as,
)
from ddp_mlp.core.kernels.losses import loss_and_delta

N_IN, N_OUT, WEIGHT, BIAS, ACTIVATION, INPUT_AT, OUTPUT_AT = range(7)
LAYER_COLUMNS = 7

#: Features are stored as the dtype of training, or as bytes that are scaled while gathering.
STORED_AS_DTYPE, STORED_AS_UINT8 = 0, 1

#: Columns of a tail: what travels beside a gradient sum, always float64.
LOSS_SUM, SAMPLE_SUM, NON_FINITE, STOP_REQUEST = range(4)
TAIL_COLUMNS = 8


@jit
def gather(features, stored, offset, scale, order, start, stop, work):
    """Copy rows ``order[start:stop]`` into `work`, normalised, as (B, I)."""
    n_in = offset.shape[0]
    for r in range(stop - start):
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
def forward(layers, parameters, work, capacity, n_rows):
    """Fill the activations of every layer; the last one holds the logits."""
    for k in range(layers.shape[0]):
        n_in, n_out = layers[k, N_IN], layers[k, N_OUT]
        out = capacity * layers[k, OUTPUT_AT]
        # fmt: off
        gemm(NO_TRANSPOSE, NO_TRANSPOSE, n_out, n_rows, n_in,
             parameters, layers[k, WEIGHT], n_out,
             work, capacity * layers[k, INPUT_AT], n_in,
             like(work, 0.0), work, out, n_out)  # (B, O) = (B, I) (I, O)
        # fmt: on
        bias_activate(layers[k, ACTIVATION], work, out, n_rows, n_out, parameters, layers[k, BIAS])


@jit
def backward(layers, parameters, work, capacity, n_rows, delta_at, gradient):
    """Write the gradient sum of every layer; return True if a sum in it may have overflowed.

    On entry the logits have been replaced by ``d loss / d logits``. `delta_at` (2,) are the
    columns of `work` for the deltas of hidden layers, used in turn.

    With all deltas and activations below 2^50 in magnitude (float32), products summed over
    up to 2^27 rows stay below 2^127, so that only a suspicious gradient need be searched.
    """
    suspicious = False
    last = layers.shape[0] - 1
    at = capacity * layers[last, OUTPUT_AT]
    n_out = layers[last, N_OUT]
    _add_columns(work[at : at + n_rows * n_out], n_out, _zeros(gradient, layers[last, BIAS], n_out))
    for k in range(last, -1, -1):
        n_in, n_out = layers[k, N_IN], layers[k, N_OUT]
        h = capacity * layers[k, INPUT_AT]
        if is_large(work[at : at + n_rows * n_out]) or is_large(work[h : h + n_rows * n_in]):
            suspicious = True
        # fmt: off
        gemm(NO_TRANSPOSE, TRANSPOSE, n_out, n_in, n_rows,
             work, at, n_out,
             work, h, n_in,
             like(work, 0.0), gradient, layers[k, WEIGHT], n_out)  # (I, O) = (B, I)^T (B, O)
        if k == 0:
            break
        below = capacity * delta_at[k % 2]
        gemm(TRANSPOSE, NO_TRANSPOSE, n_in, n_rows, n_out,
             parameters, layers[k, WEIGHT], n_out,
             work, at, n_out,
             like(work, 0.0), work, below, n_in)  # (B, I) = (B, O) (I, O)^T
        # fmt: on
        bias = _zeros(gradient, layers[k - 1, BIAS], n_in)
        times_derivative(layers[k - 1, ACTIVATION], work, below, work, h, n_rows, n_in, bias)
        at = below
    return suspicious


@jit
def _zeros(values, start, size):
    """Return a view of part of `values`, set to zero."""
    view = values[start : start + size]
    for i in range(size):
        view[i] = like(values, 0.0)
    return view


@jit
def _add_columns(values, n_columns, total):
    """Add the column sums of `values` (B * O,) to `total` (O,)."""
    for start in range(0, values.shape[0], n_columns):
        row = values[start : start + n_columns]
        for c in range(n_columns):
            total[c] += row[c]


@jit
def _all_finite(values):
    for i in range(values.shape[0]):
        if not math.isfinite(values[i]):
            return False
    return True


@jit
def differentiate(layers, loss, parameters, work, capacity, n_rows, delta_at, targets, order, start, gradient, tail):
    """Turn the logits of a forwarded micro-batch into its gradient sum and its tail."""
    last = layers.shape[0] - 1
    n_logits = layers[last, N_OUT]
    at = capacity * layers[last, OUTPUT_AT]
    logits = work[at : at + n_rows * n_logits]
    loss_sum = loss_and_delta(loss, logits, n_logits, targets, order[start : start + n_rows])
    suspicious = backward(layers, parameters, work, capacity, n_rows, delta_at, gradient)
    for i in range(tail.shape[0]):
        tail[i] = 0.0
    tail[LOSS_SUM] = loss_sum
    tail[SAMPLE_SUM] = n_rows
    if not math.isfinite(loss_sum) or (suspicious and not _all_finite(gradient)):
        tail[NON_FINITE] = 1.0
