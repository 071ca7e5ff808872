"""A world of one rank, without MPI."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ddp_mlp.comm.liveness.rank_status import RankStatus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.comm.protocol import Bytes, Transfer


class _NoTransfer:
    """The exchange of a node with no other."""

    def run(self) -> None:
        """Return at once: there is nowhere to go."""

    def start(self) -> None:
        """Return at once: there is nowhere to go."""

    def is_done(self) -> bool:
        """Return True: all of no messages have arrived."""
        return True

    def free(self) -> None:
        """Return at once: there is no plan to free."""


class SingleProcess:
    """The communicator of a single process: every collective is already done."""

    rank = 0
    world_size = 1
    local_rank = 0
    local_size = 1
    node = 0
    node_sizes = (1,)
    is_concurrent = True

    def __init__(self) -> None:
        self.rank_status = RankStatus()

    @property
    def host(self) -> str:
        """Name of this machine."""
        return socket.gethostname()

    def guard(self, timeout_s: float, on_timeout: Callable[[str], None]) -> None:
        """Return at once: there is nobody to wait for."""

    def barrier(self) -> None:
        """Return at once: there is nobody to wait for."""

    def node_barrier(self) -> None:
        """Return at once: there is nobody to wait for."""

    def broadcast(self, array: NDArray[Any]) -> None:
        """Return at once: this is rank 0."""

    def gather_rows(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Return at once: all rows are this rank's."""

    def gather_rows_of_nodes(self, table: NDArray[Any], counts: Sequence[int]) -> None:
        """Return at once: all rows are this node's."""

    def plan_transfer(
        self,
        name: str,  # noqa: ARG002 - of the protocol
        outgoing: Sequence[Sequence[NDArray[Any]]],  # noqa: ARG002
        incoming: Sequence[Sequence[NDArray[Any]]],  # noqa: ARG002
    ) -> Transfer:
        """Return an empty plan: there is no other node."""
        return _NoTransfer()

    def share_text(self, text: str) -> list[str]:
        """Return the one text."""
        return [text]

    def node_shared(self, n_bytes: int, *, zeroed: bool = True) -> Bytes:
        """Return memory, 64-byte aligned."""
        import numpy as np

        memory = (np.zeros if zeroed else np.empty)(n_bytes + 64, np.uint8)
        start = -memory.ctypes.data % 64
        return memory[start : start + n_bytes]

    def check_room(self, n_bytes: int) -> None:
        """Return at once: this memory is that of any process."""

    def release_shared(self) -> None:
        """Return at once: memory goes with the last array that uses it."""

    def abort(self, exit_code: int) -> None:
        """End the process without clean-up."""
        os._exit(exit_code)

    def awaited(self) -> str:
        """Return at once: this process is alone."""
        return ""

    def close(self) -> None:
        """Return at once."""
