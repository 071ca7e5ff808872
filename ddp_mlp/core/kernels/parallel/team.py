"""Workers that meet at barriers in shared memory, within compiled code.

The workers of a node are all threads of all its ranks. They run the same jitted code on
the same memory and meet by counting up int64 words, one to a cache line. Waiting spins
first, because the next phase is usually microseconds away, then yields the core, then
sleeps, so that workers that have nothing to do, or are more than there are cores, do not
burn them.
"""

from __future__ import annotations

from ddp_mlp.core.kernels.numba_ext.intrinsics import (
    atomic_add,
    atomic_load,
    atomic_store,
    cpu_relax,
    jit,
    sched_yield,
    usleep,
)
from ddp_mlp.core.kernels.parallel.words import ARRIVED, COMMAND, ENTERED, GENERATION, LEFT

_SPINS = 4_000
_YIELDS = 20_000
_SLEEP_US = 50


@jit
def _wait_while_equal(sync, word, value):
    for _ in range(_SPINS):
        if atomic_load(sync, word) != value:
            return
        cpu_relax()
    for _ in range(_YIELDS):
        if atomic_load(sync, word) != value:
            return
        sched_yield()
    while atomic_load(sync, word) == value:
        usleep(_SLEEP_US)


@jit
def barrier(sync, n_workers):
    """Wait until every worker of the node has arrived."""
    if n_workers == 1:
        return
    generation = atomic_load(sync, GENERATION)
    if atomic_add(sync, ARRIVED, 1) == n_workers - 1:
        atomic_store(sync, ARRIVED, 0)
        atomic_store(sync, GENERATION, generation + 1)
    else:
        _wait_while_equal(sync, GENERATION, generation)


@jit
def watched_barrier(node_sync, n_workers, rank_sync, is_leader):
    """Like `barrier`; thread 0 of a rank also leaves word of it for the watchdog."""
    if is_leader:
        rank_sync[ENTERED] += 1
    barrier(node_sync, n_workers)
    if is_leader:
        rank_sync[LEFT] += 1


@jit
def give_command(sync):
    """Let the helpers start on the phase that the leader has written down."""
    atomic_add(sync, COMMAND, 1)


@jit
def await_command(sync, last):
    """Wait for the command after number `last` and return its number."""
    _wait_while_equal(sync, COMMAND, last)
    return last + 1
