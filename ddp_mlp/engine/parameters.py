"""The vectors that training changes, in memory that the ranks of a node share."""

from __future__ import annotations

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import Communicator
from ddp_mlp.comm.protocol import Transfer
from ddp_mlp.core.layout import Floats
from ddp_mlp.engine.optimizer_shards import OptimizerShards
from ddp_mlp.engine.shared_memory import shared_array


class Vectors:
    """Parameters and moments of one node.

    Attributes
    ----------
    parameters : ndarray of shape (P,)
    gradient_at : ndarray of shape (P,)
        Where gradients are taken: the same memory, or ahead of them, as with Nesterov's momentum.
    moments : ndarray of shape (n_moments, n)
        Of the n values that this node owns, see `OptimizerShards`.
    """

    def __init__(self, comm: Communicator, shares: OptimizerShards, optimizer: str, start: Floats) -> None:
        """Collective. `start` (P,) is the first value of the parameters; its dtype is that of training."""
        self._comm, self._shares = comm, shares
        self.parameters = shared_array(comm, start.shape, start.dtype)
        self.moments = shared_array(comm, (len(OPTIMIZERS[optimizer].moments), shares.n_values), start.dtype)
        looks_ahead = OPTIMIZERS[optimizer].looks_ahead_by is not None
        self.gradient_at = shared_array(comm, start.shape, start.dtype) if looks_ahead else self.parameters
        if comm.local_rank == 0:
            self.parameters[:] = self.gradient_at[:] = start
        comm.node_barrier()

    @property
    def looks_ahead(self) -> bool:
        """Whether gradients are taken elsewhere than at the parameters."""
        return self.gradient_at is not self.parameters

    def resume(self, moments: Floats, ahead: float) -> None:
        """Collective. Take over whole moments (n_moments, P), and look ahead by this much of the first of them.

        An optimiser that looks ahead takes gradients at ``theta + mu v``. The update has it done for
        every step but the first; these are the same two roundings.
        """
        if self._comm.local_rank == 0:
            self.moments[...] = self._shares.own_part(moments)
            if self.looks_ahead:
                self.gradient_at[:] = self.parameters + self.parameters.dtype.type(ahead) * moments[0]
        self._comm.node_barrier()

    def copy_moments(self) -> Floats | None:
        """Collective. Return a copy of the whole moments (n_moments, P) on rank 0, None elsewhere."""
        comm = self._comm
        if not self._shares.is_sharded:
            return self.moments.copy() if comm.rank == 0 else None
        if comm.local_rank != 0:
            return None
        shape = (len(self.moments), len(self.parameters))
        whole = np.zeros(shape if comm.rank == 0 else (shape[0], 0), self.moments.dtype)
        transfer = self._to_rank_0(whole)
        transfer.run()
        transfer.free()
        return whole if comm.rank == 0 else None

    def _to_rank_0(self, whole: Floats) -> Transfer:
        nodes = range(len(self._comm.node_sizes))
        outgoing = [list(self.moments) if node == 0 else [] for node in nodes]
        incoming = [
            [row[start:stop] for row in whole for start, stop in self._shares.ranges(node)]
            if self._comm.rank == 0
            else []
            for node in nodes
        ]
        return self._comm.plan_transfer("the gathering of the moments", outgoing, incoming)
