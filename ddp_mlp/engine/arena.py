"""Laying out the arena of a rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.optimizers import COEFFICIENTS
from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.arrays import check_memory, write_table
from ddp_mlp.core.kernels.entry_points import work
from ddp_mlp.core.kernels.network.codes import LOSS_CODES
from ddp_mlp.core.kernels.parallel.words import BLOCK, LAYER_WORDS, STACK_DEPTH, SYNC_WORDS
from ddp_mlp.core.kernels.step import arena as fields
from ddp_mlp.core.kernels.step.arena import TAIL_COLUMNS, Arena
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.network import Network
from ddp_mlp.core.sharding import ReductionPlan, defers_weights, fold_intervals, rows_at_once
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine.parameters import Vectors
from ddp_mlp.engine.shared_memory import SumTables, private_array, shared_array


def bytes_to_come(arena: Arena, tables: SumTables, *, keeps_gradient: bool) -> int:
    """Return the bytes of shared memory that steps will be the first to write, on the node of this rank.

    Sums that are taken in the update are never there as a whole, but for the one that is kept.
    """
    if arena.choices[fields.DEFERS]:
        return int(arena.work.nbytes + keeps_gradient * tables.top.rows[0].nbytes)
    return tables.n_bytes


def make_arena(
    network: Network,
    resident: Resident,
    comm: Communicator,
    plan: ReductionPlan,
    tables: SumTables,
    vectors: Vectors,
    updates: dict[str, Any],
    *,
    order: NDArray[np.int64],
    augmentation: NDArray[np.float64],
    threads: int,
    global_batch_size: int,
    n_steps: int,
    dtype: str,
) -> Arena:
    """Collective. Lay out the arena: all arrays that the workers of this rank see.

    Parameters
    ----------
    plan : ReductionPlan
        Who computes and folds what, of this node.
    tables : SumTables
        Gradient sums of this node, and those of all nodes.
    updates : dict
        The fields of the update, see `update_tables`.
    order : ndarray of int64, shape (n_train,)
        Rows in the order of an epoch.
    augmentation : ndarray of float64
        Settings of `core.kernels.network.augmentation`; empty for none.
    n_steps : int
        Steps that run without coming back to Python, at most.
    dtype : str
        Of training, see `catalog.dtypes`.
    """
    layers, held = layer_table(network, training=True), vectors.parameters.dtype
    alone = len(plan.sums_of_node) == 1  # then the workers' sums are all there is to fold
    top_rows, top_merges = (plan.rows, plan.merges) if alone else (range(sum(plan.sums_of_node)), plan.top_merges)
    micro_batches, run = len(plan.worker_merges), max(stop - start for start, stop in plan.runs)
    capacity = rows_at_once(global_batch_size, micro_batches, run)
    all_merges = fold_intervals((m, m + 1) for m in range(micro_batches))[0]
    defers = (alone and network.can_defer) and defers_weights(
        global_batch_size, micro_batches, run, layers.columns, len(vectors.parameters)
    )
    choices = np.zeros(7, np.int64)
    choices[fields.LOSS], choices[fields.STORED] = LOSS_CODES[network.loss], resident.stored
    choices[fields.CAPACITY], choices[fields.MICRO_BATCHES] = capacity, micro_batches
    choices[fields.FIRST_WORKER], choices[fields.DEFERS] = comm.local_rank * threads, defers
    rows_of_work = len(plan.runs), capacity * layers.columns
    arena = Arena(
        table=np.zeros(0, np.int64),
        factors=np.zeros(0, DTYPES[dtype].factors),
        node_sync=shared_array(comm, (SYNC_WORDS,), np.int64),
        rank_sync=np.zeros(SYNC_WORDS, np.int64),
        control=np.zeros(5, np.int64),
        choices=choices,
        layer_words=shared_array(comm, (len(layers.layers) * LAYER_WORDS,), np.int64),
        layers=layers.layers,
        settings=layers.settings.astype(held),
        runs=np.array(plan.runs, np.int64),
        worker_merges=np.array(plan.worker_merges, np.int64),
        all_merges=np.array(all_merges, np.int64),
        rows=np.array(plan.rows, np.int64),
        merges=np.array(plan.merges, np.int64),
        top_rows=np.array(top_rows, np.int64),
        top_merges=np.array(top_merges, np.int64),
        features=resident.features,
        offset=resident.offset,
        scale=resident.scale,
        targets=resident.targets,
        sample_weights=np.zeros(0, held) if resident.weights is None else resident.weights,
        loss_settings=np.array([network.loss_param]),
        augmentation=augmentation,
        streams=np.zeros(2, np.uint64),
        order=order,
        batches=np.zeros((n_steps, 2), np.int64),
        coefficients=np.zeros((n_steps, COEFFICIENTS), held),
        # Memory of a rank alone comes in large pages; the rows of others are then never touched.
        work=shared_array(comm, rows_of_work, held, zeroed=False) if defers else private_array(rows_of_work, held),
        parts=private_array((threads, len(all_merges).bit_length(), layers.values_at_once), held),
        stacks=private_array((threads, STACK_DEPTH, BLOCK), held),
        parameters=vectors.parameters,
        gradient_at=vectors.gradient_at,
        moments=vectors.moments,
        own=tables.own.sums,
        own_tails=tables.own.tails,
        top=tables.top.sums,
        top_tails=tables.top.tails,
        reports=shared_array(comm, (n_steps, TAIL_COLUMNS), np.float64),
        **updates,
    )
    check_memory(arena, dtype)
    return arena._replace(table=write_table(arena))


#: Places of what `work` takes after the arena and the thread.
_PHASE, _STEP, _N_STEPS = 3, 4, 5


class Worker:
    """A thread of this rank that runs phases, see `core.kernels.step.phases.work`: thread 0, or one of its helpers."""

    def __init__(self, arena: Arena, thread: int = 0) -> None:
        self._arena = arena  # whose memory may not go before
        self._work = work.on(arena.table, arena.factors, thread, 0, 0, 0)

    def run(self, phase: int, step: int, n_steps: int = 1) -> None:
        """Run a phase of `n_steps` steps from `step` on; a helper runs all that thread 0 does."""
        self._work.replace_number(_PHASE, phase)
        self._work.replace_number(_STEP, step)
        self._work.replace_number(_N_STEPS, n_steps)
        self._work()
