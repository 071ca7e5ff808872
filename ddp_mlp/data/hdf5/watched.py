"""A file as libhdf5 gets to see it: opened by us, read through us, and by nobody else.

h5py hands every read of libhdf5 to a Python object. So libhdf5 opens no file at all, each block of metadata can be
looked at before it is decoded, and all reads for one question are counted: a file of a few kilobytes can be made such
that one question reads the same megabytes again and again, for hours.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from ddp_mlp.data.hdf5.metadata_blocks import BlockChecks
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    #: Fills a buffer with what stands at a position, and returns how many bytes there were.
    Fill = Callable[[memoryview, int], int]

#: What a question to a file may read, and take in memory: so much, or so many times its size where that is more.
FLOOR_BYTES = 64 * 2**20
MOST_TIMES = 4
#: Bytes that the system is told of at a time: of a longer part it fetches no more than it reads ahead of itself.
_AHEAD_BYTES = 128 * 2**10


def most_bytes(size: int) -> int:
    """Return the bytes that a question to a file of this size may read, and take in memory."""
    return max(FLOOR_BYTES, MOST_TIMES * size)


class WatchedFile:
    """A file object for h5py that reads one file, within bounds.

    Attributes
    ----------
    where : str
        The file, for messages.
    size : int
        Bytes in the file when it was opened.
    """

    def __init__(self, where: str, size: int, fill: Fill) -> None:
        self.where = where
        self.size = size
        self._fill = fill
        self._at = 0
        self._left = 0
        self._blocks = BlockChecks(self.content, where)
        self._close: Callable[[], object] = lambda: None
        self._status: Callable[[], os.stat_result | None] = lambda: None
        self._advise: Callable[[int, int], object] = lambda *_: None

    @classmethod
    def of_descriptor(cls, descriptor: int, where: str) -> Self:
        """Watch an open file, which is closed with this object."""

        def fill(buffer: memoryview, at: int) -> int:
            return os.preadv(descriptor, [buffer], at)

        watched = cls(where, os.fstat(descriptor).st_size, fill)
        watched._close = weakref.finalize(watched, os.close, descriptor)
        watched._status = lambda: os.fstat(descriptor)
        watched._advise = lambda at, n_bytes: os.posix_fadvise(descriptor, at, n_bytes, os.POSIX_FADV_WILLNEED)
        return watched

    @classmethod
    def of_bytes(cls, content: bytes, where: str) -> Self:
        """Watch the content of a file that is in memory."""

        def fill(buffer: memoryview, at: int) -> int:
            part = content[at : at + len(buffer)]
            buffer[: len(part)] = part
            return len(part)

        return cls(where, len(content), fill)

    @property
    def most_bytes(self) -> int:
        """The bytes that one question may read, and take in memory."""
        return most_bytes(self.size)

    def addresses_from(self, base: int) -> None:
        """Take note where the addresses in the file count from: behind a user block, if there is one."""
        self._blocks = BlockChecks(self.content, self.where, base)

    def allow(self) -> None:
        """Begin a new question, for which `most_bytes` may be read."""
        self._left = self.most_bytes

    def identity(self) -> tuple[int, ...]:
        """Return device, number, length, and the times of change in nanoseconds; nothing for what is in memory."""
        status = self._status()
        if status is None:
            return ()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def copy(self, buffer: memoryview, at: int) -> None:
        """Fill a buffer with the bytes from a position on: numbers, which nobody has to look at.

        Raises
        ------
        DataError
            If the file ends before.
        """
        done = 0
        while done < len(buffer) and (got := self._fill(buffer[done:], at + done)):
            done += got
        if done < len(buffer):
            raise DataError(f"{self.where}: it points beyond its end; the file is damaged, write or fetch it again")

    def will_read(self, at: int, n_bytes: int) -> None:
        """Let the system fetch a part of the file while other work goes on."""
        end = min(at + n_bytes, self.size)
        with suppress(OSError):  # file systems that cannot are read when it comes to it
            for start in range(max(0, at), end, _AHEAD_BYTES):
                self._advise(start, min(_AHEAD_BYTES, end - start))

    def close(self) -> None:
        """Close the file."""
        self._close()

    def content(self, at: int, n_bytes: int) -> bytes:
        """Return the bytes of the file from a position on, fewer where it ends before."""
        n_bytes = max(0, min(n_bytes, self.size - at))
        self._take(n_bytes)
        if not n_bytes:
            return b""
        part = bytearray(n_bytes)
        return bytes(part[: self._fill(memoryview(part), at)])

    def _take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise DataError(
                f"{self.where}: the file makes its reader go over it again and again, more than {self.most_bytes} bytes"
                " for one answer; it is damaged or made to do harm, write it again"
            )

    # What h5py calls, for libhdf5.

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer from where the file stands, and look at what comes.

        Raises
        ------
        DataError
            If the file ends before, is read beyond all measure, or holds a block that libhdf5 cannot be given.
        """
        at, n_bytes = self._at, len(buffer)
        if at + n_bytes > self.size:
            raise DataError(f"{self.where}: it points beyond its end; the file is damaged, write or fetch it again")
        self._take(n_bytes)
        done = 0
        while done < n_bytes and (got := self._fill(memoryview(buffer)[done:], at + done)):
            done += got
        self._blocks.check(memoryview(buffer), at)
        self._at = at + done
        return done

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; h5py calls `readinto` instead."""
        part = self.content(self._at, self.size if size < 0 else size)
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def flush(self) -> None:
        """Return at once: this file is only read."""
