"""Where compiled kernels are kept: private, complete or absent, verified before use.

Numba's own cache loads whatever bytes it finds, notices neither damage nor a change in a
kernel that another one calls, and lets parallel processes write into each other's files.
So a cache directory here is immutable: it is filled under a temporary name, sealed with
a manifest of hashes, and renamed. Its name tells everything the machine code depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

_MANIFEST = "manifest.json"
#: Caches of other versions and machines that are kept beside the one in use.
_KEEP = 6


def cache_root() -> Path:
    """Return the directory of all caches: ``DDP_MLP_CACHE_DIR``, else the user's cache."""
    if chosen := os.environ.get("DDP_MLP_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ddp-mlp"


def _key(dtype: str) -> str:
    """Hash everything that decides what machine code the kernels become."""
    from ddp_mlp.core.kernels.hardware import code_target

    text = [dtype, platform.python_version(), platform.machine(), *code_target()]
    text += [f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy")]
    text += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    digest = hashlib.sha256("\n".join(text).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        status = source.stat()  # Numba's index names the source by path and time
        digest.update(f"{source} {status.st_mtime_ns}".encode() + source.read_bytes())
    return f"kernels-{dtype}-{digest.hexdigest()[:20]}"


def _private_directory(path: Path) -> Path | None:
    """Make `path` if need be, and return it if only this user can write there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        return path if os.access(path, os.W_OK | os.X_OK) else None
    except OSError:
        return None


def _files(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a cache but its manifest."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def _is_good(directory: Path) -> bool:
    """Tell whether a cache holds every file of its manifest, unchanged, and no other."""
    try:
        manifest = json.loads((directory / _MANIFEST).read_text())
        return bool(manifest == _files(directory))
    except (OSError, ValueError):
        return False


def _use(directory: Path) -> None:
    from numba.core import config

    config.CACHE_DIR = str(directory)


def use_cache(dtype: str) -> bool:
    """Point Numba at the finished cache of `dtype`, if there is a good one."""
    if "NUMBA_CACHE_DIR" in os.environ:  # the user manages the cache
        return True
    root = _private_directory(cache_root())
    directory = root / _key(dtype) if root else None
    if directory is None or not _is_good(directory):
        return False
    os.utime(directory)
    _use(directory)
    return True


def fill_cache(dtype: str, compile_kernels: Callable[[], None]) -> None:
    """Compile the kernels of `dtype` in this process and leave them as a finished cache.

    Where no private directory can be had, they are compiled for this process alone.
    """
    root = _private_directory(cache_root())
    staging = _staging(root)
    if staging is None:
        compile_kernels()
        return
    try:
        _use(staging)
        compile_kernels()
        # Kernels that were imported before keep the cache of then: nothing to publish.
        if root and _files(staging):
            (staging / _MANIFEST).write_text(json.dumps(_files(staging)))
            _publish(staging, root / _key(dtype))
            _prune(root)
    except OSError:
        pass  # a full or read-only disk costs the next start its cache, not this one its run
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _staging(root: Path | None) -> Path | None:
    """Return a new directory to compile into, or None where no disk has room for one."""
    try:
        return Path(tempfile.mkdtemp(prefix=".staging-", dir=root))
    except OSError:
        return None


def _publish(staging: Path, directory: Path) -> None:
    if directory.exists():
        if _is_good(directory):
            return  # another process was faster
        damaged = directory.with_name(f".damaged-{os.getpid()}-{directory.name}")
        directory.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    staging.rename(directory)


def _prune(root: Path) -> None:
    caches = sorted(root.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in caches[_KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
