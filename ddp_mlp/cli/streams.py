"""Standard streams that do not end a command: closed ones, readers that leave, full disks, names of any bytes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from typing_extensions import Buffer

#: The reader has left, or the terminal was hung up: nobody misses what comes.
_GONE = (errno.EPIPE, errno.EIO)


class Output(io.RawIOBase):
    """A descriptor to write to; after the first failure all is dropped.

    A run is worth more than the lines that tell of it.

    Attributes
    ----------
    failure : OSError or None
        Why somebody who still reads will miss something.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_lost = False
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, content: Buffer, /) -> int:
        """Write as much as the stream takes now; text that nobody can have counts as written."""
        view = memoryview(content).cast("B")
        while not self._is_lost:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:  # whoever shares the descriptor has asked for that
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._is_lost = True
                self.failure = None if error.errno in _GONE else error
        return len(view)


def open_streams() -> Output:
    """Make standard output and error forgiving, and return what is below standard output.

    Closed ones become /dev/null: else the next file that is opened takes the place, and the prints.
    Streams that somebody has put in their place stay.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    below = Output(1)
    if _is_on(1, sys.stdout):
        sys.stdout = _text(below, sys.stdout)
    if _is_on(2, sys.stderr):
        sys.stderr = _text(Output(2), sys.stderr)
    return below


def _is_on(descriptor: int, stream: TextIO | None) -> bool:
    """Tell whether a stream is the one that the interpreter has opened; it opens none where it was closed."""
    try:
        return stream is None or stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def _text(below: Output, former: TextIO | None) -> io.TextIOWrapper:
    with contextlib.suppress(OSError, ValueError):
        if former:
            former.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(below),
        encoding=former.encoding if former else "utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )
