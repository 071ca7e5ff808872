"""A world of MPI ranks. Importing this module starts MPI."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast

import mpi4py
import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm.protocol import Bytes

mpi4py.rc.thread_level = "serialized"  # one thread at a time; full locking costs microseconds a step
mpi4py.rc.finalize = False  # `close` does it, in order; after a failure nobody may wait in it

from mpi4py import MPI  # noqa: E402


class MpiCommunicator:
    """The ranks that one launcher started together."""

    def __init__(self, ranks_per_node: int = 0) -> None:
        """Join the world.

        Parameters
        ----------
        ranks_per_node : int
            0 for the nodes as they are; else pretend that they are of this size, to try
            on one machine what happens between several.
        """
        self._world = MPI.COMM_WORLD
        self.rank = self._world.rank
        self.world_size = self._world.size
        self.host = MPI.Get_processor_name()
        node = self._world.Split_type(MPI.COMM_TYPE_SHARED, self.rank)
        if ranks_per_node:
            node = node.Split(node.rank // ranks_per_node, self.rank)
        self._node = cast(MPI.Intracomm, node)
        self.local_rank = self._node.rank
        self.local_size = self._node.size
        self._leaders = self._world.Split(0 if self.local_rank == 0 else MPI.UNDEFINED, self.rank)
        self._windows: list[MPI.Win] = []
        self.node, self.node_sizes = self._number_nodes()

    def _number_nodes(self) -> tuple[int, tuple[int, ...]]:
        """Collective. Return this node's number and the sizes of all, by their lowest ranks."""
        sizes = np.zeros(self.world_size, np.int64)
        if self.local_rank == 0:
            sizes[self.rank] = self.local_size
        self._world.Allreduce(MPI.IN_PLACE, sizes)
        leader = np.array(self.rank)
        self._node.Bcast(leader, root=0)
        return int(np.count_nonzero(sizes[: int(leader)])), tuple(sizes[sizes > 0].tolist())

    def barrier(self) -> None:
        """Collective. Wait for all ranks."""
        self._world.Barrier()

    def node_barrier(self) -> None:
        """Collective. Wait for the ranks of this node."""
        self._node.Barrier()

    def broadcast(self, array: NDArray[Any]) -> None:
        """Collective. Overwrite `array`, contiguous, with that of rank 0."""
        self._world.Bcast([array.reshape(-1).view(np.uint8), MPI.BYTE], root=0)

    def gather_rows(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective. Fill `table` so that every rank has the rows of all."""
        _gather_rows(self._world, table, counts)

    def gather_rows_of_nodes(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective over local rank 0 of every node. Like `gather_rows`, node by node."""
        _gather_rows(self._leaders, table, counts)

    def share_text(self, text: str) -> list[str]:
        """Collective. Return the texts of all ranks, in order of rank."""
        own = np.frombuffer(text.encode(), np.uint8)
        sizes = np.zeros(self.world_size, np.int64)
        sizes[self.rank] = len(own)
        self._world.Allgather(MPI.IN_PLACE, sizes)
        stops = np.cumsum(sizes)
        everything = np.zeros(int(stops[-1]), np.uint8)
        everything[stops[self.rank] - len(own) : stops[self.rank]] = own
        self._world.Allgatherv(MPI.IN_PLACE, [everything, sizes, stops - sizes, MPI.BYTE])
        return [everything[stop - size : stop].tobytes().decode() for size, stop in zip(sizes, stops, strict=True)]

    def node_shared(self, n_bytes: int) -> Bytes:
        """Collective. Return zeroed memory that all ranks of a node see, 64-byte aligned."""
        size = n_bytes + 64 if self.local_rank == 0 else 0
        window = MPI.Win.Allocate_shared(size, 1, comm=self._node)
        self._windows.append(window)
        buffer, _ = window.Shared_query(0)
        memory: Bytes = np.asarray(buffer).view(np.uint8)
        # Mapped at different addresses in each process, but at the same offset in a page.
        start = -memory.ctypes.data % 64
        memory = memory[start : start + n_bytes]
        if self.local_rank == 0:
            memory[:] = 0
        self._node.Barrier()
        return memory

    def release_shared(self) -> None:
        """Collective. Free all memory of `node_shared`; nobody may touch it afterwards."""
        for window in self._windows:
            window.Free()
        self._windows.clear()

    def abort(self, exit_code: int) -> None:
        """End all ranks at once; for a rank that fails alone."""
        self._world.Abort(exit_code)

    def close(self) -> None:
        """Collective. Leave the world in order."""
        self.release_shared()
        self._node.Free()
        MPI.Finalize()


def _gather_rows(comm: MPI.Comm, table: NDArray[Any], counts: Sequence[int]) -> None:
    row_bytes = table.strides[0]
    sizes = [count * row_bytes for count in counts]
    starts = list(accumulate(sizes, initial=0))[:-1]
    comm.Allgatherv(MPI.IN_PLACE, [table.view(np.uint8), sizes, starts, MPI.BYTE])
