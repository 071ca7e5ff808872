"""A world of MPI ranks."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import mpi4py
import numpy as np
from numpy.typing import NDArray

from ddp_mlp.comm.agreement import agreed
from ddp_mlp.comm.leftovers import unlink_shared_memory
from ddp_mlp.comm.rank_status import RankStatus
from ddp_mlp.comm.shared_memory import check_room
from ddp_mlp.comm.watchdog import Watchdog

if TYPE_CHECKING:
    from ddp_mlp.comm.protocol import Bytes, Transfer

mpi4py.rc.initialize = False  # `MpiCommunicator` does it, under its watchdog
mpi4py.rc.finalize = False  # `close` does it, in order; after a failure nobody may wait in it

from mpi4py import MPI  # noqa: E402

from ddp_mlp.comm.roll_call import MpiRollCall  # noqa: E402
from ddp_mlp.comm.transfer import MpiTransfer  # noqa: E402

#: Launchers that are told to end a job may drop what its ranks have just said.
_LAST_WORDS_S = 0.2
#: After how many seconds the system ends a rank that MPI does not end.
_LAST_RESORT_S = 2


def _start_mpi() -> bool:
    """Collective. Start MPI; return whether a second thread may use it, as the watchdog does.

    mpi4py would hold the interpreter while it waits for ranks that do not come, and with it
    the watchdog; a call through ctypes does not.
    """
    if MPI.Is_initialized():  # by a script that uses mpi4py itself, which then ends it too
        MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)
        return MPI.Query_thread() == MPI.THREAD_MULTIPLE
    provided = ctypes.c_int()
    library = ctypes.CDLL(MPI.__file__)
    library.MPI_Init_thread(None, None, ctypes.c_int(MPI.THREAD_MULTIPLE), ctypes.byref(provided))
    MPI.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)  # mpi4py makes exceptions of them
    return provided.value == MPI.THREAD_MULTIPLE


def _end_mpi() -> None:
    """Collective. End MPI; as in `_start_mpi`, a rank that does not come does not hold up the watchdog."""
    ctypes.CDLL(MPI.__file__).MPI_Finalize()


class MpiCommunicator:
    """The ranks that one launcher started together."""

    def __init__(self, rank: int, world_size: int, *, timeout_s: float, ranks_per_node: int = 0) -> None:
        """Join the world.

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
        self._world = MPI.COMM_WORLD
        self._windows: list[MPI.Win] = []
        self._is_closing = False
        self.rank_status = RankStatus()
        self._watchdog = Watchdog(self.rank_status, rank, world_size, self.abort)
        self._watchdog.start(timeout_s)
        with self.rank_status.waiting("the start of MPI"):
            self.is_concurrent = _start_mpi()
        with self.rank_status.waiting("the first meeting of all ranks"):
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
            self.node, self.node_sizes = self._number_nodes()
            unlink_shared_memory()
            hosts = self.share_text(self.host)
            if self.is_concurrent:
                self._watchdog.ask_with(MpiRollCall(self._world, lambda: self.rank_status.waits_in), hosts)

    def guard(self, timeout_s: float, on_timeout: Callable[[str], None]) -> None:
        """Give up a collective that waits for `timeout_s` seconds; first call this with the reason."""
        self._watchdog.set_timeout(timeout_s, on_timeout)

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
        """End all ranks at once; for a rank that fails alone."""
        signal.alarm(_LAST_RESORT_S)
        time.sleep(_LAST_WORDS_S)
        self._watchdog.wake_launcher()
        if MPI.Is_initialized() and not self._is_closing:
            self._world.Abort(exit_code)
        os._exit(exit_code)  # the launcher ends the others

    def close(self) -> None:
        """Collective. Leave the world in order."""
        with self.rank_status.waiting("the end of all ranks"):
            self.release_shared()
            self._node.Free()
            self._world.Barrier()
            self._is_closing = True
            self._watchdog.part()
            _end_mpi()
        self._watchdog.stop()


def _gather_rows(comm: MPI.Comm, table: NDArray[Any], counts: Sequence[int]) -> None:
    row_bytes = table.strides[0]
    sizes = [count * row_bytes for count in counts]
    starts = list(accumulate(sizes, initial=0))[:-1]
    comm.Allgatherv(MPI.IN_PLACE, [table.view(np.uint8), sizes, starts, MPI.BYTE])
