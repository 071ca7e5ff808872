"""The communicator: all that the package may ask of the other ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # so that the command line starts without NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ddp_mlp.comm.liveness.rank_status import RankStatus

    Bytes = NDArray[np.uint8]


class Transfer(Protocol):
    """Parts of memory that move between nodes whenever it runs."""

    def run(self) -> None:
        """Collective over local rank 0 of every node. Move everything."""

    def start(self) -> None:
        """Collective. Begin to move everything; it goes on while `is_done` is asked."""

    def is_done(self) -> bool:
        """Move messages on as far as possible, and tell whether all have arrived."""

    def free(self) -> None:
        """Forget the plan."""


class Communicator(Protocol):
    """A world of ranks. Every method but `guard` and `abort` is collective."""

    @property
    def rank(self) -> int:
        """Number of this rank in the world."""

    @property
    def world_size(self) -> int:
        """Number of ranks."""

    @property
    def local_rank(self) -> int:
        """Number of this rank among those of its node."""

    @property
    def local_size(self) -> int:
        """Number of ranks on this node."""

    @property
    def node(self) -> int:
        """Number of this node."""

    @property
    def node_sizes(self) -> tuple[int, ...]:
        """Number of ranks of every node."""

    @property
    def host(self) -> str:
        """Name of this node."""

    @property
    def is_concurrent(self) -> bool:
        """Whether a second thread may use transfers."""

    @property
    def rank_status(self) -> RankStatus:
        """Where this rank stands, for its watchdog and for messages."""

    def guard(self, timeout_s: float, on_timeout: Callable[[str], None]) -> None:
        """Give up a collective that waits for `timeout_s` seconds, 0 for never.

        Parameters
        ----------
        on_timeout : callable
            Gets the reason just before the job is ended, on the rank that tells it.
        """

    def barrier(self) -> None:
        """Collective. Wait for all ranks."""

    def node_barrier(self) -> None:
        """Collective. Wait for the ranks of this node."""

    def broadcast(self, array: NDArray[Any]) -> None:
        """Collective. Overwrite `array`, contiguous, with that of rank 0."""

    def gather_rows(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective. Fill `table` (n, ...) so that every rank has the rows of all.

        Parameters
        ----------
        table : ndarray, C-contiguous
            Rank r owns ``counts[r]`` rows after those of the ranks before it. Its own
            rows are read where they lie, the others are overwritten.
        """

    def gather_rows_of_nodes(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Collective over local rank 0 of every node. Like `gather_rows`, node by node."""

    def plan_transfer(
        self, name: str, outgoing: Sequence[Sequence[NDArray[Any]]], incoming: Sequence[Sequence[NDArray[Any]]]
    ) -> Transfer:
        """Plan an exchange between the local ranks 0 of all nodes.

        Parameters
        ----------
        name : str
            What is exchanged, for messages.
        outgoing, incoming : sequence of sequence of ndarray
            For each node, contiguous arrays that go there, and that what comes from there
            is written to. What a node sends to another must be as long as what that awaits.
        """

    def share_text(self, text: str) -> list[str]:
        """Collective. Return the texts of all ranks, in order of rank."""

    def node_shared(self, n_bytes: int, *, zeroed: bool = True) -> Bytes:
        """Collective. Return memory that all ranks of a node see, 64-byte aligned.

        What is not `zeroed` holds anything until it is written. Its pages take no memory before,
        and then lie near the core that wrote them first.
        """

    def check_room(self, n_bytes: int) -> None:
        """Collective. Raise StorageError if a node cannot hold so many bytes of what it shares and has yet to write."""

    def release_shared(self) -> None:
        """Collective. Free all memory of `node_shared`; nobody may touch it afterwards."""

    def abort(self, exit_code: int) -> None:
        """End all ranks at once; for a rank that fails alone."""

    def awaited(self) -> str:
        """Collective. Wait until all ranks are about to leave; say who waits for this rank elsewhere, if any do."""

    def close(self) -> None:
        """Collective. Leave the world in order."""
