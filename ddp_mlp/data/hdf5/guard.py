"""The one door to h5py: how a file is opened, and what its errors become.

A file may come from anyone. libhdf5 follows links into other files, maps foreign files as raw storage, loads filters as
shared objects, and takes whatever memory a text says that it needs. So it is given no file, only a `WatchedFile`, and
nobody but `nodes`, `arrays` and `attributes` asks it anything: each looks before it asks, and asks within bounds.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.hdf5.memory_limit import limited_memory
from ddp_mlp.data.hdf5.watched import WatchedFile
from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, StorageError, printable, shell_word
from ddp_mlp.plain_files import NotPlainError, open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

#: Chunks of compressed arrays are decompressed once if a whole row of them fits here.
CHUNK_CACHE_BYTES = 64 * 2**20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# What file systems without locks answer; the last is Linux's ENOTSUPP, which has no name here.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524}

# What h5py raises on files that are damaged or forged, beside OSError.
_H5PY_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError)


def load_h5py() -> Any:
    """Import h5py with the loading of filter plug-ins switched off."""
    # libhdf5 reads this once, when it is loaded: "::" means no plug-ins at all.
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    import h5py

    return h5py


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn errors of h5py on a bad file into a DataError about `where`.

    Raises
    ------
    DataError
        If the file is damaged, or takes more memory than it may.
    StorageError
        If the disk failed (EIO).
    """
    try:
        yield
    except DdpMlpError:
        raise
    except MemoryError:
        raise DataError(f"{where}: it takes far more memory than the file is large; write it anew") from None
    except _H5PY_ERRORS as error:
        detail = printable(" ".join(str(error).split()))[:200]
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise StorageError(f"{where}: the disk failed while reading ({detail}); try again") from error
        message = f"{where}: cannot be read, the file is damaged ({detail}); write or fetch it again"
        raise DataError(message) from error


@dataclass(frozen=True, eq=False)
class OpenFile:
    """An open HDF5 file, and the bounds within which it is asked anything; a context manager that closes it.

    Attributes
    ----------
    path : Path
        For messages.
    watched : WatchedFile
        What libhdf5 reads.
    handle : h5py.File
        Only the modules of the door touch it.
    """

    path: Path
    watched: WatchedFile
    handle: Any

    @contextmanager
    def asking(self, where: str, known_bytes: int = 0) -> Iterator[None]:
        """Ask the file something: memory and reads are bounded in the block, errors are about `where`.

        Parameters
        ----------
        known_bytes : int
            What the answer takes in memory beyond the bound for all questions, as has been checked.

        Raises
        ------
        DataError, StorageError
            As `plain_errors`.
        """
        with plain_errors(where), limited_memory(self.watched.most_bytes + known_bytes):
            self.watched.allow()
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with suppress(*_H5PY_ERRORS):  # of a damaged file, which has been read as far as it goes
            self.handle.close()
        self.watched.close()


def is_hdf5(path: Path) -> bool:
    """Tell whether a plain file begins as HDF5 does, at one of the places where that may be."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            for place in (0, 512, 1024, 2048, 4096):
                file.seek(place)
                if file.read(8) == _SIGNATURE:
                    return True
    except OSError:  # as will be said when it is opened
        pass
    return False


def open_readonly(path: Path) -> OpenFile:
    """Open an HDF5 file for reading.

    Raises
    ------
    MissingInputError
        If there is no such file, or it may not be read.
    DataError
        If it is a directory, empty, not HDF5, truncated, still marked as being written, or locked by its writer.
    """
    watched = WatchedFile.of_descriptor(_open_plain(path), str(path))
    try:
        return _open(path, watched)
    except BaseException:
        watched.close()
        raise


def open_content(content: bytes, path: Path) -> OpenFile:
    """Open the content of the HDF5 file `path`, which is in memory already.

    Raises
    ------
    DataError
        If it is not HDF5, or damaged.
    """
    return _open(path, WatchedFile.of_bytes(content, str(path)))


def _open_plain(path: Path) -> int:
    """Return the descriptor of a plain file, shared with other readers only."""
    try:
        with open_plain(path, follow=True) as file:
            descriptor = os.dup(file.fileno())
    except NotPlainError as error:
        raise DataError(f"{path}: {error.strerror}, not a plain file; give the path of an HDF5 file") from None
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(f"{path}: no such file; check its path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MissingInputError(f"{path}: cannot be read ({reason}); check its name and permissions") from None
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    """Take the lock of a reader, as libhdf5 would."""
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in {"FALSE", "0"}:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(
            f"{path}: another program writes to it; wait for that, or set HDF5_USE_FILE_LOCKING=FALSE if there is none"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StorageError(f"{path}: cannot be locked ({error.strerror}); try again") from None


def _open(path: Path, watched: WatchedFile) -> OpenFile:
    h5py = load_h5py()
    with plain_errors(str(path)), limited_memory(watched.most_bytes):
        watched.allow()
        _check_superblock(path, watched)
        try:
            handle = h5py.File(watched, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
        except _H5PY_ERRORS as error:
            if isinstance(error, OSError) and error.errno == errno.EIO:
                raise
            raise DataError(_why_not_opened(path, " ".join(str(error).split()))) from error
    return OpenFile(path, watched, handle)


def _check_superblock(path: Path, watched: WatchedFile) -> None:
    if watched.size == 0:
        raise DataError(f"{path}: the file is empty; give an HDF5 file")
    offsets = _signature_offsets(watched.size)
    base = next((at for at in offsets if watched.content(at, 8) == _SIGNATURE), None)
    if base is None:
        raise DataError(
            f"{path}: not an HDF5 file; `ddp-mlp data import {shell_word(path)} --out F.h5` converts other formats"
        )
    watched.addresses_from(base)
    block = watched.content(base, 16).ljust(16, b"\0")  # what is cut short is so for libhdf5 too
    version, is_written_to = block[8], block[11] & 1
    # Versions 0 and 1 keep the sizes of addresses and lengths elsewhere than 2 and 3.
    sizes = block[13:15] if version < 2 else block[9:11]
    if sizes not in {b"\x08\x08", b"\0\0"}:
        raise DataError(f"{path}: its addresses are not of 8 bytes, which no common program writes; write it anew")
    if version >= 3 and is_written_to:
        raise DataError(
            f"{path}: the file is marked as open for writing; wait for its writer, or if that was killed run"
            f" `h5clear -s {path}`"
        )


def _signature_offsets(size: int) -> Iterator[int]:
    """Yield where a superblock may start: 0, 512, 1024, 2048, ... (a user block precedes it)."""
    offset = 0
    while offset < size:
        yield offset
        offset = max(512, 2 * offset)


def _why_not_opened(path: Path, detail: str) -> str:
    if "truncated" in detail or "eof" in detail.lower():
        return f"{path}: the file is truncated (a copy or download that broke off?); fetch or write it again"
    return f"{path}: cannot be opened, the file is damaged ({printable(detail)[:200]}); write or fetch it again"
