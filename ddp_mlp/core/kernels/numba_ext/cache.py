"""Where machine code is kept: one file for each dtype and CPU, whole or absent, verified before use.

Its name tells everything that the code depends on, and nothing else: neither where the sources
lie nor how Python was started. It is written under a temporary name and renamed, so readers
see all of it or none, and nothing lies about while kernels are compiled.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ddp_mlp.cache_directory import cache_root, fallback_root, is_ours, is_private, user_root
from ddp_mlp.core.kernels.numba_ext.hardware import code_target, numba_settings
from ddp_mlp.durable import under_way
from ddp_mlp.plain_files import open_plain

#: The package in which a wheel brings files of a cache, which are read like those of any other.
PACKAGE = "ddp_mlp_kernels"
#: Files of other versions and machines that are kept beside the one in use.
_KEEP = 16
#: Age at which a temporary file is one of a process that was killed, whose clock may go wrong by hours.
_STALE_S = 86_400
#: More than any machine code of ours.
_MOST_BYTES = 2**28
#: Names of those, and of the directories in which earlier versions compiled.
_LEFTOVERS = (".kernels-*", ".staging-*", ".damaged-*")
#: Rooms of the package whose functions are compiled.
_SOURCES = ("catalog", "core/kernels")
#: Settings of Numba that machine code does not depend on, by a word in their names.
_NO_MATTER = ("CACHE", "CUDA", "THREADS")


def read_code(dtype: str) -> bytes | None:
    """Return the machine code that `keep_code` has kept, or None where all of it is absent, damaged or a stranger's."""
    return next((code for _, code in _kept(dtype)), None)


def find_code(dtype: str) -> Path | None:
    """Return the file that `read_code` reads."""
    return next((path for path, _ in _kept(dtype)), None)


def _kept(dtype: str) -> Iterator[tuple[Path, bytes]]:
    """Yield the files of machine code that can be used, the first choice first, with what is in them."""
    for directory in (*_directories(), *packaged()):
        if is_private(directory):
            path = directory / file_name(dtype)
            code = _read(path)
            if code is not None:
                yield path, code


def packaged() -> Iterator[Path]:
    """Yield the directory of the kernels that a wheel has brought, if one is installed."""
    with suppress(ImportError, ValueError):
        found = find_spec(PACKAGE)
        yield from [Path(place) for place in found.submodule_search_locations or []] if found else []


def keep_code(dtype: str, code: bytes) -> Path | None:
    """Keep machine code for later starts; return its file, or None where there is no private directory."""
    for directory in _directories():
        with suppress(OSError):  # a full or read-only disk costs the next start its time, not this one its run
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_private(directory):
                path = directory / file_name(dtype)
                _write(path, code)
                _sweep(directory)
                return path
    return None


def _directories() -> Iterator[Path]:
    """Yield the cache, which may be one for all users, this user's own, and one in ``/tmp`` for nodes without homes."""
    for root in (cache_root, user_root):
        with suppress(RuntimeError, OSError):  # a link to itself
            yield root().resolve()
    yield fallback_root()


def file_name(dtype: str) -> str:
    """Return the name of the file: a hash of everything that machine code depends on."""
    text = [dtype, *_python(), platform.machine(), *code_target()]
    text += [f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy")]
    settings = sorted(numba_settings().items())
    text += [f"{name}={value}" for name, value in settings if not any(word in name for word in _NO_MATTER)]
    digest = hashlib.sha256("\n".join([*text, _sources()]).encode())
    return f"kernels-{dtype}-{digest.hexdigest()[:20]}"


def _python() -> tuple[str, ...]:
    """Return the version of Python, but for its last number: until a release is final, its binary interface changes."""
    tag = str(sys.implementation.cache_tag)
    return (tag,) if sys.version_info.releaselevel == "final" else (tag, platform.python_version())


@functools.cache
def _sources() -> str:
    """Return the hash of the sources, once: this process keeps what it has imported, also where files change."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[3]
    for source in sorted(path for room in _SOURCES for path in (package / room).rglob("*.py")):
        digest.update(f"{source.relative_to(package)}\n".encode() + source.read_bytes())
    return digest.hexdigest()


def _seal(path: Path, code: bytes) -> bytes:
    """Return the hash of the code together with the name of its file, so that files cannot be swapped."""
    return hashlib.sha256(f"{path.name}\n".encode() + code).digest()


def _read(path: Path) -> bytes | None:
    """Return the machine code in a file, or None where it is absent, a stranger's or damaged."""
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
    if path.parent.name != PACKAGE:
        with suppress(OSError):
            os.utime(path)  # in use, so not the oldest
    return code


def _write(path: Path, code: bytes) -> None:
    """Write machine code to a file, over anything that is there; who can list its directory can read it."""
    if path.is_dir():
        _remove(path)
    with under_way(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, path.parent.stat().st_mode & 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_seal(path, code) + code)


def _sweep(directory: Path) -> None:
    """Remove leftovers of killed processes, and all but the last used caches."""
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
