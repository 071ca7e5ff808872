"""Files that may be packed with gzip, read without becoming more than anybody could have meant.

A few kilobytes can be unpacked to terabytes. gzip packs no more than 1032 bytes into one, and
tables and images rarely more than 50, so what goes far beyond that is refused while it is read.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

#: Bytes that any packed file may become, and how many times its own size.
FLOOR_BYTES = 2**30
MOST_TIMES = 200
_SIGNATURE = b"\x1f\x8b"


class _Unpacked(io.RawIOBase):
    """The content of a gzip file, up to a limit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = gzip.open(path, "rb")  # noqa: SIM115 - closed with this object
        self._most = unpacked_limit(path)
        self._n_bytes = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer with what comes next."""
        view = memoryview(buffer).cast("B")
        # A damaged file gives what comes before the damage first.
        part = self._file.read1(len(view))
        view[: len(part)] = part
        self._n_bytes += len(part)
        if self._n_bytes > self._most:
            raise DataError(
                f"{self._path}: unpacks to more than {self._most / 2**30:.3g} GiB, {MOST_TIMES} times its size or more;"
                " if you trust it, unpack it yourself (gunzip) and give that"
            )
        return len(part)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        io.RawIOBase.close(self)


def unpacked_limit(path: Path) -> int:
    """Return how many bytes a packed file may become."""
    return max(FLOOR_BYTES, MOST_TIMES * path.stat().st_size)


def is_packed(path: Path) -> bool:
    """Tell whether a file begins as gzip files do."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def open_unpacked(path: Path) -> BinaryIO:
    """Open a plain or packed file for reading what it holds.

    Reading it raises DataError once a packed one becomes more than `unpacked_limit`.
    """
    return cast("BinaryIO", io.BufferedReader(_Unpacked(path))) if is_packed(path) else path.open("rb")
