"""Losses, metrics and predictions over fixed blocks of samples.

A block is `EVALUATION_ROWS` samples whoever evaluates it, so its sums have the same bits
on any number of ranks and threads; the caller adds the blocks in their order.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.intrinsics import entry_point, jit
from ddp_mlp.core.kernels.losses import apply_output, loss_and_delta
from ddp_mlp.core.kernels.network import N_OUT, OUTPUT_AT, forward, gather
from ddp_mlp.core.kernels.reduction import copy

EVALUATION_ROWS = 256

#: Columns of the sums of a block. From `PER_TARGET` on, four for each target of a regression:
#: squared error, absolute error, target, squared target.
BLOCK_LOSS, BLOCK_SAMPLES, BLOCK_CORRECT, PER_TARGET = range(4)
SUMS_PER_TARGET = 4


@jit
def _largest(logits):
    best = 0
    for c in range(1, logits.shape[0]):
        if logits[c] > logits[best]:
            best = c
    return best


@jit
def _is_correct(logits, target):
    if logits.shape[0] == 1:
        return (logits[0] > 0) == (target[0] > 0)
    return _largest(logits) == int(target[0])


@jit
def _add_errors(logits, target, sums):
    for c in range(logits.shape[0]):
        error = np.float64(logits[c]) - np.float64(target[c])
        t = np.float64(target[c])
        column = PER_TARGET + SUMS_PER_TARGET * c
        sums[column] += error * error
        sums[column + 1] += abs(error)
        sums[column + 2] += t
        sums[column + 3] += t * t


@entry_point
def evaluate_blocks(
    layers,
    loss,
    capacity,
    parameters,
    work,
    features,
    stored,
    offset,
    scale,
    targets,
    order,
    first,
    last,
    sums,
):
    """Fill ``sums[first:last]`` for the blocks ``first`` to ``last`` of the rows in `order`.

    `capacity` is the number of rows that `work` holds, at least `EVALUATION_ROWS`.
    """
    layer = layers.shape[0] - 1
    n_logits = layers[layer, N_OUT]
    at = capacity * layers[layer, OUTPUT_AT]
    is_regression = sums.shape[1] > PER_TARGET
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        gather(features, stored, offset, scale, order, start, stop, work)
        forward(layers, parameters, work, capacity, stop - start)
        for c in range(sums.shape[1]):
            sums[block, c] = 0.0
        sums[block, BLOCK_SAMPLES] = stop - start
        for r in range(stop - start):
            logits = work[at + r * n_logits : at + (r + 1) * n_logits]
            target = targets[order[start + r]]
            if is_regression:
                _add_errors(logits, target, sums[block])
            elif _is_correct(logits, target):
                sums[block, BLOCK_CORRECT] += 1.0
        logits = work[at : at + (stop - start) * n_logits]
        sums[block, BLOCK_LOSS] = loss_and_delta(loss, logits, n_logits, targets, order[start:stop])


@entry_point
def predict_blocks(
    layers, output, capacity, parameters, work, features, stored, offset, scale, order, first, last, outputs
):
    """Write the network's answers for the same blocks into the rows of `outputs`."""
    layer = layers.shape[0] - 1
    n_logits = layers[layer, N_OUT]
    at = capacity * layers[layer, OUTPUT_AT]
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        gather(features, stored, offset, scale, order, start, stop, work)
        forward(layers, parameters, work, capacity, stop - start)
        apply_output(output, work[at : at + (stop - start) * n_logits], n_logits)
        for r in range(stop - start):
            copy(work[at + r * n_logits : at + (r + 1) * n_logits], outputs[start + r])
