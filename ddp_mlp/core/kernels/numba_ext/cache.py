"""Where machine code is kept: one file for each dtype and CPU, private, whole or absent, verified before use.

Its name tells everything that the code depends on, and nothing else: neither where the sources
lie nor how Python was started. It is written under a temporary name and renamed, so readers
see all of it or none, and nothing lies about while kernels are compiled.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from ddp_mlp.cache_directory import cache_root, fallback_root, is_ours, is_private
from ddp_mlp.durable import under_way
from ddp_mlp.plain_files import open_plain

#: Files of other versions and machines that are kept beside the one in use.
_KEEP = 16
#: Age at which a temporary file is one of a process that was killed, whose clock may go wrong by hours.
_STALE_S = 86_400
#: More than any machine code of ours.
_MOST_BYTES = 2**28
#: Names of those, and of the directories in which earlier versions compiled.
_LEFTOVERS = (".kernels-*", ".staging-*", ".damaged-*")
#: Settings of Numba that machine code does not depend on, by a word in their names.
_NO_MATTER = ("CACHE", "CUDA", "THREADS")


def read_code(dtype: str) -> bytes | None:
    """Return what `keep_code` has kept, or None where there is nothing that is whole and can be trusted."""
    name = _name(dtype)
    for directory in _directories():
        if is_private(directory):
            code = _read(directory / name)
            if code is not None:
                return code
    return None


def keep_code(dtype: str, code: bytes) -> Path | None:
    """Keep machine code for later starts; where no private directory can be had, do nothing and return None."""
    for directory in _directories():
        with suppress(OSError):  # a full or read-only disk costs the next start its time, not this one its run
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_private(directory):
                path = directory / _name(dtype)
                _write(path, code)
                _sweep(directory)
                return path
    return None


def _directories() -> Iterator[Path]:
    """Yield the cache, and where that cannot be used, such as on nodes that may not write to homes, one in ``/tmp``."""
    with suppress(RuntimeError, OSError):  # a link to itself
        yield cache_root().resolve()
    yield fallback_root()


def _name(dtype: str) -> str:
    """Hash everything that decides what machine code the kernels become."""
    from numba.core import config

    from ddp_mlp.core.kernels.numba_ext.hardware import code_target

    text = [dtype, sys.implementation.cache_tag, platform.python_version(), platform.machine(), *code_target()]
    text += [f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy")]
    text += [
        f"{name}={value}"
        for name, value in sorted(vars(config).items())
        if name.isupper()
        and name[0] != "_"  # facts about the environment, such as whether there is YAML
        and isinstance(value, str | int | float)
        and not any(word in name for word in _NO_MATTER)
    ]
    digest = hashlib.sha256("\n".join(text).encode())
    here = Path(__file__).parents[1]
    for source in sorted(here.rglob("*.py")):
        digest.update(f"{source.relative_to(here)}\n".encode() + source.read_bytes())
    return f"kernels-{dtype}-{digest.hexdigest()[:20]}"


def _seal(path: Path, code: bytes) -> bytes:
    """Return the hash of the code under the name of its file, so that no other file can take its place."""
    return hashlib.sha256(f"{path.name}\n".encode() + code).digest()


def _read(path: Path) -> bytes | None:
    """Return the machine code in a file, or None where it is not there, not ours, or not as it was written."""
    try:
        with open_plain(path) as file:
            status = os.fstat(file.fileno())
            if not is_ours(status) or status.st_size > _MOST_BYTES:
                return None
            seal, code = file.read(32), file.read()
    except OSError:
        return None
    if seal != _seal(path, code):
        return None
    with suppress(OSError):
        os.utime(path)  # in use, so not the oldest
    return code


def _write(path: Path, code: bytes) -> None:
    """Put machine code in the place of whatever is there, for this user alone, whatever the umask says."""
    if path.is_dir():
        _remove(path)
    with under_way(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_seal(path, code) + code)


def _sweep(directory: Path) -> None:
    """Remove what killed processes left, and all but the last used caches."""
    stale = time.time() - _STALE_S
    leftovers = [path for pattern in _LEFTOVERS for path in directory.glob(pattern)]
    for path in leftovers:
        if _used(path) < stale:
            _remove(path)
    for path in sorted(directory.glob("kernels-*"), key=_used, reverse=True)[_KEEP:]:
        _remove(path)


def _used(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # another process was faster
        return 0.0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
