"""Fingerprints of data files that have been read before and have not been touched since.

A file is taken for the one that was read where device, number, length, and both times are the same. The time of its
last change (ctime) is set by the kernel with every write, also by whoever sets the other one back; nobody can choose it
but by setting the clock. Since clocks tick coarsely, and those of file servers go wrong, a file that was changed in the
last minute is not remembered.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from contextlib import suppress
from platform import node
from typing import TYPE_CHECKING

from ddp_mlp.cache_directory import cache_root, is_private
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.plain_files import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.dataset.dataset import DatasetFile

#: One of `fingerprints`.
_FINGERPRINT = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{64})?")
#: To be raised when another is computed for the same content.
_SCHEME = 2

_NAME = "data-fingerprints.json"
_MOST_FILES = 200
_SETTLED_S = 60


def known_fingerprint(file: DatasetFile) -> str:
    """Return the fingerprint of an open data set, read only if it is not known.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    opened = file.identity()
    if not opened:  # in memory
        return file.fingerprint()
    if known := recall(file):
        return known
    found = file.fingerprint()
    remember(file, found, opened)
    return found


def recall(file: DatasetFile) -> str | None:
    """Return the fingerprint of an open data set, if it has been read before and is unchanged."""
    with suppress(OSError, RuntimeError, DdpMlpError):  # no cache is no error: the file is read
        found = _known(_path()).get(_key(file), "")
        return found if _FINGERPRINT.fullmatch(found) else None
    return None


def remember(file: DatasetFile, fingerprint: str, opened: tuple[int, ...]) -> None:
    """Keep a fingerprint for later starts, unless the file may have changed while it was read.

    Parameters
    ----------
    opened : tuple of int
        `DatasetFile.identity` before it was read.
    """
    *_, mtime_ns, ctime_ns = opened
    is_settled = time.time_ns() - max(mtime_ns, ctime_ns) > _SETTLED_S * 10**9
    if not is_settled or file.identity() != opened:
        return
    with suppress(OSError, RuntimeError, DdpMlpError):  # what cannot be kept is read again
        path = _path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_private(path.parent):
            known = _known(path)
            known.pop(_key(file), None)
            kept = [*known.items(), (_key(file), fingerprint)][-_MOST_FILES:]
            write_whole(path, json.dumps(dict(kept)).encode())


def _path() -> Path:
    return cache_root().resolve() / _NAME


def _known(path: Path) -> dict[str, str]:
    """Return the fingerprints that are kept; none where others than this user could have written them."""
    try:
        return (read_json(path, dict[str, str]) if is_private(path.parent) else None) or {}
    except FileNotFoundError:
        return {}


def _key(file: DatasetFile) -> str:
    """Return the marks of a file, and of the data set in it, by which it is the one that was read."""
    known_as = [file.schema.task, file.schema.n_outputs]  # of the model, where it was opened for one
    what = [_SCHEME, node(), file.identity(), file.selection, known_as]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
