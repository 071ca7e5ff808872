"""The phases of a training step, run by every worker of a node.

GRADIENT: each worker computes its micro-batches and folds them as far as its own run of
them reaches. REDUCE: the workers of the node fold each other's sums, each in a slice of
the vector. UPDATE: fold the sums of all nodes and apply the optimiser, each worker to its
slice. STEPS: whole steps without coming back to Python, for a node that needs no other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.intrinsics import entry_point, jit, like
from ddp_mlp.core.kernels.network import (
    NON_FINITE,
    STOP_REQUEST,
    differentiate,
    forward,
    gather,
)
from ddp_mlp.core.kernels.reduction import (
    BLOCK,
    STACK_DEPTH,
    add_into,
    copy,
    fold_block,
    fold_tails,
    square_sum,
    sum_of,
)
from ddp_mlp.core.kernels.team import await_command, barrier, give_command
from ddp_mlp.core.kernels.updates import scale, update

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

GRADIENT, REDUCE, UPDATE, STEPS, LEAVE = range(5)

#: Fields of `Arena.control`.
PHASE, STEP, N_STEPS, STOP = range(4)


#: Fields of `Arena.choices`.
LOSS, OPTIMIZER, STORED, CAPACITY, MICRO_BATCHES, FIRST_WORKER = range(6)


class Arena(NamedTuple):
    """Everything that the workers of a rank see; fixed arrays, filled in place.

    P is the number of parameters, W of workers of the node, T of threads of the rank, M of
    micro-batches, R the dtype of training. "Shared" memory is one for all ranks of the node.
    """

    node_sync: Integers  # (SYNC_WORDS,) shared by the node
    rank_sync: Integers  # (SYNC_WORDS,) of this rank
    control: Integers  # (4,) what this rank does, see PHASE ..; STOP asks all ranks to stop
    choices: Integers  # (6,) see LOSS ..
    layers: Integers  # (L, LAYER_COLUMNS)
    delta_at: Integers  # (2,)
    runs: Integers  # (W, 2) first and last micro-batch of each worker
    worker_merges: Integers  # (M,) pairs complete after each micro-batch, within its worker
    rows: Integers  # (n,) rows of `own` where the workers leave their sums
    merges: Integers  # (n,)
    top_rows: Integers  # (m,) rows of `top` that hold the sums of all nodes
    top_merges: Integers  # (m,)
    slices: Integers  # (W, 2) blocks of the vector that each worker folds and updates
    features: NDArray[np.uint8]  # (N, bytes of a row)
    offset: Floats  # (F,) R
    scale: Floats  # (F,) R
    targets: Floats  # (N, T) R
    order: Integers  # (n_train,) rows in the order of this epoch
    batches: Integers  # (S, 2) range of `order` of each step
    coefficients: Floats  # (S, COEFFICIENTS) R
    work: Floats  # (T, capacity * columns) R
    stacks: Floats  # (T, STACK_DEPTH, BLOCK) R
    parameters: Floats  # (P,) R, shared
    moments: Floats  # (n_moments, P) R, shared
    own: Floats  # (W * depth, stride) R, gradient sums of this node, shared
    own_tails: NDArray[np.float64]  # (W * depth, TAIL_COLUMNS), shared
    top: Floats  # (m or more, stride) R, gradient sums of all nodes, shared
    top_tails: NDArray[np.float64]  # (m or more, TAIL_COLUMNS), shared
    block_squares: NDArray[np.float64]  # (n_blocks,) squares of the mean gradient, shared
    reports: NDArray[np.float64]  # (S, TAIL_COLUMNS) folded tail of each step, shared
    norms: NDArray[np.float64]  # (S,) norm of the mean gradient of each step, shared


@jit
def _gradient(arena, worker, step):
    """Compute this worker's micro-batches; its nodes end on the first of its rows."""
    choices = arena.choices
    n_parameters = arena.parameters.shape[0]
    start, stop = arena.batches[step, 0], arena.batches[step, 1]
    depth_limit = arena.own.shape[0] // arena.runs.shape[0]
    row = worker * depth_limit
    work = arena.work[worker - choices[FIRST_WORKER]]
    for m in range(arena.runs[worker, 0], arena.runs[worker, 1]):
        first = start + (stop - start) * m // choices[MICRO_BATCHES]
        last = start + (stop - start) * (m + 1) // choices[MICRO_BATCHES]
        gradient = arena.own[row, :n_parameters]
        gather(arena.features, choices[STORED], arena.offset, arena.scale, arena.order, first, last, work)
        forward(arena.layers, arena.parameters, work, choices[CAPACITY], last - first)
        differentiate(
            arena.layers,
            choices[LOSS],
            arena.parameters,
            work,
            choices[CAPACITY],
            last - first,
            arena.delta_at,
            arena.targets,
            arena.order,
            first,
            gradient,
            arena.own_tails[row],
        )
        arena.own_tails[row, STOP_REQUEST] = arena.control[STOP]
        row += 1
        for _ in range(arena.worker_merges[m]):
            add_into(arena.own[row - 2, :n_parameters], arena.own[row - 1, :n_parameters])
            add_into(arena.own_tails[row - 2], arena.own_tails[row - 1])
            row -= 1


@jit
def _reduce(arena, worker):
    """Fold the sums of this node's workers to its first rows, one slice a worker."""
    stack = arena.stacks[worker - arena.choices[FIRST_WORKER]]
    n_parameters = arena.parameters.shape[0]
    for start in range(arena.slices[worker, 0] * BLOCK, arena.slices[worker, 1] * BLOCK, BLOCK):
        stop = min(start + BLOCK, n_parameters)
        depth = fold_block(arena.own, arena.rows, arena.merges, start, stop, stack)
        for i in range(depth):
            copy(stack[i, : stop - start], arena.own[i, start:stop])
    if worker == 0:
        fold_tails(arena.own_tails, arena.rows, arena.merges, arena.own_tails)


@jit
def _update(arena, worker, step):
    """Fold the sums of all nodes and apply the optimiser to this worker's slice."""
    stack = arena.stacks[worker - arena.choices[FIRST_WORKER]]
    n_parameters = arena.parameters.shape[0]
    coefficients = arena.coefficients[step]
    reciprocal = like(stack, 1.0) / like(stack, arena.batches[step, 1] - arena.batches[step, 0])
    for block in range(arena.slices[worker, 0], arena.slices[worker, 1]):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, n_parameters)
        fold_block(arena.top, arena.top_rows, arena.top_merges, start, stop, stack)
        gradient = stack[0, : stop - start]
        scale(gradient, reciprocal)
        arena.block_squares[block] = square_sum(gradient, stack[STACK_DEPTH - 1])
        update(
            arena.choices[OPTIMIZER],
            arena.parameters[start:stop],
            gradient,
            arena.moments,
            start,
            coefficients,
        )


@jit
def _report(arena, step):
    """Fold the tails of all nodes for the report of a step."""
    out = np.empty((STACK_DEPTH, arena.own_tails.shape[1]))
    fold_tails(arena.top_tails, arena.top_rows, arena.top_merges, out)
    copy(out[0], arena.reports[step])


@jit
def _finite(arena):
    """Tell whether no rank met a value that is not finite."""
    for i in range(arena.top_rows.shape[0]):
        if arena.top_tails[arena.top_rows[i], NON_FINITE] != 0.0:
            return False
    return True


@jit
def _apply(arena, worker, step):
    """Finish a step from the sums of all nodes; return False, unapplied, if it is not finite.

    Every worker must have arrived at a barrier since the sums were complete.
    """
    if worker == 0:
        _report(arena, step)
    is_finite = _finite(arena)
    if is_finite:
        _update(arena, worker, step)
    barrier(arena.node_sync, arena.runs.shape[0])
    if worker == 0 and is_finite:
        arena.norms[step] = math.sqrt(sum_of(arena.block_squares))
    return is_finite


@jit
def _run(arena, worker):
    """Run the phase that this rank's leader has written down, and meet at its end."""
    phase, step = arena.control[PHASE], arena.control[STEP]
    n_workers = arena.runs.shape[0]
    if phase == GRADIENT:
        _gradient(arena, worker, step)
    elif phase == REDUCE:
        _reduce(arena, worker)
    elif phase == UPDATE:
        barrier(arena.node_sync, n_workers)  # until the sums of the other nodes have come
        _apply(arena, worker, step)
    elif phase == STEPS:
        for i in range(arena.control[N_STEPS]):
            _gradient(arena, worker, i)
            barrier(arena.node_sync, n_workers)
            if not _apply(arena, worker, i):
                break
    barrier(arena.node_sync, n_workers)


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
