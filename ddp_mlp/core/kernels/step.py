"""The phases of a training step, run by every worker of a node.

GRADIENT: each worker computes its micro-batches and folds them as far as its own run of
them reaches. REDUCE: the workers of the node fold each other's sums, each in a slice of
the vector. UPDATE: fold the sums of all nodes and apply the optimiser, each worker to its
slice, all in one or in parts. STEPS: whole steps without coming back to Python, for a node that needs no other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.augmentation import augment
from ddp_mlp.core.kernels.intrinsics import entry_point, inlined, jit
from ddp_mlp.core.kernels.meeting import Meeting
from ddp_mlp.core.kernels.network import (
    NON_FINITE,
    STOP_REQUEST,
    differentiate,
    forward,
    gather,
    has_shared_weights,
)
from ddp_mlp.core.kernels.reduction import STACK_DEPTH, copy, fold_in_place, fold_tails, merge
from ddp_mlp.core.kernels.team import AT_STEP, await_command, give_command, watched_barrier
from ddp_mlp.core.kernels.updating import ALL, FOLD, REPORT, START, STOP, report_norms, update_slice

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

GRADIENT, REDUCE, UPDATE, STEPS, LEAVE = range(5)

#: Fields of `Arena.control`.
PHASE, STEP, N_STEPS, ASK_STOP, PART = range(5)


#: Fields of `Arena.streams`.
DROPOUT_STREAM, AUGMENTATION_STREAM = range(2)

#: Fields of `Arena.choices`.
LOSS, STORED, CAPACITY, MICRO_BATCHES, FIRST_WORKER, BY_LAYERS = range(6)


class Arena(NamedTuple):
    """Everything that the workers of a rank see; fixed arrays, filled in place.

    P is the number of parameters, W of workers of the node, T of threads of the rank, M of
    micro-batches, R the dtype of training. "Shared" memory is one for all ranks of the node.
    """

    node_sync: Integers  # (SYNC_WORDS,) shared by the node
    rank_sync: Integers  # (SYNC_WORDS,) of this rank
    control: Integers  # (5,) what this rank does, see PHASE ..; ASK_STOP asks all ranks to stop, PART see `updating`
    choices: Integers  # (6,) see LOSS ..; BY_LAYERS is 1 where the workers of the node meet layer by layer
    layer_words: Integers  # (L * LAYER_WORDS,) see `meeting`, shared by the node
    layers: Integers  # (L, LAYER_COLUMNS)
    settings: Floats  # (L, 2) R, see `network`
    delta_at: Integers  # (2,)
    runs: Integers  # (W, 2) first and last micro-batch of each worker
    worker_merges: Integers  # (M,) pairs complete after each micro-batch, within its worker
    rows: Integers  # (n,) rows of `own` where the workers leave their sums
    merges: Integers  # (n,)
    top_rows: Integers  # (m,) rows of `top` that hold the sums of all nodes
    top_merges: Integers  # (m,)
    blocks: Integers  # (n_blocks, 5) of the vector, see START ..
    segments: Integers  # (n_segments, 2) first and last block of each weight and bias
    weights: Integers  # (n_weights,) which segments are weights
    slices: Integers  # (W, 2) blocks that each worker folds for its node
    owned: Integers  # (n_owned,) blocks that this node updates: all, or its share
    shares: Integers  # (W, 2) the part of `owned` that each worker updates
    update_choices: Integers  # (4,) see OPTIMIZER ..
    update_settings: NDArray[np.float64]  # (SETTINGS,) see CLIP_NORM ..
    features: NDArray[np.uint8]  # (N, bytes of a row)
    offset: Floats  # (F,) R
    scale: Floats  # (F,) R
    targets: Floats  # (N, T) R
    sample_weights: Floats  # (N,) R, or (0,) where every sample weighs 1
    smoothing: NDArray[np.float64]  # (1,) of labels
    augmentation: NDArray[np.float64]  # see `augmentation`; (0,) for none
    streams: NDArray[np.uint64]  # (2,) keys of this epoch, see DROPOUT_STREAM ..
    order: Integers  # (n_train,) rows in the order of this epoch
    batches: Integers  # (S, 2) range of `order` of each step
    coefficients: Floats  # (S, COEFFICIENTS) R
    work: Floats  # (T, capacity * columns) R
    stacks: Floats  # (T, STACK_DEPTH, BLOCK) R
    parameters: Floats  # (P,) R, shared
    gradient_at: Floats  # (P,) R, shared; where gradients are taken: `parameters` but for Nesterov
    moments: Floats  # (n_moments, values of the owned blocks) R, shared
    own: Floats  # (W * depth, stride) R, gradient sums of this node, shared
    own_tails: NDArray[np.float64]  # (W * depth, TAIL_COLUMNS), shared
    top: Floats  # (m or more, stride) R, gradient sums of all nodes in the owned blocks, shared
    top_tails: NDArray[np.float64]  # (m or more, TAIL_COLUMNS), shared
    figures: NDArray[np.float64]  # (4, n_blocks) see SQUARES .., shared
    reports: NDArray[np.float64]  # (S, TAIL_COLUMNS) folded tail of each step, shared
    norms: NDArray[np.float64]  # (S,) norm of the mean gradient of each step, shared
    layer_norms: NDArray[np.float64]  # (S, n_weights) that of each weight, shared
    penalties: NDArray[np.float64]  # (S,) shared


@inlined
def _meet(arena, worker):
    """Wait until every worker of the node has arrived."""
    is_leader = worker == arena.choices[FIRST_WORKER]
    watched_barrier(arena.node_sync, arena.runs.shape[0], arena.rank_sync, is_leader)


@jit
def _edges(batch, micro_batches, first, last, capacity):
    """Return where micro-batches begin and end in the order, from `first` on: those that fit `capacity`.

    At least one is returned, also if it does not fit.
    """
    start, size = batch[0], batch[1] - batch[0]
    begin, count = start + size * first // micro_batches, 1
    while first + count < last and start + size * (first + count + 1) // micro_batches - begin <= capacity:
        count += 1
    edges = np.empty(count + 1, np.int64)
    for i in range(count + 1):
        edges[i] = start + size * (first + i) // micro_batches
    return edges


@inlined
def _gradient(arena, worker, step):
    """Compute this worker's micro-batches, some at a time; its nodes end on the first of its rows."""
    choices = arena.choices
    n_parameters = arena.parameters.shape[0]
    row = worker * (arena.own.shape[0] // arena.runs.shape[0])
    work = arena.work[worker - choices[FIRST_WORKER]]
    stack = arena.stacks[worker - choices[FIRST_WORKER]]
    is_tied = has_shared_weights(arena.layers)
    m, last = arena.runs[worker, 0], arena.runs[worker, 1]
    while m < last:
        edges = _edges(arena.batches[step], choices[MICRO_BATCHES], m, last, 0 if is_tied else choices[CAPACITY])
        merges = arena.worker_merges[m : m + edges.shape[0] - 1]
        m += merges.shape[0]
        first, stop = edges[0], edges[-1]
        edges -= first
        n_workers = arena.runs.shape[0] if choices[BY_LAYERS] != 0 and m == last else 0
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
        differentiate(
            arena.layers,
            arena.settings,
            choices[LOSS],
            arena.smoothing[0],
            arena.gradient_at,
            work,
            choices[CAPACITY],
            edges,
            arena.delta_at,
            arena.targets,
            arena.sample_weights,
            arena.order,
            first,
            arena.own,
            row,
            merges * 0 if is_tied else merges,
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


@inlined
def _reduce(arena, worker):
    """Fold the sums of this node's workers to its first rows, one slice a worker, where that is not done yet."""
    stack = arena.stacks[worker - arena.choices[FIRST_WORKER]]
    last = arena.slices[worker, 0 if arena.choices[BY_LAYERS] else 1]
    for block in range(arena.slices[worker, 0], last):
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        fold_in_place(arena.own, arena.rows, arena.merges, start, stop, stack)
    if worker == 0:
        fold_tails(arena.own_tails, arena.rows, arena.merges, arena.own_tails)


@inlined
def _report(arena, step):
    """Fold the tails of all nodes for the report of a step."""
    out = np.empty((STACK_DEPTH, arena.own_tails.shape[1]))
    fold_tails(arena.top_tails, arena.top_rows, arena.top_merges, out)
    copy(out[0], arena.reports[step])


@inlined
def _finite(arena):
    """Tell whether no rank met a value that is not finite."""
    for i in range(arena.top_rows.shape[0]):
        if arena.top_tails[arena.top_rows[i], NON_FINITE] != 0.0:
            return False
    return True


@inlined
def _apply(arena, worker, step):
    """Finish a step from the sums of all nodes, or do a part of it; return False, unapplied, if it is not finite.

    Every worker must have arrived at a barrier since what it needs was complete.
    """
    part = arena.control[PART]
    if worker == 0 and part in (ALL, FOLD):
        _report(arena, step)
    is_finite = _finite(arena)
    if is_finite:
        is_finite = update_slice(arena, worker, step, part, arena.stacks[worker - arena.choices[FIRST_WORKER]])
    if part == ALL:
        _meet(arena, worker)
    if worker == 0:
        if not is_finite:
            arena.reports[step, NON_FINITE] = 1.0
        elif part in (ALL, REPORT):
            report_norms(arena, step)
    return is_finite


@inlined
def _run(arena, worker):
    """Run the phase that this rank's leader has written down, and meet at its end."""
    phase, step = arena.control[PHASE], arena.control[STEP]
    is_leader = worker == arena.choices[FIRST_WORKER]
    # Each phase is called from one place, since compiling a call with an arena takes long.
    for i in range(arena.control[N_STEPS] if phase == STEPS else 1):
        if is_leader:
            arena.rank_sync[AT_STEP] = step + i
        if phase in (GRADIENT, STEPS):
            _gradient(arena, worker, step + i)
        if phase == REDUCE:
            _reduce(arena, worker)
        if phase in (UPDATE, STEPS):
            _meet(arena, worker)  # until the sums of other workers, or nodes, have come
            if not _apply(arena, worker, step + i):
                break
    _meet(arena, worker)


@entry_point
def work(arena, thread, phase, step, n_steps):
    """Run one phase as thread 0 of this rank, or as a helper every phase that thread 0 runs.

    Thread 0 returns when the whole node has finished the phase, a helper when the phase is
    LEAVE. One entry point, so that the kernels are compiled once.
    """
    if thread == 0:
        arena.control[PHASE] = phase
        arena.control[STEP] = step
        arena.control[N_STEPS] = n_steps
        give_command(arena.rank_sync)
    command = 0
    while True:
        if thread != 0:
            command = await_command(arena.rank_sync, command)
        if arena.control[PHASE] == LEAVE:
            return
        _run(arena, arena.choices[FIRST_WORKER] + thread)
        if thread == 0:
            return
