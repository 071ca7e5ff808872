"""The one door to h5py, and what is refused behind it.

A data set may come from anyone. libhdf5 follows links into other files, maps foreign
files as raw storage and loads filters as shared objects; none of it is needed to read an
array. So every link is looked at before it is followed, every array before it is read.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.heaps import check_heaps
from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, StorageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: HDF5 filter numbers that every libhdf5 or h5py brings along.
ALLOWED_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
BOMB_FLOOR_BYTES = 4 * 2**30
BOMB_RATIO = 1000
MAX_CHUNK_BYTES = 2**30

# Chunks of compressed arrays are decompressed once if a whole row of them fits here.
_CHUNK_CACHE_BYTES = 64 * 2**20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# What HDF5 passes on from file systems without locks: ENOLCK, ENOSYS, EOPNOTSUPP, ENOTSUPP.
_NO_LOCKS = re.compile(r"unable to lock file, errno = (37|38|95|524)\b")

# What h5py raises on files that are damaged or forged, beside OSError.
_H5PY_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError)


def load_h5py() -> Any:
    """Import h5py with the loading of filter plug-ins switched off."""
    # libhdf5 reads this once, when it is loaded: "::" means no plug-ins at all.
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    import h5py

    return h5py


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn what h5py raises on a bad file into a DataError about `where`.

    Raises
    ------
    DataError
        If the file is damaged.
    StorageError
        If the disk failed (EIO).
    """
    try:
        yield
    except DdpMlpError:
        raise
    except _H5PY_ERRORS as error:
        detail = printable(" ".join(str(error).split()))[:200]
        if "errno = 5," in detail:
            raise StorageError(f"{where}: the disk failed while reading ({detail}); try again") from error
        message = f"{where}: cannot be read, the file is damaged ({detail}); write or fetch it again"
        raise DataError(message) from error


def open_readonly(path: Path) -> Any:
    """Open an HDF5 file for reading and return the h5py.File.

    Raises
    ------
    MissingInputError
        If there is no such file, or it may not be read.
    DataError
        If it is a directory, empty, not HDF5, truncated or still marked as being written.
    """
    check_heaps(path, _find_signature(path))
    h5py = load_h5py()
    try:
        return _open(h5py, path, "best-effort")
    except _H5PY_ERRORS as error:
        detail = " ".join(str(error).split())
        if not _NO_LOCKS.search(detail):
            raise DataError(_why_not_opened(path, detail)) from error
    try:  # "best-effort" covers one of the answers of file systems without locks
        return _open(h5py, path, False)
    except _H5PY_ERRORS as error:
        raise DataError(_why_not_opened(path, " ".join(str(error).split()))) from error


def _open(h5py: Any, path: Path, locking: str | bool) -> Any:
    return h5py.File(path, "r", locking=locking, rdcc_nbytes=_CHUNK_CACHE_BYTES)


def _why_not_opened(path: Path, detail: str) -> str:
    if "truncated" in detail or "eof" in detail.lower():
        return f"{path}: the file is truncated (a copy or download that broke off?); fetch or write it again"
    if "already open for" in detail:
        return (
            f"{path}: the file is marked as open for writing; wait for its writer, or if that was killed run"
            f" `h5clear -s {path}`"
        )
    if "lock" in detail:
        return (
            f"{path}: another program writes to it; wait for that, or set HDF5_USE_FILE_LOCKING=FALSE if there is none"
        )
    return f"{path}: cannot be opened, the file is damaged ({printable(detail)[:200]}); write or fetch it again"


def _find_signature(path: Path) -> int:
    """Check that `path` is a readable regular file; return the offset of its HDF5 signature."""
    if not path.exists():
        raise MissingInputError(f"{path}: no such file; give the path of an HDF5 file")
    if path.is_dir():
        raise DataError(f"{path}: a directory, not an HDF5 file; `ddp-mlp data import {path} --out F.h5` reads folders")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give the path of an HDF5 file")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path}: the file is empty; give an HDF5 file")
    try:
        with path.open("rb") as file:
            found = next((at for at in _signature_offsets(size) if _signature_at(file, at)), None)
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if found is None:
        raise DataError(f"{path}: not an HDF5 file; `ddp-mlp data import {path} --out F.h5` converts other formats")
    return found


def _signature_offsets(size: int) -> Iterator[int]:
    """Yield where a superblock may start: 0, 512, 1024, 2048, ... (a user block precedes it)."""
    offset = 0
    while offset < size:
        yield offset
        offset = max(512, 2 * offset)


def _signature_at(file: Any, offset: int) -> bool:
    file.seek(offset)
    return bool(file.read(len(_SIGNATURE)) == _SIGNATURE)


def link_kind(group: Any, name: str) -> str | None:
    """Return "hard", "soft" or "external" without following the link, None if there is none.

    It asks for the record of the link alone; `Group.get(name, getlink=True)` would first ask
    whether the name resolves, which is more than is needed to refuse it.
    """
    h5l = load_h5py().h5l
    try:
        kind = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
    except (KeyError, RuntimeError, ValueError):
        return None
    return {h5l.TYPE_HARD: "hard", h5l.TYPE_SOFT: "soft", h5l.TYPE_EXTERNAL: "external"}.get(kind, "unknown")


def follow(group: Any, path: str, file_path: Path) -> Any | None:
    """Return the object at `path` below `group`, or None if a part of it is missing.

    Raises
    ------
    DataError
        If a part of the path is a soft, external or user-defined link.
    """
    h5py = load_h5py()
    node = group
    with plain_errors(f"{file_path}:{printable(path)}"):
        for part in (p for p in path.split("/") if p not in {"", "."}):
            kind = link_kind(node, part) if isinstance(node, h5py.Group) else None
            if kind is None:
                return None
            if kind != "hard":
                place = f"{node.name.rstrip('/')}/{part}"
                raise DataError(
                    f"{file_path}:{printable(place)}: {kind} links are not allowed; copy the array itself into the file"
                )
            node = node[part]
    return node


def check_array(dataset: Any, file_path: Path) -> None:
    """Refuse an array that lives elsewhere, needs a plug-in or has chunks without measure.

    Raises
    ------
    DataError
        For virtual data sets, external storage, foreign filters, oversized chunks and
        arrays without a shape.
    """
    where = f"{file_path}:{printable(str(dataset.name))}"
    h5py = load_h5py()
    with plain_errors(where):
        # The layout first: merely asking a virtual data set for its shape may open its sources.
        plist = dataset.id.get_create_plist()
        if plist.get_layout() == h5py.h5d.VIRTUAL:
            raise DataError(f"{where}: virtual data sets are not allowed; copy the values into the file")
        if plist.get_external_count() > 0:
            raise DataError(f"{where}: external storage is not allowed; copy the values into the file")
        for index in range(plist.get_nfilters()):
            _check_filter(plist.get_filter(index)[0], where)
        if dataset.shape is None:
            raise DataError(f"{where}: an array without a shape (null dataspace); write it with its values")
        chunk_bytes = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if dataset.chunks and chunk_bytes > MAX_CHUNK_BYTES:
            raise DataError(
                f"{where}: chunks of {chunk_bytes / 2**30:.1f} GiB; at most"
                f" {MAX_CHUNK_BYTES // 2**30} GiB is allowed, rewrite it with chunks of about 1 MiB"
            )


def _check_filter(number: int, where: str) -> None:
    if number not in ALLOWED_FILTERS:
        names = {4: "szip", 5: "nbit", 6: "scaleoffset"}
        found = f"{number} ({names[number]})" if number in names else str(number)
        raise DataError(
            f"{where}: filter {found} is not allowed, only {', '.join(ALLOWED_FILTERS.values())};"
            " rewrite it, as by `h5repack -f GZIP=1`"
        )


def check_sizes(datasets: Iterable[Any], file_path: Path) -> None:
    """Refuse arrays that together declare far more bytes than the file holds.

    Raises
    ------
    DataError
        If more than 4 GiB and more than 1000 times the stored bytes are declared.
    """
    with plain_errors(str(file_path)):
        arrays = list(datasets)
        declared = sum(math.prod(d.shape) * d.dtype.itemsize for d in arrays)
        # A forged header can claim any storage; the file itself cannot hold more than its size.
        stored = min(sum(d.id.get_storage_size() for d in arrays), file_path.stat().st_size)
    if declared > BOMB_FLOOR_BYTES and declared > BOMB_RATIO * stored:
        names = ", ".join(printable(str(d.name)) for d in arrays[:3])
        raise DataError(
            f"{file_path}:{names}: {declared / 2**30:.3g} GiB declared, {stored / 2**20:.3g} MiB stored;"
            f" at most {BOMB_RATIO} times the stored bytes is allowed, write the values that are missing"
        )
