"""A communicator that can be parted, and whose ranks can write to each other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from ddp_mlp.comm.protocol import Communicator


class Post(Protocol):
    """Sends texts to ranks and gets theirs; those of one rank come in order."""

    def send(self, rank: int, text: str) -> None:
        """Send a text, and go on."""

    def receive(self) -> tuple[int, str] | None:
        """Return a text that has come, and the rank that sent it; None if there is none."""

    def flush(self) -> None:
        """Wait until all that was sent has gone."""


class World(Communicator, Protocol):
    """The ranks of a launcher."""

    def group(self, number: int) -> AbstractContextManager[Communicator]:
        """Collective. Be in a world of the ranks that give the same number, while the block runs."""

    def post(self) -> Post:
        """Collective. Return messages between single ranks, for one thread of each."""
