"""The gradient sums of a worker's micro-batches, some of which it takes through the layers together.

Rows do not touch each other but in the sums, so one product over the rows of many
micro-batches has the bits of many products, and costs less. Losses, and the sums of each
layer's gradient, are those of single micro-batches, added in the tree.
"""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.core.kernels.network.augmentation import augment
from ddp_mlp.core.kernels.network.layers import N_OUT, OUTPUT_AT, has_shared_weights
from ddp_mlp.core.kernels.network.losses import loss_and_delta
from ddp_mlp.core.kernels.network.passes import backward, forward, gather
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit
from ddp_mlp.core.kernels.parallel.layer_barrier import Meeting, hand_in_all
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER, count_fitting, edge, write_spans
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


@inlined
def gradient(arena, worker, step):
    """Compute this worker's micro-batches, some at a time; its nodes end on the first of its rows."""
    choices = arena.choices
    n_parameters = arena.parameters.shape[0]
    row = worker * (arena.own.shape[0] // arena.runs.shape[0])
    work = arena.work[worker]
    stack = arena.stacks[worker - choices[FIRST_WORKER]]
    is_tied = has_shared_weights(arena.layers)
    batch, micro_batches = arena.batches[step], choices[MICRO_BATCHES]
    m, last = arena.runs[worker, 0], arena.runs[worker, 1]
    while m < last:
        # A shared weight comes in two parts, so its pairs are added when both are there: one micro-batch at a time,
        # also where it is empty.
        n = 1 if is_tied else count_fitting(batch, micro_batches, m, last, choices[CAPACITY])
        spans, merges = np.empty((n, 3), np.int64), arena.worker_merges[m : m + n]
        write_spans(batch, micro_batches, worker, m, spans)
        first, stop = edge(batch, micro_batches, m), edge(batch, micro_batches, m + n)
        m += n
        meets = choices[BY_LAYERS] != 0 and m == last
        n_workers = arena.runs.shape[0] if meets and not is_tied else 0
        gather(arena.features, choices[STORED], arena.offset, arena.scale, arena.order, first, stop, work)
        if arena.augmentation.shape[0] > 0:
            key = arena.streams[AUGMENTATION_STREAM]
            augment(arena.augmentation, key, arena.order, first, stop - first, arena.offset.shape[0], work)
        forward(
            arena.layers,
            arena.settings,
            arena.gradient_at,
            work,
            choices[CAPACITY],
            stop - first,
            arena.streams[DROPOUT_STREAM],
            arena.order,
            first,
        )
        tails = np.empty((merges.shape[0], arena.own_tails.shape[1]))
        _differentiate(
            arena.layers,
            arena.settings,
            choices[LOSS],
            arena.smoothing[0],
            arena.gradient_at,
            arena.work,
            choices[CAPACITY],
            spans,
            arena.targets,
            arena.sample_weights,
            arena.order,
            first,
            arena.own,
            row,
            np.zeros(n, np.int64) if is_tied else merges,
            choices[DEFERS] != 0,
            Meeting(arena.layer_words, n_workers, arena.rows, arena.merges, stack),
            tails,
        )
        for i in range(merges.shape[0]):
            tails[i, STOP_REQUEST] = arena.control[ASK_STOP]
            copy(tails[i], arena.own_tails[row])
            merge(arena.own_tails, row, merges[i], 0, tails.shape[1])
            if is_tied:
                merge(arena.own, row, merges[i], 0, n_parameters)
            row += 1 - merges[i]
    if is_tied and choices[BY_LAYERS] != 0:
        meeting = Meeting(arena.layer_words, arena.runs.shape[0], arena.rows, arena.merges, stack)
        hand_in_all(arena.layers.shape[0], n_parameters, arena.own, meeting)


@jit
def _differentiate(
    layers,
    settings,
    loss,
    smoothing,
    parameters,
    works,
    capacity,
    spans,
    targets,
    weights,
    order,
    start,
    nodes,
    row,
    merges,
    defers,
    meeting,
    tails,
):
    """Turn the logits of forwarded micro-batches into their gradient sums, see `backward`, and ``tails[i]``."""
    last = layers.shape[0] - 1
    work, n_logits = works[spans[0, WORKER]], layers[last, N_OUT]
    at = capacity * layers[last, OUTPUT_AT]
    for i in range(merges.shape[0]):
        logits = work[at + spans[i, FROM] * n_logits : at + spans[i, TO] * n_logits]
        rows, tail = order[start + spans[i, FROM] : start + spans[i, TO]], tails[i]
        for column in range(tail.shape[0]):
            tail[column] = 0.0
        tail[LOSS_SUM] = loss_and_delta(loss, logits, n_logits, targets, rows, weights, smoothing)
        tail[SAMPLE_SUM] = rows.shape[0]
        tail[WEIGHT_SUM] = _weight_sum(weights, rows)
        if not math.isfinite(tail[LOSS_SUM]):
            tail[NON_FINITE] = 1.0
    if backward(layers, settings, parameters, works, capacity, spans, nodes, row, merges, defers, meeting):
        tails[0, SUSPICIOUS] = 1.0
        if not defers and not _all_finite(nodes, row, merges, parameters.shape[0]):
            tails[0, NON_FINITE] = 1.0


@jit
def _all_finite(nodes, row, merges, n_parameters):
    """Tell whether no value is infinite or NaN in the rows that were written."""
    lowest = highest = row
    for i in range(merges.shape[0]):
        row += 1 - merges[i]
        lowest, highest = min(lowest, row - 1), max(highest, row)
    for i in range(lowest, highest):
        for at in range(n_parameters):
            if not math.isfinite(nodes[i, at]):
                return False
    return True


@jit
def _weight_sum(weights, rows):
    """Return what the samples of a micro-batch weigh together."""
    if weights.shape[0] == 0:
        return np.float64(rows.shape[0])
    total = 0.0
    for r in range(rows.shape[0]):
        total += np.float64(weights[rows[r]])
    return total
