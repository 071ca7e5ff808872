"""The phases of a training step, run by every worker of a team.

GRADIENT: each worker computes its micro-batches and folds them as far as its own run of
them reaches. REDUCE: the workers fold each other's nodes, each a slice of the vector.
UPDATE: fold what is left and apply the optimiser, each worker to its slice. STEPS: whole
steps without coming back to Python, for a rank that needs nobody else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.intrinsics import entry_point, jit, like
from ddp_mlp.core.kernels.network import (
    NON_FINITE,
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
PHASE, STEP, N_STEPS = range(3)


#: Fields of `Arena.choices`.
LOSS, OPTIMIZER, STORED, CAPACITY, MICRO_BATCHES = range(5)


class Arena(NamedTuple):
    """Everything that the workers of a rank share; fixed arrays, filled in place.

    P is the number of parameters, W of workers, M of micro-batches, R the dtype of training.
    """

    sync: Integers  # (SYNC_WORDS,)
    control: Integers  # (3,) what to do, see PHASE ..
    choices: Integers  # (5,) loss, optimiser, how features are stored, rows of capacity, M
    layers: Integers  # (L, LAYER_COLUMNS)
    delta_at: Integers  # (2,)
    runs: Integers  # (W, 2) first and last micro-batch of each worker
    worker_merges: Integers  # (M,) pairs complete after each micro-batch, within its worker
    node_rows: Integers  # (n,) rows of `nodes` that hold this rank's nodes after GRADIENT
    node_merges: Integers  # (n,)
    top_rows: Integers  # (m,) rows of `top` that hold the nodes of all ranks
    top_merges: Integers  # (m,)
    slices: Integers  # (W, 2) blocks of the vector that each worker folds and updates
    features: NDArray[np.uint8]  # (N, bytes of a row)
    offset: Floats  # (F,) R
    scale: Floats  # (F,) R
    targets: Floats  # (N, T) R
    order: Integers  # (n_train,) rows in the order of this epoch
    batches: Integers  # (S, 2) range of `order` of each step
    coefficients: Floats  # (S, COEFFICIENTS) R
    parameters: Floats  # (P,) R
    moments: Floats  # (n_moments, P) R
    work: Floats  # (W, capacity * columns) R
    nodes: Floats  # (W * depth, stride) R, the gradient sums of this rank
    tails: NDArray[np.float64]  # (W * depth, TAIL_COLUMNS)
    top: Floats  # (m, stride) R, gradient sums of all ranks; `nodes` itself on one rank
    top_tails: NDArray[np.float64]  # (m, TAIL_COLUMNS)
    block_squares: NDArray[np.float64]  # (n_blocks,) squares of the mean gradient
    reports: NDArray[np.float64]  # (S, TAIL_COLUMNS) folded tail of each step
    norms: NDArray[np.float64]  # (S,) norm of the mean gradient of each step




@jit
def _gradient(arena, worker, step):
    """Compute this worker's micro-batches; its nodes end on the first of its rows."""
    choices = arena.choices
    n_parameters = arena.parameters.shape[0]
    start, stop = arena.batches[step, 0], arena.batches[step, 1]
    depth_limit = arena.nodes.shape[0] // arena.runs.shape[0]
    row = worker * depth_limit
    work = arena.work[worker]
    for m in range(arena.runs[worker, 0], arena.runs[worker, 1]):
        first = start + (stop - start) * m // choices[MICRO_BATCHES]
        last = start + (stop - start) * (m + 1) // choices[MICRO_BATCHES]
        gradient = arena.nodes[row, :n_parameters]
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
            arena.tails[row],
        )
        row += 1
        for _ in range(arena.worker_merges[m]):
            add_into(arena.nodes[row - 2, :n_parameters], arena.nodes[row - 1, :n_parameters])
            add_into(arena.tails[row - 2], arena.tails[row - 1])
            row -= 1


@jit
def _reduce(arena, worker):
    """Fold the nodes of this rank's workers to its first rows, one slice a worker."""
    stack = np.empty((STACK_DEPTH, BLOCK), arena.parameters.dtype)
    n_parameters = arena.parameters.shape[0]
    for start in range(arena.slices[worker, 0] * BLOCK, arena.slices[worker, 1] * BLOCK, BLOCK):
        stop = min(start + BLOCK, n_parameters)
        depth = fold_block(arena.nodes, arena.node_rows, arena.node_merges, start, stop, stack)
        for i in range(depth):
            copy(stack[i, : stop - start], arena.nodes[i, start:stop])
    if worker == 0:
        fold_tails(arena.tails, arena.node_rows, arena.node_merges, arena.tails)


@jit
def _update(arena, worker, step):
    """Fold the nodes of all ranks and apply the optimiser to this worker's slice."""
    stack = np.empty((STACK_DEPTH, BLOCK), arena.parameters.dtype)
    n_parameters = arena.parameters.shape[0]
    coefficients = arena.coefficients[step]
    reciprocal = like(stack, 1.0) / like(stack, arena.batches[step, 1] - arena.batches[step, 0])
    for block in range(arena.slices[worker, 0], arena.slices[worker, 1]):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, n_parameters)
        fold_block(arena.top, arena.top_rows, arena.top_merges, start, stop, stack)
        gradient = stack[0, : stop - start]
        scale(gradient, reciprocal)
        arena.block_squares[block] = square_sum(gradient)
        update(
            arena.choices[OPTIMIZER],
            arena.parameters[start:stop],
            gradient,
            arena.moments[:, start:stop],
            coefficients,
        )


@jit
def _report(arena, step):
    out = np.empty((STACK_DEPTH, arena.tails.shape[1]))
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
def _steps(arena, worker):
    """Run whole steps; every worker stops before the update of a step that is not finite."""
    n_workers = arena.runs.shape[0]
    for step in range(arena.control[N_STEPS]):
        _gradient(arena, worker, step)
        barrier(arena.sync, n_workers)
        if worker == 0:
            _report(arena, step)
        if not _finite(arena):
            break
        _update(arena, worker, step)
        barrier(arena.sync, n_workers)
        if worker == 0:
            arena.norms[step] = math.sqrt(sum_of(arena.block_squares))


@jit
def _run(arena, worker):
    phase, step = arena.control[PHASE], arena.control[STEP]
    if phase == GRADIENT:
        _gradient(arena, worker, step)
    elif phase == REDUCE:
        _reduce(arena, worker)
    elif phase == UPDATE and _finite(arena):
        _update(arena, worker, step)
    elif phase == STEPS:
        _steps(arena, worker)
    barrier(arena.sync, arena.runs.shape[0])
    if worker == 0 and phase == UPDATE:
        _report(arena, step)
        arena.norms[step] = math.sqrt(sum_of(arena.block_squares))


@entry_point
def work(arena, worker, phase, step, n_steps):
    """Run one phase as worker 0, or every phase that worker 0 runs as a helper.

    Worker 0 returns when the whole team has finished the phase, a helper, in a thread of
    its own, when the phase is LEAVE. One entry point, so that the kernels are compiled once.
    """
    if worker == 0:
        arena.control[PHASE] = phase
        arena.control[STEP] = step
        arena.control[N_STEPS] = n_steps
        give_command(arena.sync)
    command = 0
    while True:
        if worker != 0:
            command = await_command(arena.sync, command)
        if arena.control[PHASE] == LEAVE:
            return
        _run(arena, worker)
        if worker == 0:
            return
