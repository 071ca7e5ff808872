"""The phases of a training step, run by every worker of a node.

GRADIENT: each worker computes its micro-batches and folds them as far as its own run of
them reaches. REDUCE: the workers of the node fold each other's sums, each in a slice of
the vector. UPDATE: fold the sums of all nodes and apply the optimiser, each worker to its
slice, all in one or in parts. STEPS: whole steps without coming back to Python, for a node that needs no other.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.arrays import Factors1, Integers1
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.parallel.team import await_command, give_command, watched_barrier
from ddp_mlp.core.kernels.parallel.tree import fold_in_place, fold_tails
from ddp_mlp.core.kernels.parallel.words import AT_STEP, STACK_DEPTH
from ddp_mlp.core.kernels.pointed import pointer_to
from ddp_mlp.core.kernels.step.arena import BY_LAYERS, FIRST_WORKER, N_STEPS, NON_FINITE, PART, PHASE, STEP, Arena
from ddp_mlp.core.kernels.step.choices import ALL, FOLD, GRADIENT, LEAVE, REDUCE, REPORT, START, STEPS, STOP, UPDATE
from ddp_mlp.core.kernels.step.gradient import gradient
from ddp_mlp.core.kernels.step.update import report_norms, update_slice
from ddp_mlp.core.kernels.vector_ops import copy

_arena_at = pointer_to(Arena)


@jit
def _meet(arena, worker):
    """Wait until every worker of the node has arrived."""
    is_leader = worker == arena.choices[FIRST_WORKER]
    watched_barrier(arena.node_sync, arena.runs.shape[0], arena.rank_sync, is_leader)


@jit
def _reduce(arena, worker):
    """Fold the sums of this node's workers to its first rows, one slice a worker, unless they did so layer by layer."""
    stack = arena.stacks[worker - arena.choices[FIRST_WORKER]]
    last = arena.slices[worker, 0 if arena.choices[BY_LAYERS] else 1]
    for block in range(arena.slices[worker, 0], last):
        start, stop = arena.blocks[block, START], arena.blocks[block, STOP]
        fold_in_place(arena.own, arena.rows, arena.merges, start, stop, stack)
    if worker == 0:
        fold_tails(arena.own_tails, arena.rows, arena.merges, arena.own_tails)


@jit
def _report(arena, step):
    """Fold the tails of all nodes for the report of a step."""
    out = np.empty((STACK_DEPTH, arena.own_tails.shape[1]))
    fold_tails(arena.top_tails, arena.top_rows, arena.top_merges, out)
    copy(out[0], arena.reports[step])


@jit
def _finite(arena):
    """Tell whether the losses and gradients of all ranks are finite."""
    for i in range(arena.top_rows.shape[0]):
        if arena.top_tails[arena.top_rows[i], NON_FINITE] != 0.0:
            return False
    return True


@jit
def _apply(arena, worker, step):
    """Finish a step from the sums of all nodes, or do a part of it; return whether it is finite, and so was applied.

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


@jit
def _run(arena, worker):
    """Run the phase that this rank's leader has written down, and meet at its end."""
    phase, step = arena.control[PHASE], arena.control[STEP]
    is_leader = worker == arena.choices[FIRST_WORKER]
    # Each phase is called from one place, since compiling a call with an arena takes long.
    for i in range(arena.control[N_STEPS] if phase == STEPS else 1):
        if is_leader:
            arena.rank_sync[AT_STEP] = step + i
        if phase in (GRADIENT, STEPS):
            gradient(arena, worker, step + i)
        if phase == REDUCE:
            _reduce(arena, worker)
        if phase in (UPDATE, STEPS):
            _meet(arena, worker)  # until the sums of other workers, or nodes, have come
            if not _apply(arena, worker, step + i):
                break
    _meet(arena, worker)


def work(table: Integers1, example: Factors1, thread: int, phase: int, step: int, n_steps: int):
    """Run one phase as thread 0 of this rank, or as a helper every phase that thread 0 runs.

    `table` is that of the arena, see `arrays.write_table`, and `example` its `factors`.
    Thread 0 returns when the whole node has finished the phase, a helper when the phase is
    LEAVE. One entry point, so that the kernels are compiled once.
    """
    arena = _arena_at(table, example)
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
