"""Files that may be packed, read without becoming more than anybody could have meant.

A few kilobytes can be unpacked to terabytes. gzip packs no more than 1032 bytes into one, and
tables and images rarely more than 50, so what goes far beyond that is refused while it is read.
A packing is one entry of `_PACKINGS`; its first bytes tell, and names mean nothing.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typing_extensions import Buffer

#: Bytes that any packed file may become, and how many times its own size.
FLOOR_BYTES = 2**30
MOST_TIMES = 200

#: What damaged files raise while they are unpacked.
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_SHOWN = 5


def _open_zip(path: Path) -> Any:
    """Open the only file of an archive; folders and what macOS adds do not count."""
    archive = zipfile.ZipFile(path)
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith(("__MACOSX/", "."))]
    if len(members) != 1:
        names = ", ".join(m.filename for m in members[:_SHOWN]) or "nothing"
        raise DataError(f"{path}: holds {len(members)} files ({names}); unpack it and give those that you mean")
    return archive.open(members[0])


def _open_zstd(path: Path) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.open(path, "rb")


_PACKINGS: Mapping[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _open_zstd,
    b"PK\x03\x04": _open_zip,
}


class _Unpacked(io.RawIOBase):
    """The content of a packed file, up to a limit."""

    def __init__(self, path: Path, opener: Callable[[Path], Any]) -> None:
        self._path = path
        self._file = opener(path)
        self._most = unpacked_limit(path)
        self._n_bytes = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a buffer with what comes next."""
        view = memoryview(buffer).cast("B")
        # A damaged file gives what comes before the damage first.
        try:
            part = self._file.read1(len(view))
        except READ_ERRORS:
            raise
        except Exception as error:  # zstd's own, which is known only where zstd is
            raise OSError(str(error)) from error
        view[: len(part)] = part
        self._n_bytes += len(part)
        if self._n_bytes > self._most:
            raise DataError(
                f"{self._path}: unpacks to more than {self._most / 2**30:.3g} GiB, {MOST_TIMES} times its size or more;"
                " if you trust it, unpack it yourself and give that"
            )
        return len(part)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        io.RawIOBase.close(self)


def unpacked_limit(path: Path) -> int:
    """Return how many bytes a packed file may become."""
    return max(FLOOR_BYTES, MOST_TIMES * path.stat().st_size)


def _packing(path: Path) -> Callable[[Path], Any] | None:
    with path.open("rb") as file:
        start = file.read(max(map(len, _PACKINGS)))
    return next((opener for signature, opener in _PACKINGS.items() if start.startswith(signature)), None)


def is_packed(path: Path) -> bool:
    """Tell whether a file begins as packed files do."""
    return _packing(path) is not None


def open_unpacked(path: Path) -> BinaryIO:
    """Open a plain or packed file for reading what it holds.

    Reading it raises DataError once a packed one becomes more than `unpacked_limit`, and one of
    `READ_ERRORS` where it is damaged.
    """
    opener = _packing(path)
    return path.open("rb") if opener is None else cast("BinaryIO", io.BufferedReader(_Unpacked(path, opener)))
