"""Look over the global heaps of an HDF5 file before libhdf5 does.

Texts of attributes lie in global heaps, chains of objects that each tell the size to the
next. A free object of size zero sends libhdf5 (seen in 2.0.0) round in circles for ever, and
a program cannot get out of that. So the chains are walked here first. Heaps are written
beside the attributes, at the beginning or the end of a file; only these parts are searched.

Source: "HDF5 File Format Specification", version 3.0, section III.E, "Global Heap".
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_SEARCHED_BYTES = 32 * 2**20
_MAGIC = b"GCOL\x01\x00\x00\x00"
_HEADER_BYTES = 16
_OBJECT = struct.Struct("<HHIQ")


def check_heaps(path: Path, superblock: int) -> None:
    """Walk the global heaps of a file.

    Parameters
    ----------
    path : Path
        The file.
    superblock : int
        Offset of its HDF5 signature in bytes.

    Raises
    ------
    DataError
        If a heap holds an object that has no size.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_heaps_of(content, superblock, str(path))


def check_heaps_of(content: mmap.mmap | bytes, superblock: int, where: str) -> None:
    """Walk the global heaps of the content of a file; see `check_heaps`.

    Raises
    ------
    DataError
        If a heap holds an object that has no size.
    """
    # The walk below knows sizes of eight bytes, which all common programs write.
    if not _has_long_sizes(content[superblock : superblock + 16]):
        return
    end = len(content)
    for start in {0, max(0, end - _SEARCHED_BYTES)}:
        position = content.find(_MAGIC, start, start + _SEARCHED_BYTES)
        while position >= 0:
            if _is_endless(content, position):
                raise DataError(
                    f"{where}: the heap at byte {position} is damaged (an object without size); write or"
                    " fetch the file again"
                )
            position = content.find(_MAGIC, position + 1, start + _SEARCHED_BYTES)


def _has_long_sizes(superblock: bytes) -> bool:
    if len(superblock) < 16:
        return False
    version = superblock[8]
    return superblock[14 if version < 2 else 10] == 8


def _is_endless(content: mmap.mmap | bytes, start: int) -> bool:
    """Tell whether the chain of objects of one heap comes to an object of size zero."""
    if start + _HEADER_BYTES > len(content):
        return False
    (n_bytes,) = struct.unpack_from("<Q", content, start + 8)
    end = min(start + n_bytes, len(content))
    at = start + _HEADER_BYTES
    while at + _OBJECT.size <= end:
        index, _, _, size = _OBJECT.unpack_from(content, at)
        # Free space (index 0) counts its header in, an object does not and is padded to eight.
        step = size if index == 0 else _OBJECT.size + -(-size // 8) * 8
        if step == 0:
            return True
        at += step
    return False
