"""Asking the other ranks where they stand, from a thread, while the main threads wait."""

from __future__ import annotations

import faulthandler
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from mpi4py import MPI

_WHO, _ANSWER, _STACK = 1, 2, 3
_BYTES = 256


class MpiRollCall:
    """A `watchdog.RollCall` over messages on a communicator of its own.

    Every rank must `serve` often; the thread that does is the only one to use it.

    Parameters
    ----------
    world : MPI.Intracomm
        Collective: it is duplicated.
    answer : callable
        Returns where this rank waits, or nothing.
    """

    def __init__(self, world: MPI.Intracomm, answer: Callable[[], str]) -> None:
        self._comm = world.Dup()
        self._answer = answer
        self._questions = 0
        self._answers: dict[int, str] = {}
        self._sent: list[tuple[MPI.Request, object]] = []  # messages live until they have gone

    def serve(self) -> None:
        """Answer the questions of other ranks."""
        status = MPI.Status()
        while self._comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG, status):
            self._receive(status.source, status.tag)
        self._sent = [(request, message) for request, message in self._sent if not request.Test()]

    def call(self, within_s: float) -> dict[int, str]:
        """Return where each other rank that answers in time waits; empty for one that is busy."""
        return self._ask(_WHO, [rank for rank in range(self._comm.size) if rank != self._comm.rank], within_s)

    def ask_stacks(self, ranks: Sequence[int], within_s: float) -> None:
        """Let ranks print the stacks of their threads; return when they have."""
        self._ask(_STACK, ranks, within_s)

    def _ask(self, question: int, ranks: Sequence[int], within_s: float) -> dict[int, str]:
        self._questions += 1
        self._answers.clear()
        for rank in ranks:
            self._send(rank, question, f"{self._questions}")
        until = time.monotonic() + within_s
        while len(self._answers) < len(ranks) and time.monotonic() < until:
            self.serve()
            time.sleep(0.01)
        return dict(self._answers)

    def _send(self, rank: int, tag: int, text: str) -> None:
        message = np.frombuffer(text.encode()[:_BYTES].ljust(_BYTES), np.uint8)
        self._sent.append((self._comm.Isend([message, MPI.BYTE], rank, tag), message))

    def _receive(self, source: int, tag: int) -> None:
        message = np.zeros(_BYTES, np.uint8)
        self._comm.Recv([message, MPI.BYTE], source, tag)
        number, _, text = message.tobytes().decode(errors="replace").rstrip().partition(" ")
        if tag == _ANSWER:
            if number == str(self._questions):
                self._answers[source] = text
            return
        if tag == _STACK:
            print(f"stacks of rank {self._comm.rank}:", file=sys.stderr, flush=True)  # noqa: T201
            faulthandler.dump_traceback(sys.stderr)
        self._send(source, _ANSWER, f"{number} {self._answer()}")
