"""Messages of two processes over a socket: lines of JSON."""

from __future__ import annotations

import json
import select
import socket
from contextlib import suppress
from typing import Any

#: A message between the desk and a group.
Message = dict[str, Any]
_AT_ONCE = 2**16


class SocketLine:
    """One end of the socket.

    Attributes
    ----------
    is_closed : bool
        Whether the other end is gone, and all that it sent was received.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.is_closed = False
        self._received = b""

    def send(self, message: Message) -> None:
        """Send a message; one to an end that is gone is lost, as `receive` will tell."""
        with suppress(BrokenPipeError, ConnectionError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Message | None:
        """Return a message that has come, if there is one."""
        while b"\n" not in self._received:
            if self.is_closed or not select.select([self.socket], [], [], 0)[0]:
                return None
            found = b""
            with suppress(ConnectionError):
                found = self.socket.recv(_AT_ONCE)
            self.is_closed = not found
            self._received += found
        line, self._received = self._received.split(b"\n", 1)
        return dict(json.loads(line))

    def wait(self) -> Message | None:
        """Return the next message; None if the other end is gone."""
        while not (message := self.receive()) and not self.is_closed:
            select.select([self.socket], [], [])
        return message
