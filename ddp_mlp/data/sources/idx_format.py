"""The bytes of one IDX file: header and values, plain or packed with gzip.

An IDX file is two zero bytes, one byte for the type of the values, one for the number of
dimensions, each dimension as a big-endian uint32, then the values, big-endian, row by row.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database", section "File formats".
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.sources.packed import READ_ERRORS, is_packed, open_unpacked, unpacked_limit
from ddp_mlp.data.sources.source import BLOCK_ROWS
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_MAX_ITEM_BYTES = 2**30
#: Of a block of rows, unless a single one has more.
_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class IdxFile:
    """The header of an IDX file.

    Attributes
    ----------
    path : Path
        Plain or gzip file.
    dtype : numpy.dtype
        Type of the values, big-endian.
    shape : tuple of int
        Rows first.
    """

    path: Path
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def item_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """Yield the rows, shape (n, ...), native byte order, at most `BLOCK_ROWS` at a time.

        Raises
        ------
        DataError
            If the file has fewer or more values than its header says, or is damaged.
        """
        try:
            with open_unpacked(self.path) as file:
                file.read(4 + 4 * len(self.shape))
                block_rows = max(1, min(BLOCK_ROWS, _BLOCK_BYTES // self.item_bytes))
                for start in range(0, self.shape[0], block_rows):
                    n = min(block_rows, self.shape[0] - start)
                    yield self._decode(file.read(n * self.item_bytes), start, n)
                if file.read(1):
                    raise DataError(
                        f"{self.path}: more bytes than the {self.shape[0]} rows of its header; fetch it again"
                    )
        except READ_ERRORS as error:
            raise _damaged(self.path, error) from error

    def _decode(self, data: bytes, start: int, n: int) -> NDArray[np.generic]:
        if len(data) != n * self.item_bytes:
            raise DataError(
                f"{self.path}: ends in row {start + len(data) // self.item_bytes} of {self.shape[0]};"
                " the file is truncated, fetch it again"
            )
        values = np.frombuffer(data, self.dtype).reshape(n, *self.shape[1:])
        return values.astype(self.dtype.newbyteorder("="), copy=False)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: cannot be read ({error}); the file is damaged, fetch it again")


def is_idx(path: Path) -> bool:
    """Tell whether a file begins as an IDX file does."""
    try:
        with open_unpacked(path) as file:
            magic = file.read(4)
    except READ_ERRORS:
        return False
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in DTYPES and 1 <= magic[3] <= 4


def read_header(path: Path) -> IdxFile:
    """Read the header of an IDX file.

    Raises
    ------
    DataError
        If it is none, or declares no rows or rows of more than 1 GiB.
    """
    if not is_idx(path):
        raise DataError(f"{path}: not an IDX file (it does not begin with 00 00, a type and a dimension)")
    try:
        with open_unpacked(path) as file:
            magic = file.read(4)
            sizes = file.read(4 * magic[3])
    except READ_ERRORS as error:
        raise _damaged(path, error) from error
    if len(sizes) != 4 * magic[3]:
        raise DataError(f"{path}: ends within its header; the file is truncated, fetch it again")
    header = IdxFile(path, np.dtype(DTYPES[magic[2]]), struct.unpack(f">{magic[3]}I", sizes))
    if 0 in header.shape or header.item_bytes > _MAX_ITEM_BYTES:
        raise DataError(f"{path}: shape {header.shape}; at least one row and at most 1 GiB a row are allowed")
    declared = header.item_bytes * header.shape[0]
    if declared > (unpacked_limit(path) if is_packed(path) else path.stat().st_size):
        raise DataError(
            f"{path}: its header says {header.shape[0]} rows of {header.item_bytes} bytes, which are not there; the"
            " file is truncated, fetch it again"
        )
    return header
