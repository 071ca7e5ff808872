"""A world whose ranks are threads of this process, on nodes of any sizes: quick, and no launcher is needed.

Kernels release the interpreter while they compute and wait, so the ranks of a node meet in them
as processes do. Memory of a node is one array, exchanges between nodes are copies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ddp_mlp.comm import SingleProcess
from ddp_mlp.comm.liveness.rank_status import RankStatus

Parts = Sequence[np.ndarray]
#: Gives so many bytes, zeroed or not.
Allocate = Callable[..., np.ndarray]


class World:
    """What all ranks see."""

    def __init__(self, node_sizes: Sequence[int], allocate: Allocate) -> None:
        self.node_sizes = tuple(node_sizes)
        self.allocate = allocate
        size = sum(node_sizes)
        self.board: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)
        self.node_barriers = [threading.Barrier(n) for n in node_sizes]
        self.leaders = threading.Barrier(len(node_sizes))
        self.mail: dict[tuple[int, int, int, int], bytes] = {}
        self.has_mail = threading.Condition()

    def break_up(self) -> None:
        """Let nobody wait for a rank that failed."""
        for barrier in (self.barrier, *self.node_barriers, self.leaders):
            barrier.abort()


class ThreadRank:
    """The communicator of one of the ranks."""

    is_concurrent = True
    host = "here"

    def __init__(self, world: World, rank: int) -> None:
        self._world, self.rank, self.world_size = world, rank, sum(world.node_sizes)
        self.node_sizes = world.node_sizes
        firsts = np.cumsum([0, *self.node_sizes]).tolist()
        self.node = next(node for node in range(len(self.node_sizes)) if rank < firsts[node + 1])
        self._first = firsts[self.node]
        self.local_rank, self.local_size = rank - self._first, self.node_sizes[self.node]
        self._firsts = firsts[:-1]
        self._n_transfers = 0
        self.rank_status = RankStatus()

    def guard(self, timeout_s: float, on_timeout: Callable[[str], None]) -> None:
        """Do nothing: the process as a whole has a deadline."""

    def barrier(self) -> None:
        self._world.barrier.wait()

    def node_barrier(self) -> None:
        self._world.node_barriers[self.node].wait()

    def _seen(self, mine: Any, barrier: threading.Barrier, look: Callable[[list[Any]], Any]) -> Any:
        """Pin something to the board, look at what others have pinned there, and leave together."""
        self._world.board[self.rank] = mine
        barrier.wait()
        found = look(self._world.board)
        barrier.wait()
        return found

    def broadcast(self, array: np.ndarray) -> None:
        def look(board: list[Any]) -> None:
            if self.rank:
                array[...] = board[0]

        self._seen(array, self._world.barrier, look)

    def gather_rows(self, table: np.ndarray, counts: Sequence[int]) -> None:
        self._gather(table, counts, self.rank, list(range(self.world_size)), self._world.barrier)

    def gather_rows_of_nodes(self, table: np.ndarray, counts: Sequence[int]) -> None:
        self._gather(table, counts, self.node, self._firsts, self._world.leaders)

    def _gather(
        self, table: np.ndarray, counts: Sequence[int], own: int, ranks: list[int], barrier: threading.Barrier
    ) -> None:
        stops = np.cumsum(counts).tolist()

        def look(board: list[Any]) -> None:
            for part, (stop, count) in enumerate(zip(stops, counts, strict=True)):
                if part != own:
                    table[stop - count : stop] = board[ranks[part]][stop - count : stop]

        self._seen(table, barrier, look)

    def plan_transfer(
        self,
        name: str,  # noqa: ARG002 - of the protocol
        outgoing: Sequence[Parts],
        incoming: Sequence[Parts],
    ) -> _Transfer:
        self._n_transfers += 1
        return _Transfer((self._world, self._n_transfers, self.node), outgoing, incoming)

    def share_text(self, text: str) -> list[str]:
        return self._seen(text, self._world.barrier, list)

    def check_room(self, n_bytes: int) -> None:
        """Threads share the memory of any process."""

    def node_shared(self, n_bytes: int, *, zeroed: bool = True) -> np.ndarray:
        mine = self._world.allocate(n_bytes, zeroed=zeroed) if self.local_rank == 0 else None
        return self._seen(mine, self._world.node_barriers[self.node], lambda board: board[self._first])

    def release_shared(self) -> None:
        """Do nothing: memory goes with the last array that uses it."""

    def abort(self, exit_code: int) -> None:  # noqa: ARG002 - of the protocol
        self._world.break_up()

    def awaited(self) -> str:
        return ""

    def close(self) -> None:
        """Do nothing."""


class _Transfer:
    """An exchange between nodes: letters of bytes, which the other side opens when all have come."""

    def __init__(self, place: tuple[World, int, int], outgoing: Sequence[Parts], incoming: Sequence[Parts]) -> None:
        """`place` is the world, the number of this plan there, and the node that makes it."""
        self._world, self._number, self._node = place
        self._outgoing, self._incoming = outgoing, incoming
        self._round = 0

    def start(self) -> None:
        self._round += 1
        with self._world.has_mail:
            for node, parts in enumerate(self._outgoing):
                letter = b"".join(part.tobytes() for part in parts)
                self._world.mail[self._number, self._round, self._node, node] = letter
            self._world.has_mail.notify_all()

    def is_done(self) -> bool:
        names = [(self._number, self._round, node, self._node) for node in range(len(self._incoming))]
        with self._world.has_mail:
            if not all(name in self._world.mail for name in names):
                return False
            letters = [self._world.mail.pop(name) for name in names]
        for letter, parts in zip(letters, self._incoming, strict=True):
            assert len(letter) == sum(part.nbytes for part in parts), "both sides of a transfer must be as long"
            at = 0
            for part in parts:
                part[...] = np.frombuffer(letter, part.dtype, part.size, at).reshape(part.shape)
                at += part.nbytes
        return True

    def run(self) -> None:
        self.start()
        while not self.is_done():
            with self._world.has_mail:
                if self._world.barrier.broken:
                    raise threading.BrokenBarrierError
                self._world.has_mail.wait(0.01)

    def free(self) -> None:
        """Do nothing: there is nothing to forget."""


def run_ranks(
    node_sizes: Sequence[int], work: Callable[[ThreadRank], Any], allocate: Allocate | None = None
) -> list[Any]:
    """Return what each rank returns; raise what the first of those that failed by themselves raised.

    Parameters
    ----------
    node_sizes : sequence of int
        Ranks of every node.
    work : callable
        Called with the communicator of each rank.
    allocate : callable
        Gives the memory of nodes; without one it is ordinary memory.

    Examples
    --------
    >>> run_ranks((2, 1), lambda comm: (comm.node, comm.local_rank))
    [(0, 0), (0, 1), (1, 0)]
    """
    world = World(node_sizes, allocate or SingleProcess().node_shared)
    found: list[Any] = [None] * sum(node_sizes)
    failures: list[BaseException] = []

    # While a file is opened, a process may take little memory, which a thread to be started wants too.
    all_there = threading.Barrier(len(found))

    def be(rank: int) -> None:
        all_there.wait()
        try:
            found[rank] = work(ThreadRank(world, rank))
        except BaseException as failure:
            failures.append(failure)
            world.break_up()

    threads = [threading.Thread(target=be, args=(rank,)) for rank in range(1, len(found))]
    for thread in threads:
        thread.start()
    be(0)
    for thread in threads:
        thread.join()
    own = [failure for failure in failures if not isinstance(failure, threading.BrokenBarrierError)]
    for failure in own or failures:
        raise failure
    return found
