"""The gradient sums of a worker's micro-batches, some of which it takes through the layers together.

Rows do not touch each other but in the sums, so one product over the rows of many
micro-batches has the bits of many products, and costs less. Losses, and the sums of each
layer's gradient, are those of single micro-batches, added in the tree.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.core.kernels.network.augmentation import augment
from ddp_mlp.core.kernels.network.gradient_sums import Sums, has_shared_weights
from ddp_mlp.core.kernels.network.layers import N_OUT, OUTPUT_AT, Model, WorkSpace
from ddp_mlp.core.kernels.network.losses import loss_and_delta
from ddp_mlp.core.kernels.network.passes import backward, forward, gather
from ddp_mlp.core.kernels.network.rows import Rows
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.parallel.layer_barrier import LayerBarrier, hand_in_all
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER, count_fitting, edge, write_row_ranges
from ddp_mlp.core.kernels.parallel.tree import merge
from ddp_mlp.core.kernels.step.arena import (
    ASK_STOP,
    AUGMENTATION_STREAM,
    BY_LAYERS,
    CAPACITY,
    DEFERS,
    DROPOUT_STREAM,
    FIRST_WORKER,
    LOSS,
    LOSS_PARAM,
    LOSS_SUM,
    MICRO_BATCHES,
    NON_FINITE,
    SAMPLE_SUM,
    STOP_REQUEST,
    STORED,
    SUSPICIOUS,
    WEIGHT_SUM,
)
from ddp_mlp.core.kernels.vector_ops import copy


@jit
def gradient(arena, worker, step):
    """Compute this worker's micro-batches, some at a time; its partials end on the first of its rows."""
    choices = arena.choices
    row = worker * (arena.own.shape[0] // arena.runs.shape[0])
    stack = arena.stacks[worker - choices[FIRST_WORKER]]
    rows = Rows(arena.features, choices[STORED], arena.offset, arena.scale, arena.targets, arena.sample_weights)
    model = Model(arena.layers, arena.settings, arena.gradient_at)
    space = WorkSpace(arena.work, choices[CAPACITY], arena.factors)
    is_tied = has_shared_weights(arena.layers)
    batch, micro_batches = arena.batches[step], choices[MICRO_BATCHES]
    m, last = arena.runs[worker, 0], arena.runs[worker, 1]
    while m < last:
        # A shared weight comes in two parts, so its pairs are added when both are there: one micro-batch at a time,
        # also where it is empty.
        n = 1 if is_tied else count_fitting(batch, micro_batches, m, last, choices[CAPACITY])
        row_ranges, merges = np.empty((n, 3), np.int64), arena.worker_merges[m : m + n]
        write_row_ranges(batch, micro_batches, worker, m, row_ranges)
        first, stop = edge(batch, micro_batches, m), edge(batch, micro_batches, m + n)
        m += n
        _forward(arena, rows, model, first, stop, space.workers[worker])
        meets = choices[BY_LAYERS] != 0 and m == last and not is_tied
        barrier = LayerBarrier(arena.layer_words, arena.runs.shape[0] if meets else 0, arena.rows, arena.merges, stack)
        sums = Sums(arena.own, row, np.zeros(n, np.int64) if is_tied else merges)
        tails = np.empty((n, arena.own_tails.shape[1]))
        loss, samples = (choices[LOSS], arena.loss_settings[LOSS_PARAM]), arena.order[first:stop]
        _differentiate(model, loss, space, row_ranges, rows, samples, sums, choices[DEFERS] != 0, barrier, tails)
        row = _hand_over(arena, tails, merges, row, is_tied)
    if is_tied and choices[BY_LAYERS] != 0:
        barrier = LayerBarrier(arena.layer_words, arena.runs.shape[0], arena.rows, arena.merges, stack)
        hand_in_all(arena.layers.shape[0], arena.parameters.shape[0], arena.own, barrier)


@jit
def _forward(arena, rows, model, first, stop, work):
    """Bring the rows ``order[first:stop]`` into the work space of a worker, and take them through the layers."""
    order, n_rows = arena.order, stop - first
    gather(rows, order, first, stop, work)
    if arena.augmentation.shape[0] > 0:
        key = arena.streams[AUGMENTATION_STREAM]
        augment(arena.augmentation, key, order, first, n_rows, arena.offset.shape[0], work)
    key = arena.streams[DROPOUT_STREAM]
    forward(model, work, arena.choices[CAPACITY], arena.factors, n_rows, key, order, first)


@jit
def _hand_over(arena, tails, merges, row, is_tied):
    """Add the tails of micro-batches in the tree, from `row` on, and tied gradients; return the row after them."""
    for i in range(merges.shape[0]):
        tails[i, STOP_REQUEST] = arena.control[ASK_STOP]
        copy(tails[i], arena.own_tails[row])
        merge(arena.own_tails, row, merges[i], 0, tails.shape[1])
        if is_tied:
            merge(arena.own, row, merges[i], 0, arena.parameters.shape[0])
        row += 1 - merges[i]
    return row


@jit
def _differentiate(model, loss, space, row_ranges, rows, samples, sums, defers, barrier, tails):
    """Turn the logits of forwarded micro-batches into their gradient sums, see `backward`, and ``tails[i]``.

    `loss` is its code and parameter, `samples` are the rows of all these micro-batches.
    """
    layers = model.layers
    last = layers.shape[0] - 1
    work, n_logits = space.workers[row_ranges[0, WORKER]], layers[last, N_OUT]
    at = space.capacity * layers[last, OUTPUT_AT]
    for i in range(sums.merges.shape[0]):
        first, stop, tail = row_ranges[i, FROM], row_ranges[i, TO], tails[i]
        logits, ids = work[at + first * n_logits : at + stop * n_logits], samples[first:stop]
        for column in range(tail.shape[0]):
            tail[column] = 0.0
        tail[LOSS_SUM] = loss_and_delta(loss[0], logits, n_logits, rows.targets, ids, rows.weights, loss[1])
        tail[SAMPLE_SUM] = ids.shape[0]
        tail[WEIGHT_SUM] = _weight_sum(rows.weights, ids)
        if not math.isfinite(tail[LOSS_SUM]):
            tail[NON_FINITE] = 1.0
    if backward(model, space, row_ranges, sums, defers, barrier):
        tails[0, SUSPICIOUS] = 1.0
        if not defers and not _all_finite(sums, model.parameters.shape[0]):
            tails[0, NON_FINITE] = 1.0


@jit
def _all_finite(sums, n_parameters):
    """Tell whether all values in the rows that were written are finite."""
    row = lowest = highest = sums.row
    for i in range(sums.merges.shape[0]):
        row += 1 - sums.merges[i]
        lowest, highest = min(lowest, row - 1), max(highest, row)
    for i in range(lowest, highest):
        for at in range(n_parameters):
            if not math.isfinite(sums.partials[i, at]):
                return False
    return True


@jit
def _weight_sum(weights, rows):
    """Return the total weight of the samples of a micro-batch."""
    if weights.shape[0] == 0:
        return np.float64(rows.shape[0])
    total = 0.0
    for r in range(rows.shape[0]):
        total += np.float64(weights[rows[r]])
    return total
