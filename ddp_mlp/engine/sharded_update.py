"""The end of a step where nodes share out the update: sums scattered, own blocks updated, parameters gathered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.comm.protocol import Transfer
from ddp_mlp.core.kernels.step.arena import BY_LAYERS, NON_FINITE, PART, SUSPICIOUS, Arena
from ddp_mlp.core.kernels.step.choices import (
    FOLD,
    IN_PASSES,
    LIMIT,
    OF_PARAMETERS,
    REPORT,
    SCALES_LAYERS,
    TRUST,
    UPDATE,
)
from ddp_mlp.core.sharding import AutoBool, Interval, ReductionPlan
from ddp_mlp.engine.arena import Worker
from ddp_mlp.engine.optimizer_shards import OptimizerShards
from ddp_mlp.engine.overlap import LayerSender, OverlapChoice
from ddp_mlp.engine.parameters import Vectors
from ddp_mlp.engine.shared_memory import SumTable, SumTables

Parts = list[NDArray[Any]]


class Timed:
    """Adds up the seconds spent in exchanges."""

    communicate_s = 0.0

    @contextmanager
    def _communicating(self) -> Iterator[None]:
        started = perf_counter()
        yield
        self.communicate_s += perf_counter() - started


class ShardedUpdate(Timed):
    """Every node updates its share."""

    def __init__(
        self,
        arena: Arena,
        comm: Communicator,
        plan: ReductionPlan,
        shares: OptimizerShards,
        vectors: Vectors,
        tables: SumTables,
        overlap: AutoBool,
    ) -> None:
        self._arena, self._comm, self._plan, self._shares = arena, comm, plan, shares
        self._vectors, self._worker = vectors, Worker(arena)
        lengths, block_norms = arena.block_norms[OF_PARAMETERS:], arena.block_norms[:OF_PARAMETERS]
        everything = range(len(shares.own))
        self._sums = self._plan_sums(tables, everything, tails=True)
        self._tails = self._plan_sums(tables, (), tails=True)
        self._layers = [self._plan_sums(tables, (group,), tails=False) for group in everything]
        groups = list(zip(shares.layers, self._layers, strict=True))
        self._sender = LayerSender(arena.layer_words, groups) if comm.local_rank == 0 else None
        self._overlap = OverlapChoice(overlap if comm.is_concurrent else False)
        self._started, self._seconds = 0.0, list[float]()
        self._block_norms = self._to_all("the norm of the gradient between nodes", [], block_norms)
        self._lengths = self._to_all("the norms of the layers between nodes", [], lengths)
        self._news = self._to_all("the new parameters between nodes", [vectors.gradient_at], block_norms)
        self._parameters = self._to_all("the parameters between nodes", [vectors.parameters], block_norms[:0])

    def _plan_sums(self, tables: SumTables, groups: Collection[int], *, tails: bool) -> Transfer:
        """Plan how some groups of the sums get to the nodes that own them, and the tails to all."""
        shares, sums_of_node = self._shares, self._plan.sums_of_node

        def parts(table: SumTable, rows: range, ranges: Sequence[Interval]) -> Parts:
            columns = [slice(*ranges[group]) for group in groups]
            return [part for r in rows for part in (*(table.sums[r, c] for c in columns), *table.tails[r : r + tails])]

        def rows_of(node: int) -> range:
            return range(first := sum(sums_of_node[:node]), first + sums_of_node[node])

        nodes, own_rows = range(len(sums_of_node)), range(sums_of_node[self._comm.node])
        return self._comm.plan_transfer(
            "the sum of the gradients between nodes",
            [parts(tables.own, own_rows, shares.ranges(node)) for node in nodes],
            [parts(tables.top, rows_of(node), shares.places()) for node in nodes],
        )

    def _to_all(self, name: str, vectors: Sequence[NDArray[Any]], block_norms: NDArray[np.float64]) -> Transfer:
        """Plan how every node gets the others' parts of some vectors, and the norms of their blocks."""

        def parts(node: int) -> Parts:
            values = [vector[slice(*r)] for vector in vectors for r in self._shares.ranges(node)]
            return values + [row[slice(*r)] for row in block_norms for r in self._shares.blocks[node]]

        here, nodes = self._comm.node, range(len(self._comm.node_sizes))
        outgoing = [parts(here) if node != here else [] for node in nodes]
        return self._comm.plan_transfer(name, outgoing, [parts(node) if node != here else [] for node in nodes])

    def begin(self) -> None:
        """Collective. Let the layers travel as they become ready, if they do."""
        self._started = perf_counter()
        self._arena.choices[BY_LAYERS] = self._overlap.is_on
        if self._overlap.is_on and self._sender:
            self._sender.begin()

    def finish(self, step: int) -> None:
        """Collective. Scatter the sums, update the own share, gather the parameters."""
        choices = self._arena.update_choices
        if self._overlap.is_on and self._sender:
            with self._communicating(), self._comm.rank_status.waiting("the sum of the gradients between nodes"):
                self._sender.wait()
        if not self._do(self._tails if self._overlap.is_on else self._sums, FOLD, step):
            return
        if choices[IN_PASSES] or self._arena.reports[step, SUSPICIOUS]:
            if not self._do(self._block_norms, LIMIT, step):
                return
            if choices[SCALES_LAYERS]:
                self._do(self._lengths, TRUST, step)
        self._do(self._news, REPORT, step)
        if not self._overlap.is_decided:
            self._seconds.append(perf_counter() - self._started)

    def _do(self, transfer: Transfer, part: int, step: int) -> bool:
        """Exchange, then do a part of the update; return False if the step is not finite."""
        self._exchange(transfer)
        self._arena.control[PART] = part
        self._worker.run(UPDATE, step)
        return not self._arena.reports[step, NON_FINITE]

    def _exchange(self, transfer: Transfer) -> None:
        if self._comm.local_rank == 0:
            with self._communicating():
                transfer.run()

    def settle(self) -> None:
        """Collective. Gather the parameters, where steps exchange only the places that look ahead of them."""
        if self._vectors.looks_ahead:
            self._exchange(self._parameters)
            self._comm.node_barrier()
        if not self._overlap.is_decided and len(self._seconds) >= OverlapChoice.STEPS:
            step_s = np.array([median(self._seconds)])
            self._comm.broadcast(step_s)
            self._overlap.tried(float(step_s[0]))
            self._seconds.clear()

    def close(self) -> None:
        """Free the transfers that were planned."""
        if self._sender:
            self._sender.close()
        transfers = (
            self._sums,
            self._tails,
            *self._layers,
            self._block_norms,
            self._lengths,
            self._news,
            self._parameters,
        )
        for transfer in transfers:
            transfer.free()
