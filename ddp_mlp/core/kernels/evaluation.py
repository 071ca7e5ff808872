"""Losses, metrics and predictions over fixed blocks of samples.

A block is `EVALUATION_ROWS` samples whoever evaluates it, so its sums have the same bits
on any number of ranks and threads; the caller adds the blocks in their order.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.arrays import Doubles2, Floats1, Floats2, Integers1
from ddp_mlp.core.kernels.evaluation_sums import (
    ANSWER,
    BLOCK_CORRECT,
    BLOCK_LOSS,
    BLOCK_SAMPLES,
    EVALUATION_ROWS,
    PER_TARGET,
    PLACE,
    SCORE,
    SUMS_PER_TARGET,
    LossChoice,
)
from ddp_mlp.core.kernels.network.layers import N_OUT, OUTPUT_AT, Model
from ddp_mlp.core.kernels.network.losses import apply_output, loss_and_delta
from ddp_mlp.core.kernels.network.passes import forward, gather
from ddp_mlp.core.kernels.network.rows import Rows
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.vector_ops import copy

#: The stream of dropout, which is off here.
NO_KEY = np.uint64(0)


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
def _count_right(logits, n_logits, targets, samples, threshold, records):
    """Return how many of some samples are answered right, and fill their `records`, if there are any."""
    n_right = 0.0
    for r in range(samples.shape[0]):
        row, label = logits[r * n_logits : (r + 1) * n_logits], int(targets[samples[r], 0])
        answer = _answer(row, threshold)
        if answer == label:
            n_right += 1.0
        if records.shape[0] > 0:
            _record(row, label, answer, records[r])
    return n_right


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


def evaluate_blocks(
    model: Model,
    rows: Rows,
    loss: LossChoice,
    work: Floats1,
    order: Integers1,
    first: int,
    last: int,
    sums: Doubles2,
    records: Doubles2,
):
    """Fill ``sums[first:last]`` for the blocks ``first`` to ``last`` of the rows in `order`.

    `work` holds `EVALUATION_ROWS` rows. `records` has a row for each in `order`, or none at all.
    """
    layer = model.layers.shape[0] - 1
    n_logits = model.layers[layer, N_OUT]
    at = EVALUATION_ROWS * model.layers[layer, OUTPUT_AT]
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        samples = order[start:stop]
        gather(rows, order, start, stop, work)
        forward(model, work, EVALUATION_ROWS, work, stop - start, NO_KEY, order, start)
        logits = work[at : at + (stop - start) * n_logits]
        for c in range(sums.shape[1]):
            sums[block, c] = 0.0
        sums[block, BLOCK_SAMPLES] = stop - start
        if sums.shape[1] > PER_TARGET:
            for r in range(stop - start):
                row = logits[r * n_logits : (r + 1) * n_logits]
                _add_errors(row, rows.targets[samples[r]], rows.targets[order[0]], sums[block])
        else:
            kept = records[start:stop] if records.shape[0] > 0 else records
            sums[block, BLOCK_CORRECT] = _count_right(logits, n_logits, rows.targets, samples, loss.threshold, kept)
        sums[block, BLOCK_LOSS] = loss_and_delta(
            loss.code, logits, n_logits, rows.targets, samples, rows.weights, loss.parameter
        )


def predict_blocks(
    model: Model,
    rows: Rows,
    output: int,
    work: Floats1,
    order: Integers1,
    first: int,
    last: int,
    outputs: Floats2,
):
    """Write the network's answers for the same blocks into the rows of `outputs`."""
    layer = model.layers.shape[0] - 1
    n_logits = model.layers[layer, N_OUT]
    at = EVALUATION_ROWS * model.layers[layer, OUTPUT_AT]
    for block in range(first, last):
        start = block * EVALUATION_ROWS
        stop = min(start + EVALUATION_ROWS, order.shape[0])
        gather(rows, order, start, stop, work)
        forward(model, work, EVALUATION_ROWS, work, stop - start, NO_KEY, order, start)
        apply_output(output, work[at : at + (stop - start) * n_logits], n_logits)
        for r in range(stop - start):
            copy(work[at + r * n_logits : at + (r + 1) * n_logits], outputs[start + r])
