"""Losses, metrics and predictions over fixed blocks of samples.

A block is `EVALUATION_ROWS` samples whoever evaluates it, so its sums have the same bits
on any number of ranks and threads; the caller adds the blocks in their order.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.arrays import Bytes2, Doubles2, Floats1, Floats2, Integers1, Integers2
from ddp_mlp.core.kernels.network.layers import N_OUT, OUTPUT_AT
from ddp_mlp.core.kernels.network.losses import apply_output, loss_and_delta
from ddp_mlp.core.kernels.network.passes import forward, gather
from ddp_mlp.core.kernels.numba_ext.intrinsics import entry_point, jit
from ddp_mlp.core.kernels.vector_ops import copy

EVALUATION_ROWS = 256

#: Nothing is dropped here, so nothing is drawn.
NO_KEY = np.uint64(0)

#: Columns of the sums of a block. From `PER_TARGET` on, four for each target of a regression:
#: squared error, absolute error, and the target and its square, counted from the first target
#: of all, so that the spread of large targets keeps its digits.
BLOCK_LOSS, BLOCK_SAMPLES, BLOCK_CORRECT, PER_TARGET = range(4)
SUMS_PER_TARGET = 4

#: Columns of the record of a sample of a classification: the class answered, how many classes
#: the network holds more likely than the true one, and the logit of a binary answer.
ANSWER, PLACE, SCORE = range(3)
RECORD_COLUMNS = 3


@jit
def _largest(logits):
    best = 0
    for c in range(1, logits.shape[0]):
        if logits[c] > logits[best]:
            best = c
    return best


@jit
def _answer(logits, threshold):
    if logits.shape[0] == 1:
        return 1 if np.float64(logits[0]) > threshold else 0
    return _largest(logits)


@jit
def _place(logits, label):
    """Return how many classes come before the true one; of equal ones the first comes first."""
    place = 0
    for c in range(logits.shape[0]):
        if logits[c] > logits[label] or (logits[c] == logits[label] and c < label):
            place += 1
    return place


@jit
def _record(logits, label, answer, record):
    record[ANSWER] = answer
    record[SCORE] = logits[0]
    if logits.shape[0] == 1:
        record[PLACE] = 0.0 if answer == label else 1.0
    else:
        record[PLACE] = _place(logits, label)


@jit
def _add_errors(logits, target, first, sums):
    for c in range(logits.shape[0]):
        error = np.float64(logits[c]) - np.float64(target[c])
        t = np.float64(target[c]) - np.float64(first[c])
        column = PER_TARGET + SUMS_PER_TARGET * c
        sums[column] += error * error
        sums[column + 1] += abs(error)
        sums[column + 2] += t
        sums[column + 3] += t * t


@entry_point
def evaluate_blocks(
    layers: Integers2,
    settings: Floats2,
    loss: int,
    threshold: float,
    capacity: int,
    parameters: Floats1,
    work: Floats1,
    features: Bytes2,
    stored: int,
    offset: Floats1,
    scale: Floats1,
    targets: Floats2,
    weights: Floats1,
    order: Integers1,
    first: int,
    last: int,
    sums: Doubles2,
    records: Doubles2,
):
    """Fill ``sums[first:last]`` for the blocks ``first`` to ``last`` of the rows in `order`.

    `capacity` is the number of rows that `work` holds, at least `EVALUATION_ROWS`. A single
    logit answers 1 above `threshold`. `weights` is empty: every sample counts the same here.
    `records` has a row for each in `order`, or none at all.
    """
    layer = layers.shape[0] - 1
    n_logits = layers[layer, N_OUT]
    at = capacity * layers[layer, OUTPUT_AT]
    is_regression = sums.shape[1] > PER_TARGET
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        gather(features, stored, offset, scale, order, start, stop, work)
        forward(layers, settings, parameters, work, capacity, stop - start, NO_KEY, order, start)
        for c in range(sums.shape[1]):
            sums[block, c] = 0.0
        sums[block, BLOCK_SAMPLES] = stop - start
        for r in range(stop - start):
            logits = work[at + r * n_logits : at + (r + 1) * n_logits]
            target = targets[order[start + r]]
            if is_regression:
                _add_errors(logits, target, targets[order[0]], sums[block])
                continue
            answer = _answer(logits, threshold)
            if answer == int(target[0]):
                sums[block, BLOCK_CORRECT] += 1.0
            if records.shape[0] > 0:
                _record(logits, int(target[0]), answer, records[start + r])
        logits = work[at : at + (stop - start) * n_logits]
        sums[block, BLOCK_LOSS] = loss_and_delta(loss, logits, n_logits, targets, order[start:stop], weights, 0.0)


@entry_point
def predict_blocks(
    layers: Integers2,
    settings: Floats2,
    output: int,
    capacity: int,
    parameters: Floats1,
    work: Floats1,
    features: Bytes2,
    stored: int,
    offset: Floats1,
    scale: Floats1,
    order: Integers1,
    first: int,
    last: int,
    outputs: Floats2,
):
    """Write the network's answers for the same blocks into the rows of `outputs`."""
    layer = layers.shape[0] - 1
    n_logits = layers[layer, N_OUT]
    at = capacity * layers[layer, OUTPUT_AT]
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        gather(features, stored, offset, scale, order, start, stop, work)
        forward(layers, settings, parameters, work, capacity, stop - start, NO_KEY, order, start)
        apply_output(output, work[at : at + (stop - start) * n_logits], n_logits)
        for r in range(stop - start):
            copy(work[at + r * n_logits : at + (r + 1) * n_logits], outputs[start + r])
