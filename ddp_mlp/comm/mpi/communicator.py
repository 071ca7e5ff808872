"""A world of MPI ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from ddp_mlp.comm.agreement import agreed
from ddp_mlp.comm.leftovers import unlink_shared_memory
from ddp_mlp.comm.liveness.leaving import THE_END, awaited_in
from ddp_mlp.comm.mpi.job import MpiJob
from ddp_mlp.comm.mpi.post import MpiPost
from ddp_mlp.comm.mpi.roll_call import MpiRollCall
from ddp_mlp.comm.mpi.transfer import MpiTransfer
from ddp_mlp.comm.shared_memory import check_room

if TYPE_CHECKING:
    from ddp_mlp.comm.protocol import Bytes, Communicator, Transfer


class MpiCommunicator:
    """Ranks that one launcher started together: all of them, or a group."""

    def __init__(self, job: MpiJob, ranks: MPI.Intracomm, node: MPI.Intracomm) -> None:
        """Collective. Meet the other `ranks`; `node` are those of them on this node."""
        self._job, self._world, self._node = job, ranks, node
        self._windows: list[MPI.Win] = []
        self.rank_status, self.is_concurrent = job.rank_status, job.is_concurrent
        with self.rank_status.waiting("the first meeting of all ranks"):
            self.rank, self.world_size = ranks.rank, ranks.size
            self.host = MPI.Get_processor_name()
            self.local_rank, self.local_size = node.rank, node.size
            self._leaders = ranks.Split(0 if self.local_rank == 0 else MPI.UNDEFINED, self.rank)
            self.node, self.node_sizes = self._number_nodes()
            self._hosts = self.share_text(self.host)
            self._roll_call = MpiRollCall(ranks, lambda: self.rank_status.waits_in) if self.is_concurrent else None
            self._be_watched()

    def _be_watched(self) -> None:
        """Let the watchdog ask the ranks of this communicator."""
        if self._roll_call:
            self._job.watchdog.ask_with(self._roll_call, self._hosts, self.rank)

    @contextmanager
    def group(self, number: int) -> Iterator[Communicator]:
        """Collective. Be in a world of the ranks that give the same number, while the block runs.

        A failure that is not theirs alone leaves the block as it is.
        """
        with self.rank_status.waiting("the parting into groups"):
            ranks = cast(MPI.Intracomm, self._world.Split(number, self.rank))
            node = cast(MPI.Intracomm, ranks.Split(self.node, self.rank))
        part = MpiCommunicator(self._job, ranks, node)
        try:
            yield part
        finally:
            self._be_watched()
        part.release_shared()

    def post(self) -> MpiPost:
        """Collective. Return messages between single ranks, for one thread of each."""
        with self.rank_status.waiting("the opening of the post"):
            return MpiPost(self._world.Dup())

    def guard(self, timeout_s: float, on_timeout: Callable[[str], None]) -> None:
        """Give up a collective that waits for `timeout_s` seconds; first call this with the reason."""
        self._job.watchdog.set_timeout(timeout_s, on_timeout)

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
        with self.rank_status.waiting("a barrier"):
            self._world.Barrier()

    def node_barrier(self) -> None:
        """Collective. Wait for the ranks of this node."""
        with self.rank_status.waiting("a barrier of the node"):
            self._node.Barrier()

    def broadcast(self, array: NDArray[Any]) -> None:
        """Collective. Overwrite `array`, contiguous, with that of rank 0."""
        with self.rank_status.waiting("a broadcast"):
            self._world.Bcast([array.reshape(-1).view(np.uint8), MPI.BYTE], root=0)

    def gather_rows(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective. Fill `table` so that every rank has the rows of all."""
        with self.rank_status.waiting("a gathering of rows"):
            _gather_rows(self._world, table, counts)

    def gather_rows_of_nodes(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective over local rank 0 of every node. Like `gather_rows`, node by node."""
        with self.rank_status.waiting("the sum of the gradients between nodes"):
            _gather_rows(self._leaders, table, counts)

    def plan_transfer(
        self, name: str, outgoing: Sequence[Sequence[NDArray[Any]]], incoming: Sequence[Sequence[NDArray[Any]]]
    ) -> Transfer:
        """Plan an exchange between the local ranks 0 of all nodes."""
        return MpiTransfer(self._leaders, self.rank_status, name, outgoing, incoming)

    def share_text(self, text: str) -> list[str]:
        """Collective. Return the texts of all ranks, in order of rank."""
        own = np.frombuffer(text.encode(), np.uint8)
        sizes = np.zeros(self.world_size, np.int64)
        sizes[self.rank] = len(own)
        with self.rank_status.waiting("an agreement of all ranks"):
            self._world.Allgather(MPI.IN_PLACE, sizes)
        stops = np.cumsum(sizes)
        everything = np.zeros(int(stops[-1]), np.uint8)
        everything[stops[self.rank] - len(own) : stops[self.rank]] = own
        with self.rank_status.waiting("an agreement of all ranks"):
            self._world.Allgatherv(MPI.IN_PLACE, [everything, sizes, stops - sizes, MPI.BYTE])
        return [everything[stop - size : stop].tobytes().decode() for size, stop in zip(sizes, stops, strict=True)]

    def node_shared(self, n_bytes: int, *, zeroed: bool = True) -> Bytes:
        """Collective. Return memory that all ranks of a node see, 64-byte aligned.

        Raises
        ------
        StorageError
            If memory that is to be zeroed, and so written, cannot be had; of Open MPI, which reserves it, any.
        """
        if zeroed or MPI.get_vendor()[0] == "Open MPI":
            self.check_room(n_bytes)
        size = n_bytes + 64 if self.local_rank == 0 else 0
        with self.rank_status.waiting("an allocation of shared memory"):
            window = MPI.Win.Allocate_shared(size, 1, comm=self._node)
        self._windows.append(window)
        buffer, _ = window.Shared_query(0)
        memory: Bytes = np.asarray(buffer).view(np.uint8)
        # Mapped at different addresses in each process, but at the same offset in a page.
        start = -memory.ctypes.data % 64
        memory = memory[start : start + n_bytes]
        if zeroed and self.local_rank == 0:
            memory[:] = 0
        self.node_barrier()
        return memory

    def check_room(self, n_bytes: int) -> None:
        """Collective. Raise StorageError if a node cannot hold so many bytes of what it shares and has yet to write."""
        with agreed(self):
            if self.local_rank == 0 and self.local_size > 1:
                check_room(n_bytes, self.host)

    def release_shared(self) -> None:
        """Collective. Free all memory of `node_shared`; nobody may touch it afterwards."""
        for window in self._windows:
            window.Free()
        self._windows.clear()

    def abort(self, exit_code: int) -> None:
        """End all ranks of the job at once; for a rank that fails alone."""
        self._job.abort(exit_code)

    def awaited(self) -> str:
        """Collective. Wait until all ranks are about to leave; say who waits for this rank elsewhere, if any do."""
        with self.rank_status.waiting(THE_END):
            return awaited_in(self._job.watchdog.ask, self.world_size - 1)

    def close(self) -> None:
        """Collective. Leave the world in order."""
        with self.rank_status.waiting(THE_END):
            self.release_shared()
            self._node.Free()
            self._world.Barrier()
            self._job.end()
        self._job.watchdog.stop()


def join(rank: int, world_size: int, *, timeout_s: float, ranks_per_node: int = 0) -> MpiCommunicator:
    """Collective. Start MPI and join the world.

    Parameters
    ----------
    rank, world_size : int
        As the launcher says, for messages until MPI is up.
    timeout_s : float
        Seconds that a collective may wait, at first.
    ranks_per_node : int
        0 for the nodes as they are; else pretend that they are of this size, to try
        on one machine what happens between several.
    """
    job = MpiJob(rank, world_size, timeout_s)
    with job.rank_status.waiting("the first meeting of all ranks"):
        node = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED, MPI.COMM_WORLD.rank)
        if ranks_per_node:
            node = node.Split(node.rank // ranks_per_node, MPI.COMM_WORLD.rank)
        world = MpiCommunicator(job, MPI.COMM_WORLD, cast(MPI.Intracomm, node))
    unlink_shared_memory()
    return world


def _gather_rows(comm: MPI.Comm, table: NDArray[Any], counts: Sequence[int]) -> None:
    row_bytes = table.strides[0]
    sizes = [count * row_bytes for count in counts]
    starts = list(accumulate(sizes, initial=0))[:-1]
    comm.Allgatherv(MPI.IN_PLACE, [table.view(np.uint8), sizes, starts, MPI.BYTE])
