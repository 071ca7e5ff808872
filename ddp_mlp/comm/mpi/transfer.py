"""Parts of memory on their way between nodes: an exchange that is planned once and runs at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from ddp_mlp.comm.liveness.rank_status import RankStatus

Parts = Sequence[NDArray[Any]]


class MpiTransfer:
    """One all-to-all between the local ranks 0 of all nodes, straight from memory to memory."""

    def __init__(
        self,
        leaders: MPI.Comm,
        rank_status: RankStatus,
        name: str,
        outgoing: Sequence[Parts],
        incoming: Sequence[Parts],
    ) -> None:
        """`outgoing` and `incoming` are, for each node, contiguous arrays that go there and that come from there."""
        self._leaders = leaders
        self._rank_status = rank_status
        self._name = name
        self._memory = (outgoing, incoming)  # kept alive: MPI knows their addresses only
        self._request = MPI.REQUEST_NULL
        self._sent, self._received = _message(outgoing), _message(incoming)

    def run(self) -> None:
        """Collective over local rank 0 of every node. Move everything."""
        with self._rank_status.waiting(self._name):
            self._leaders.Alltoallw(self._sent, self._received)

    def start(self) -> None:
        """Collective. Begin to move everything; it goes on while `is_done` is asked."""
        self._request = self._leaders.Ialltoallw(self._sent, self._received)

    def is_done(self) -> bool:
        """Move messages on as far as possible, and tell whether all have arrived."""
        return bool(self._request.Test())

    def free(self) -> None:
        """Forget the plan."""
        for message in (self._sent, self._received):
            for kind in message[3]:
                if kind is not MPI.BYTE:
                    kind.Free()


def _message(parts_of_node: Sequence[Parts]) -> list[Any]:
    kinds = [_kind(parts) for parts in parts_of_node]
    counts = [int(any(part.size for part in parts)) for parts in parts_of_node]
    return [MPI.BOTTOM, counts, [0] * len(counts), kinds]


def _kind(parts: Parts) -> MPI.Datatype:
    """Return a datatype of absolute addresses."""
    filled = [part for part in parts if part.size]
    if not filled:
        return MPI.BYTE
    assert all(part.flags.c_contiguous for part in filled)  # noqa: S101 - else neighbours would be overwritten
    sizes = [part.nbytes for part in filled]
    kind: MPI.Datatype = MPI.BYTE.Create_hindexed(sizes, [MPI.Get_address(np.asarray(part)) for part in filled])
    return kind.Commit()
