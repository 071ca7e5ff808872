"""The machinery of a step: shared arrays, a team of threads, and the other ranks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.blocks import block_table, layer_groups
from ddp_mlp.core.kernels.parallel.words import RANK_STATUS
from ddp_mlp.core.kernels.step.arena import (
    ASK_STOP,
    AUGMENTATION_STREAM,
    DROPOUT_STREAM,
    LOSS_SUM,
    NON_FINITE,
    SAMPLE_SUM,
    STOP_REQUEST,
    WEIGHT_SUM,
)
from ddp_mlp.core.kernels.step.choices import GRADIENT, LEAVE, REDUCE, STEPS, UPDATE
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network
from ddp_mlp.core.sampling import stream_key
from ddp_mlp.core.sharding import AutoBool, plan_reduction
from ddp_mlp.core.update_rules import UpdateRules, keeps_gradient
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine.arena import Worker, bytes_to_come, make_arena
from ddp_mlp.engine.node_exchange import NodeUpdate, node_update
from ddp_mlp.engine.optimizer_shards import OptimizerShards
from ddp_mlp.engine.parameters import Vectors
from ddp_mlp.engine.shared_memory import sum_tables
from ddp_mlp.engine.update_tables import update_tables

#: Most steps that run without coming back to Python.
STEPS_AT_ONCE = 256

#: Least bytes of a group of layers that travels by itself.
GROUP_BYTES = 2**18


class StepReport(NamedTuple):
    """The findings of a step before its update.

    Attributes
    ----------
    loss_sum, n_samples, weight_sum
        Sums over its global batch. Losses and gradients are weighted by the weights of the
        samples, so `weight_sum` is what their means are divided by.
    grad_norm : float
        Norm of the mean gradient, that of the penalty included, before any clipping.
    is_finite : bool
    penalty : float
        Value of the penalty; 0 without one.
    layer_norms : tuple of float
        `grad_norm` of each weight by itself; empty unless asked for.
    stop_requested : bool
        Some rank has asked all of them to stop.
    """

    loss_sum: float
    n_samples: int
    grad_norm: float
    is_finite: bool
    penalty: float = 0.0
    layer_norms: tuple[float, ...] = ()
    weight_sum: float = 0.0
    stop_requested: bool = False


@dataclass
class Clock:
    """Seconds spent computing and communicating since the engine started."""

    compute_s: float = 0.0
    communicate_s: float = 0.0


class Engine:
    """Runs steps of one network on the resident rows of one rank.

    The ranks of a node, and their threads, are workers of one team on shared memory: they
    need MPI only to reach other nodes.

    Attributes
    ----------
    vectors : Vectors
    parameters : ndarray of shape (P,)
        The live parameter vector, shared by the node; the same on every node between runs.
    gradient_at : ndarray of shape (P,)
        Where gradients are taken: the same memory, or ahead of them, as with Nesterov's momentum.
    moments : ndarray of shape (n_moments, n)
        The optimiser's vectors, likewise; n is P, or the share of this node.
    gradient : ndarray of shape (P,)
        The mean gradient of the last step, if the optimiser is a line search.
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
        rules: UpdateRules = UpdateRules(),  # noqa: B008 - frozen
        augmentation: NDArray[np.float64] | None = None,
        sharding: AutoBool = False,
        overlap: AutoBool = False,
        dtype: str = "",
    ) -> None:
        """Collective. Allocate everything, and start the helper threads.

        Parameters
        ----------
        optimizer : str
            Its name in the catalog.
        micro_batches, threads, n_train, global_batch_size : int
            Parts of a global batch, threads of this rank, rows of an epoch and of a step.
        start, dtype
            First value of the parameters (P,), and the dtype of training, that of `start` if empty.
        rules : UpdateRules
        augmentation : ndarray of float64, optional
            Settings of `core.kernels.network.augmentation`.
        sharding, overlap : bool or "auto"
            Whether nodes share out the update, and whether single layers travel then.
        """
        plan = plan_reduction(micro_batches, [size * threads for size in comm.node_sizes], comm.node)
        self.clock = Clock()
        blocks = block_table(network.layout)
        groups = layer_groups(network.layout, blocks, GROUP_BYTES // start.itemsize)
        shares = OptimizerShards(blocks, comm, groups, sharding, start.itemsize)
        tables = sum_tables(comm, plan, shares, start)
        self.vectors = Vectors(comm, shares, optimizer, start)
        self.parameters, self.moments = self.vectors.parameters, self.vectors.moments
        self.gradient_at = self.vectors.gradient_at
        self.gradient = tables.top.sums[0, : len(start)]
        self.order = np.zeros(n_train, np.int64)
        updates = update_tables(
            comm, blocks, shares.own, optimizer, rules, n_workers=len(plan.runs), n_steps=STEPS_AT_ONCE
        )
        self._has_layer_norms = rules.layer_norms
        self._arena = make_arena(
            network, resident, comm, plan, tables, self.vectors, updates, order=self.order,
            augmentation=np.zeros(0) if augmentation is None else augmentation, dtype=dtype or start.dtype.name,
            threads=threads, global_batch_size=global_batch_size, n_steps=STEPS_AT_ONCE,
        )  # fmt: skip
        comm.check_room(bytes_to_come(self._arena, tables, keeps_gradient=keeps_gradient(optimizer, rules)))
        self._between = node_update(self._arena, comm, plan, shares, self.vectors, tables, overlap)
        comm.rank_status.watch_team(self._arena.rank_sync[RANK_STATUS:])
        comm.node_barrier()
        self._worker, *others = (Worker(self._arena, thread) for thread in range(threads))
        self._helpers = [threading.Thread(target=other.run, args=(0, 0), daemon=True) for other in others]
        for helper in self._helpers:
            helper.start()

    def draw_for(self, seed: int, epoch: int) -> None:
        """Let dropout and augmentation draw from the streams of an epoch."""
        self._arena.streams[DROPOUT_STREAM] = stream_key("dropout", seed, epoch)
        self._arena.streams[AUGMENTATION_STREAM] = stream_key("augmentation", seed, epoch)

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
        with np.errstate(over="ignore"):  # beyond the dtype they are infinite, and so is the step, which is noticed
            arena.coefficients[:n, : len(coefficients[0])] = coefficients[:n]
        started = perf_counter()
        if self._between is None:
            self._worker.run(STEPS, 0, n)
        else:
            self._step_by_step(self._between, n)
        self.clock.compute_s += perf_counter() - started
        return self._reports(n)

    def _step_by_step(self, between: NodeUpdate, n_steps: int) -> None:
        """Collective. In each step: gradients, fold in the node, then its end between nodes."""
        before = between.communicate_s
        for step in range(n_steps):
            between.begin()
            self._worker.run(GRADIENT, step)
            self._worker.run(REDUCE, step)
            between.finish(step)
            if self._arena.reports[step, NON_FINITE]:
                break
        between.settle()
        self.clock.communicate_s += between.communicate_s - before
        self.clock.compute_s -= between.communicate_s - before

    def _reports(self, n: int) -> list[StepReport]:
        """Return the reports of steps, column by column, since a step may take less time than Python for a line."""
        arena, tails = self._arena, self._arena.reports[:n]
        is_finite = tails[:, NON_FINITE] == 0
        n = n if is_finite.all() else int(is_finite.argmin()) + 1
        columns = (
            tails[:, LOSS_SUM], tails[:, SAMPLE_SUM].astype(np.int64), arena.norms[:n], is_finite, arena.penalties[:n],
            arena.layer_norms[:n], tails[:, WEIGHT_SUM], tails[:, STOP_REQUEST] > 0,
        )  # fmt: skip
        found: list[Any] = [column[:n].tolist() for column in columns]
        found[5] = map(tuple, found[5]) if self._has_layer_norms else repeat((), n)
        return list(map(StepReport, *found))

    def repeat_update(self, times: int) -> None:
        """Apply the sums of the last run's first step again, to measure its cost; for one rank alone."""
        for _ in range(times):
            self._worker.run(UPDATE, 0)

    def request_stop(self) -> None:
        """Ask all ranks to stop: the request travels with the next step's sums."""
        self._arena.control[ASK_STOP] = 1

    def close(self) -> None:
        """Let the helper threads go."""
        if self._between:
            self._between.close()
        if self._helpers:
            self._worker.run(LEAVE, 0)
            for helper in self._helpers:
                helper.join()
