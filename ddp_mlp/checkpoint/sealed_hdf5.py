"""HDF5 files that cannot be half written, and are not read when they are damaged.

A sealed file is an HDF5 image behind a user block of 512 bytes, which holds the length and
the SHA-256 of the image. h5dump and every HDF5 library read it as it is. `durable` writes
it, so that at any time its name shows all of the old file or all of the new one.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddp_mlp.data.hdf5.guard import OpenFile, load_h5py, open_content
from ddp_mlp.durable import Check, unchecked, write_whole
from ddp_mlp.errors import DataError, MissingInputError, StorageError, printable
from ddp_mlp.plain_files import NotPlainError, open_plain

USER_BLOCK = 512
_MAGIC = b"ddp-mlp sealed HDF5"

#: Unit of `st_blocks`, in which some file systems count nothing.
_BLOCK_BYTES = 512
#: A file may be so many times as long as what is on disk of it, which file systems that compress make less, and longer
#: by these bytes.
_HOLLOW, _SMALL_BYTES = 64, 64 * 2**20


def make_image(fill: Callable[[Any], None]) -> bytes:
    """Return a sealed image; `fill` gets the open, empty ``h5py.File`` and writes into it."""
    h5py = load_h5py()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=USER_BLOCK, libver=("v110", "v110")) as file:
        fill(file)
    return seal(buffer.getvalue())


def seal(image: bytes) -> bytes:
    """Return an image with the user block that belongs to its content."""
    return _header(memoryview(image)[USER_BLOCK:]) + image[USER_BLOCK:]


def open_image(path: Path, *, follow: bool = False) -> OpenFile:
    """Verify a sealed file and open its content, from memory.

    Parameters
    ----------
    follow : bool
        Whether it may be a link, as it may if a user has named it.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is not a sealed file, not a plain one, is cut short, or one bit of it has changed.
    """
    return open_content(read_verified(path, follow=follow), path)


def read_verified(path: Path, *, follow: bool = False) -> bytes:
    """Return the content of a sealed file, which is whole and unchanged.

    Raises
    ------
    MissingInputError, DataError
        As `open_image`.
    """
    image = _read(path, follow=follow)
    verify_image(image, str(path))
    return image


def _header(body: memoryview) -> bytes:
    """Return the user block that belongs to an image."""
    digest = hashlib.sha256(body).hexdigest().encode()
    return (b"%s\nlength %d\nsha256 %s\n" % (_MAGIC, len(body), digest)).ljust(USER_BLOCK, b"\0")


def verify_image(image: bytes, where: str) -> None:
    """Raise DataError unless the image is whole and unchanged, its user block included."""
    if image[:USER_BLOCK] == _header(memoryview(image)[USER_BLOCK:]):
        return
    _check_length(image[:USER_BLOCK], len(image), where)
    raise DataError(f"{where}: its SHA-256 does not match its content: the file is damaged")


def _check_length(header: bytes, n_bytes: int, where: str) -> None:
    """Raise DataError unless a user block is one of ours and names the length of its file."""
    if not header.startswith(_MAGIC):
        raise DataError(
            f"{where}: not a checkpoint or model of this program; name a run directory, a checkpoint or a model file"
        )
    if n_bytes < USER_BLOCK:
        raise DataError(f"{where}: cut short after {n_bytes} bytes")
    named = header.partition(b"\n")[2].partition(b"\n")[0]
    if named != b"length %d" % (n_bytes - USER_BLOCK):
        expected = printable(named.removeprefix(b"length ").decode(errors="replace"))
        raise DataError(f"{where}: {n_bytes - USER_BLOCK} bytes of {expected}: cut short, appended to or damaged")


def _read(path: Path, *, follow: bool) -> bytes:
    """Return a sealed file's bytes; one that cannot be whole is not read to its end."""
    try:
        with open_plain(path, follow=follow) as file:
            status = os.fstat(file.fileno())
            _check_length(file.read(USER_BLOCK), status.st_size, str(path))
            if 0 < status.st_blocks * _BLOCK_BYTES * _HOLLOW < status.st_size - _SMALL_BYTES:
                raise DataError(f"{path}: most of its {status.st_size} bytes are holes; this program leaves none")
            file.seek(0)
            return file.read()
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except NotPlainError as error:
        raise DataError(f"{path}: {error.strerror}, not a file of its own; name what you mean by itself") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot read: {error.strerror}") from None
    except MemoryError:
        raise DataError(f"{path}: larger than the memory of this machine; not a checkpoint or model") from None


def write_sealed(path: Path, image: bytes, check: Check = unchecked) -> None:
    """Put a sealed image at `path`, durably, and see that it reads back.

    Raises
    ------
    StorageError
        If it cannot be written; what was there stays.
    DataError
        If it does not read back as it was written.
    """
    write_whole(path, image, check)
    try:
        read_verified(path)
    except MissingInputError as error:
        raise StorageError(f"{error}, just after it was written") from None
