"""Messages between single ranks, which neither side waits in."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

_TAG = 7


class MpiPost:
    """The post of a communicator of its own.

    Parameters
    ----------
    comm : MPI.Intracomm
        Used by nobody else, and by one thread of each rank.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self._comm = comm
        self._sent: list[tuple[MPI.Request, object]] = []  # messages live until they have gone

    def send(self, rank: int, text: str) -> None:
        """Send a text, and go on."""
        self._sent = [(request, message) for request, message in self._sent if not request.Test()]
        message = np.frombuffer(text.encode(), np.uint8)
        self._sent.append((self._comm.Isend([message, MPI.BYTE], rank, _TAG), message))

    def receive(self) -> tuple[int, str] | None:
        """Return a text that has come, and the rank that sent it; None if there is none."""
        status = MPI.Status()
        if not self._comm.Iprobe(MPI.ANY_SOURCE, _TAG, status):
            return None
        message = np.empty(status.Get_count(MPI.BYTE), np.uint8)
        self._comm.Recv([message, MPI.BYTE], status.source, _TAG)
        return status.source, message.tobytes().decode()

    def flush(self) -> None:
        """Wait until all that was sent has gone."""
        for request, _ in self._sent:
            request.Wait()
        self._sent.clear()
