"""A first word between ranks: ``mpiexec -n 2 python -m ddp_mlp.comm.selftest``."""

from __future__ import annotations

import numpy as np

from ddp_mlp.comm.connect import connect
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.errors import LaunchError


def exchange(comm: Communicator) -> None:
    """Collective. Add up what every rank says, by messages and through shared memory.

    Raises
    ------
    LaunchError
        If a sum is wrong.
    """
    ranks = np.arange(comm.world_size)
    said = np.where(ranks == comm.rank, ranks + 1, 0)
    comm.gather_rows(said, [1] * comm.world_size)
    window = comm.node_shared(comm.local_size)
    window[comm.local_rank] = 1
    comm.node_barrier()
    n_on_node = int(window.sum())
    comm.node_barrier()
    comm.release_shared()
    if said.sum() != (ranks + 1).sum() or n_on_node != comm.local_size:
        raise LaunchError(
            f"{comm.world_size} ranks added up to {said.sum()} instead of {(ranks + 1).sum()}, "
            f"and {n_on_node} of {comm.local_size} met in shared memory"
        )


if __name__ == "__main__":
    with connect() as world:
        exchange(world)
        if world.rank == 0:
            print(f"{world.world_size} ranks agree")  # noqa: T201
