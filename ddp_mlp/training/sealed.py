"""HDF5 files that cannot be half written, and are not read when they are damaged.

A sealed file is an HDF5 image behind a user block of 512 bytes, which holds the length and
the SHA-256 of the image. h5dump and every HDF5 library read it as it is. It is written
under a temporary name, forced to disk, renamed, and the directory forced to disk, so that
at any time the name shows all of the old file or all of the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddp_mlp.data.guard import load_h5py
from ddp_mlp.data.heaps import check_heaps_of
from ddp_mlp.errors import DataError, MissingInputError, StorageError

USER_BLOCK = 512
_MAGIC = b"ddp-mlp sealed HDF5"


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


def open_image(path: Path) -> Any:
    """Verify a sealed file and return it as an open ``h5py.File`` in memory.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is not a sealed file, is cut short, or one bit of it has changed.
    """
    image = _read(path)
    h5py = load_h5py()
    verify_image(image, str(path))
    check_heaps_of(image, USER_BLOCK, str(path))
    return h5py.File(io.BytesIO(image), "r")


def _header(body: memoryview) -> bytes:
    """Return the user block that belongs to an image."""
    digest = hashlib.sha256(body).hexdigest().encode()
    return (b"%s\nlength %d\nsha256 %s\n" % (_MAGIC, len(body), digest)).ljust(USER_BLOCK, b"\0")


def verify_image(image: bytes, where: str) -> None:
    """Raise DataError unless the image is whole and unchanged, its user block included."""
    body = memoryview(image)[USER_BLOCK:]
    header = _header(body)
    if image[:USER_BLOCK] == header:
        return
    if not image.startswith(_MAGIC):
        raise DataError(f"{where}: not a checkpoint or model of this program")
    if len(image) < USER_BLOCK:
        raise DataError(f"{where}: cut short after {len(image)} bytes")
    length = image[:USER_BLOCK].partition(b"\n")[2].partition(b"\n")[0]
    if length != header.split(b"\n")[1]:
        expected = length.removeprefix(b"length ").decode(errors="replace")
        raise DataError(f"{where}: {len(body)} bytes of {expected}: cut short, appended to or damaged")
    raise DataError(f"{where}: its SHA-256 does not match its content: the file is damaged")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot read: {error.strerror}") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably, or leave what was there.

    Raises
    ------
    StorageError
        If any system call of it fails; the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None


def write_sealed(path: Path, image: bytes) -> None:
    """Put a sealed image at `path`, durably, and see that it reads back.

    Raises
    ------
    StorageError
        If it cannot be written; what was there stays.
    DataError
        If it does not read back as it was written.
    """
    write_atomically(path, image)
    try:
        open_image(path).close()
    except MissingInputError as error:
        raise StorageError(f"{error}, just after it was written") from None


def set_aside(path: Path) -> Path:
    """Give what is at `path` another name beside it, and return that.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    names = (path.with_name(f"{path.stem}.set-aside-{n}{path.suffix}") for n in itertools.count(1))
    free = next(name for name in names if not os.path.lexists(name))
    return path.rename(free)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
