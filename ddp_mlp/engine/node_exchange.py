"""The end of a step between nodes: their sums meet, and the optimiser is applied.

Either every node gets all sums and updates everything. Or the work is shared out: a node
gets the sums of its own blocks (a reduce-scatter, in the order of the tree), keeps the
moments of these alone, updates them, and hands their new values to the others (an
all-gather). The additions are the same, so are the bits.
"""

from __future__ import annotations

from typing import Protocol

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.step.arena import Arena
from ddp_mlp.core.kernels.step.choices import UPDATE
from ddp_mlp.core.sharding import AutoBool, ReductionPlan
from ddp_mlp.engine.arena import Worker
from ddp_mlp.engine.optimizer_shards import OptimizerShards
from ddp_mlp.engine.parameters import Vectors
from ddp_mlp.engine.sharded_update import ShardedUpdate, Timed
from ddp_mlp.engine.shared_memory import SumTable, SumTables


class NodeUpdate(Protocol):
    """The end of a step, once the workers of every node have folded their sums.

    Attributes
    ----------
    communicate_s : float
        Seconds spent in exchanges.
    """

    communicate_s: float

    def begin(self) -> None:
        """Collective. Get ready for the sums of a step."""

    def finish(self, step: int) -> None:
        """Collective. Update the parameters, or report that they must not be."""

    def settle(self) -> None:
        """Collective. Have the parameters whole on every node, for what comes between steps."""

    def close(self) -> None:
        """Free the transfers that were planned."""


def node_update(
    arena: Arena,
    comm: Communicator,
    plan: ReductionPlan,
    shares: OptimizerShards,
    vectors: Vectors,
    tables: SumTables,
    overlap: AutoBool,
) -> NodeUpdate | None:
    """Return the end of a step between nodes; None for a node that is alone.

    Parameters
    ----------
    plan : ReductionPlan
        Who computes and folds what.
    shares : OptimizerShards
        Who updates what.
    tables : SumTables
        Gradient sums of this node, and those of all nodes.
    overlap : bool or "auto"
        Whether layers travel by themselves.
    """
    if len(comm.node_sizes) == 1:
        return None
    if shares.is_sharded:
        return ShardedUpdate(arena, comm, plan, shares, vectors, tables, overlap)
    return ReplicatedUpdate(arena, comm, plan, tables.top)


class ReplicatedUpdate(Timed):
    """Every node gets all sums, and updates everything."""

    def __init__(self, arena: Arena, comm: Communicator, plan: ReductionPlan, top: SumTable) -> None:
        self._worker, self._comm = Worker(arena), comm
        self._counts = plan.sums_of_node
        self._rows = top.rows[: sum(plan.sums_of_node)]

    def begin(self) -> None:
        """Leave the sums until all are complete."""

    def finish(self, step: int) -> None:
        """Collective. Gather the sums and update."""
        if self._comm.local_rank == 0:
            with self._communicating():
                self._comm.gather_rows_of_nodes(self._rows, self._counts)
        self._worker.run(UPDATE, step)

    def settle(self) -> None:
        """Leave the parameters, which are whole."""

    def close(self) -> None:
        """Leave everything: there are no transfers to free."""
