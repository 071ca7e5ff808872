"""The machinery of a step: shared arrays, a team of threads, and the other ranks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels import step as phases
from ddp_mlp.core.kernels.network import LOSS_SUM, NON_FINITE, SAMPLE_SUM, TAIL_COLUMNS
from ddp_mlp.core.kernels.reduction import BLOCK
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
    """What a step found: sums over its global batch, and the norm of the mean gradient."""

    loss_sum: float
    n_samples: int
    grad_norm: float
    is_finite: bool


@dataclass
class Clock:
    """Seconds spent computing and communicating since the engine started."""

    compute_s: float = 0.0
    communicate_s: float = 0.0


def _node_table(n_rows: int, n_parameters: int, dtype: str) -> tuple[NDArray[np.uint8], Floats, NDArray[np.float64]]:
    """Allocate rows of one gradient vector and one tail each.

    Returns
    -------
    rows : ndarray of uint8, shape (n_rows, stride)
        The whole memory: what travels between ranks.
    nodes : ndarray of `dtype`, shape (n_rows, stride / itemsize)
        The same memory; the first P columns are the gradient sum.
    tails : ndarray of float64, shape (n_rows, TAIL_COLUMNS)
        The same memory, behind the gradient sum.
    """
    tail_at = -(-n_parameters * np.dtype(dtype).itemsize // _LINE) * _LINE
    stride = tail_at + TAIL_COLUMNS * 8
    memory = np.zeros(n_rows * stride + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    rows = memory[start : start + n_rows * stride].reshape(n_rows, stride)
    return rows, rows.view(dtype), rows[:, tail_at:].view(np.float64)


class Engine:
    """Runs steps of one network on the resident rows of one rank.

    Attributes
    ----------
    parameters : ndarray of shape (P,)
        The live parameter vector; the same on every rank between steps.
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
        parameters: Floats,
    ) -> None:
        plan = plan_reduction(micro_batches, comm.rank, comm.world_size, threads)
        self._comm = comm
        self._threads = threads
        self._nodes_of_rank = plan.nodes_of_rank
        self.clock = Clock()
        n_top = sum(plan.nodes_of_rank)
        first = sum(plan.nodes_of_rank[: comm.rank])
        n_own = threads * plan.depth
        rows, top, tails = _node_table(max(n_top, first + n_own), len(parameters), parameters.dtype.name)
        # This rank's working rows lie where its nodes belong among those of all ranks; what
        # is left of them is overwritten by the others' nodes, which come when it is done.
        own = slice(first, first + n_own)
        self._top_rows = rows[:n_top]
        self.parameters = parameters
        self.moments = np.zeros((len(OPTIMIZERS[optimizer].moments), len(parameters)), parameters.dtype)
        self.order = np.zeros(n_train, np.int64)
        # With one rank the workers' nodes are all there is to fold.
        alone = comm.world_size == 1
        self._arena = _arena(
            network, optimizer, resident, plan, self,
            capacity=-(-global_batch_size // micro_batches),
            nodes=top[own], tails=tails[own],
            top=top, top_tails=tails,
            top_rows=plan.node_rows if alone else range(n_top),
            top_merges=plan.node_merges if alone else plan.top_merges,
        )  # fmt: skip
        self._helpers = [
            threading.Thread(target=phases.work, args=(self._arena, worker, 0, 0, 0), daemon=True)
            for worker in range(1, threads)
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
        if self._comm.world_size == 1:
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
        """Collective. One step: gradients, fold in the rank, then across ranks, update."""
        arena, clock = self._arena, self.clock
        started = perf_counter()
        phases.work(arena, 0, phases.GRADIENT, step, 1)
        if self._threads > 1:
            phases.work(arena, 0, phases.REDUCE, step, 1)
        computed = perf_counter()
        self._comm.gather_rows(self._top_rows, self._nodes_of_rank)
        communicated = perf_counter()
        phases.work(arena, 0, phases.UPDATE, step, 1)
        clock.communicate_s += communicated - computed
        clock.compute_s += computed - started + perf_counter() - communicated

    def _reports(self, n: int) -> list[StepReport]:
        reports = []
        for tail, norm in zip(self._arena.reports[:n].tolist(), self._arena.norms[:n].tolist(), strict=True):
            is_finite = tail[NON_FINITE] == 0
            reports.append(StepReport(tail[LOSS_SUM], int(tail[SAMPLE_SUM]), norm, is_finite))
            if not is_finite:
                break
        return reports

    def close(self) -> None:
        """Let the helper threads go."""
        if self._helpers:
            phases.work(self._arena, 0, phases.LEAVE, 0, 0)
            for helper in self._helpers:
                helper.join()


def _arena(
    network: Network,
    optimizer: str,
    resident: Resident,
    plan: ReductionPlan,
    engine: Engine,
    *,
    capacity: int,
    nodes: Floats,
    tails: NDArray[np.float64],
    top: Floats,
    top_tails: NDArray[np.float64],
    top_rows: Sequence[int],
    top_merges: Sequence[int],
) -> phases.Arena:
    from ddp_mlp.core.kernels.losses import LOSS_CODES

    table = layer_table(network)
    dtype = engine.parameters.dtype
    threads = len(plan.runs)
    n_blocks = -(-len(engine.parameters) // BLOCK)
    choices = (LOSS_CODES[network.loss], UPDATE_CODES[optimizer], resident.stored, capacity, len(plan.worker_merges))
    return phases.Arena(
        sync=np.zeros(SYNC_WORDS, np.int64),
        control=np.zeros(3, np.int64),
        choices=np.array(choices, np.int64),
        layers=table.layers,
        delta_at=table.delta_at,
        runs=np.array(plan.runs, np.int64),
        worker_merges=np.array(plan.worker_merges, np.int64),
        node_rows=np.array(plan.node_rows, np.int64),
        node_merges=np.array(plan.node_merges, np.int64),
        top_rows=np.array(top_rows, np.int64),
        top_merges=np.array(top_merges, np.int64),
        slices=np.array([fair_bounds(n_blocks, t, threads) for t in range(threads)], np.int64),
        features=resident.features,
        offset=resident.offset,
        scale=resident.scale,
        targets=resident.targets,
        order=engine.order,
        batches=np.zeros((STEPS_AT_ONCE, 2), np.int64),
        coefficients=np.zeros((STEPS_AT_ONCE, COEFFICIENTS), dtype),
        parameters=engine.parameters,
        moments=engine.moments,
        work=np.zeros((threads, capacity * table.columns), dtype),
        nodes=nodes,
        tails=tails,
        top=top,
        top_tails=top_tails,
        block_squares=np.zeros(n_blocks),
        reports=np.zeros((STEPS_AT_ONCE, TAIL_COLUMNS)),
        norms=np.zeros(STEPS_AT_ONCE),
    )
