"""The machinery of a step: shared arrays, a team of threads, and the other ranks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels import step as phases
from ddp_mlp.core.kernels.losses import LOSS_CODES
from ddp_mlp.core.kernels.network import LOSS_SUM, NON_FINITE, SAMPLE_SUM, STOP_REQUEST, TAIL_COLUMNS
from ddp_mlp.core.kernels.reduction import BLOCK, STACK_DEPTH
from ddp_mlp.core.kernels.team import SYNC_WORDS
from ddp_mlp.core.kernels.updates import COEFFICIENTS, UPDATE_CODES
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network, layer_table
from ddp_mlp.core.optimizers import OPTIMIZERS
from ddp_mlp.core.sharding import ReductionPlan, fair_bounds, plan_reduction
from ddp_mlp.data.resident import Resident

#: Most steps that run without coming back to Python.
STEPS_AT_ONCE = 256

_LINE = 64


@dataclass(frozen=True)
class StepReport:
    """What a step found: sums over its global batch, the norm of the mean gradient, and flags of any rank."""

    loss_sum: float
    n_samples: int
    grad_norm: float
    is_finite: bool
    stop_requested: bool


@dataclass
class Clock:
    """Seconds spent computing and communicating since the engine started."""

    compute_s: float = 0.0
    communicate_s: float = 0.0


@dataclass(frozen=True)
class SumTable:
    """Rows of one gradient vector and one tail each, in memory that a node shares.

    Attributes
    ----------
    rows : ndarray of uint8, shape (n_rows, stride)
        The whole memory: what travels between nodes.
    sums : ndarray of shape (n_rows, stride / itemsize)
        The same memory; the first P columns are the gradient sum.
    tails : ndarray of float64, shape (n_rows, TAIL_COLUMNS)
        The same memory, behind the gradient sum.
    """

    rows: NDArray[np.uint8]
    sums: Floats
    tails: NDArray[np.float64]


def _shared_table(comm: Communicator, n_rows: int, n_parameters: int, dtype: np.dtype[Any]) -> SumTable:
    """Collective. Allocate a table whose rows start on cache lines."""
    tail_at = -(-n_parameters * dtype.itemsize // _LINE) * _LINE
    stride = tail_at + TAIL_COLUMNS * 8
    rows = comm.node_shared(n_rows * stride).reshape(n_rows, stride)
    return SumTable(rows, rows.view(dtype), rows[:, tail_at:].view(np.float64))


def _shared_array(comm: Communicator, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Collective. Allocate zeros that all ranks of the node see."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return comm.node_shared(size).view(dtype).reshape(shape)


class Engine:
    """Runs steps of one network on the resident rows of one rank.

    The ranks of a node, and their threads, are workers of one team on shared memory: they
    need MPI only to reach other nodes.

    Attributes
    ----------
    parameters : ndarray of shape (P,)
        The live parameter vector, shared by the node; the same on every node between steps.
    moments : ndarray of shape (n_moments, P)
        The optimiser's vectors, likewise.
    order : ndarray of int64, shape (n_train,)
        Rows in the order of the current epoch; the caller fills it.
    clock : Clock
    """

    def __init__(
        self,
        network: Network,
        optimizer: str,
        resident: Resident,
        comm: Communicator,
        *,
        micro_batches: int,
        threads: int,
        n_train: int,
        global_batch_size: int,
        start: Floats,
    ) -> None:
        """Collective. Allocate everything, and start the helper threads.

        `start` (P,) is the first value of the parameters; its dtype is that of training.
        """
        plan = plan_reduction(micro_batches, [size * threads for size in comm.node_sizes], comm.node)
        self._comm = comm
        self._sums_of_node = plan.sums_of_node
        self.clock = Clock()
        n_top, first = sum(plan.sums_of_node), sum(plan.sums_of_node[: comm.node])
        n_own = len(plan.runs) * plan.depth
        # The rows in which this node works lie where its sums belong among those of all
        # nodes; the others' sums come when it is done with the rest of its rows.
        table = _shared_table(comm, max(n_top, first + n_own), len(start), start.dtype)
        self._top_rows = table.rows[:n_top]
        self.parameters = _shared_array(comm, start.shape, start.dtype)
        self.moments = _shared_array(comm, (len(OPTIMIZERS[optimizer].moments), len(start)), start.dtype)
        if comm.local_rank == 0:
            self.parameters[:] = start
        self.order = np.zeros(n_train, np.int64)
        self._arena = _make_arena(
            self, network, optimizer, resident, comm, plan, table, slice(first, first + n_own), threads,
            capacity=-(-global_batch_size // micro_batches),
        )  # fmt: skip
        comm.node_barrier()
        self._helpers = [
            threading.Thread(target=phases.work, args=(self._arena, thread, 0, 0, 0), daemon=True)
            for thread in range(1, threads)
        ]
        for helper in self._helpers:
            helper.start()

    def run(self, batches: Sequence[tuple[int, int]], coefficients: Sequence[Sequence[float]]) -> list[StepReport]:
        """Collective. Run up to `STEPS_AT_ONCE` steps and report each.

        Parameters
        ----------
        batches : sequence of (start, stop)
            Range of `order` that each step takes.
        coefficients : sequence of sequences of float
            Coefficients of the optimiser at each step.

        Returns
        -------
        list of StepReport
            One for each step. The last one is short of its update, and the list ends
            there, if a value in it was not finite; then `is_finite` is False.
        """
        arena, n = self._arena, len(batches)
        arena.batches[:n] = batches
        for row, values in zip(arena.coefficients, coefficients, strict=False):
            row[: len(values)] = values
        if len(self._sums_of_node) == 1:
            started = perf_counter()
            phases.work(arena, 0, phases.STEPS, 0, n)
            self.clock.compute_s += perf_counter() - started
        else:
            for step in range(n):
                self._step(step)
                if arena.reports[step, NON_FINITE]:
                    break
        return self._reports(n)

    def _step(self, step: int) -> None:
        """Collective. One step: gradients, fold in the node, then across nodes, update."""
        arena, clock = self._arena, self.clock
        started = perf_counter()
        phases.work(arena, 0, phases.GRADIENT, step, 1)
        phases.work(arena, 0, phases.REDUCE, step, 1)
        computed = perf_counter()
        if self._comm.local_rank == 0:
            self._comm.gather_rows_of_nodes(self._top_rows, self._sums_of_node)
        communicated = perf_counter()
        phases.work(arena, 0, phases.UPDATE, step, 1)
        clock.communicate_s += communicated - computed
        clock.compute_s += computed - started + perf_counter() - communicated

    def _reports(self, n: int) -> list[StepReport]:
        reports = []
        for tail, norm in zip(self._arena.reports[:n].tolist(), self._arena.norms[:n].tolist(), strict=True):
            is_finite = tail[NON_FINITE] == 0
            stop_requested = tail[STOP_REQUEST] > 0
            reports.append(StepReport(tail[LOSS_SUM], int(tail[SAMPLE_SUM]), norm, is_finite, stop_requested))
            if not is_finite:
                break
        return reports

    def request_stop(self) -> None:
        """Ask all ranks to stop: the request travels with the next step's sums."""
        self._arena.control[phases.STOP] = 1

    def close(self) -> None:
        """Let the helper threads go."""
        if self._helpers:
            phases.work(self._arena, 0, phases.LEAVE, 0, 0)
            for helper in self._helpers:
                helper.join()


def _make_arena(
    engine: Engine,
    network: Network,
    optimizer: str,
    resident: Resident,
    comm: Communicator,
    plan: ReductionPlan,
    table: SumTable,
    own: slice,
    threads: int,
    *,
    capacity: int,
) -> phases.Arena:
    """Collective. Lay out what the workers of this rank see."""
    layers = layer_table(network)
    dtype = engine.parameters.dtype
    n_workers = len(plan.runs)
    n_blocks = -(-len(engine.parameters) // BLOCK)
    alone = len(plan.sums_of_node) == 1  # then the workers' sums are all there is to fold
    top_rows, top_merges = (plan.rows, plan.merges) if alone else (range(sum(plan.sums_of_node)), plan.top_merges)
    choices = np.zeros(6, np.int64)
    choices[phases.LOSS] = LOSS_CODES[network.loss]
    choices[phases.OPTIMIZER] = UPDATE_CODES[optimizer]
    choices[phases.STORED] = resident.stored
    choices[phases.CAPACITY] = capacity
    choices[phases.MICRO_BATCHES] = len(plan.worker_merges)
    choices[phases.FIRST_WORKER] = comm.local_rank * threads
    return phases.Arena(
        node_sync=_shared_array(comm, (SYNC_WORDS,), np.int64),
        rank_sync=np.zeros(SYNC_WORDS, np.int64),
        control=np.zeros(4, np.int64),
        choices=choices,
        layers=layers.layers,
        delta_at=layers.delta_at,
        runs=np.array(plan.runs, np.int64),
        worker_merges=np.array(plan.worker_merges, np.int64),
        rows=np.array(plan.rows, np.int64),
        merges=np.array(plan.merges, np.int64),
        top_rows=np.array(top_rows, np.int64),
        top_merges=np.array(top_merges, np.int64),
        slices=np.array([fair_bounds(n_blocks, w, n_workers) for w in range(n_workers)], np.int64),
        features=resident.features,
        offset=resident.offset,
        scale=resident.scale,
        targets=resident.targets,
        order=engine.order,
        batches=np.zeros((STEPS_AT_ONCE, 2), np.int64),
        coefficients=np.zeros((STEPS_AT_ONCE, COEFFICIENTS), dtype),
        work=np.zeros((threads, capacity * layers.columns), dtype),
        stacks=np.zeros((threads, STACK_DEPTH, BLOCK), dtype),
        parameters=engine.parameters,
        moments=engine.moments,
        own=table.sums[own],
        own_tails=table.tails[own],
        top=table.sums,
        top_tails=table.tails,
        block_squares=_shared_array(comm, (n_blocks,), np.float64),
        reports=_shared_array(comm, (STEPS_AT_ONCE, TAIL_COLUMNS), np.float64),
        norms=_shared_array(comm, (STEPS_AT_ONCE,), np.float64),
    )
