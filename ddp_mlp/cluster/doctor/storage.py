"""Where compiled kernels and runs are kept, and what those file systems can do."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from ddp_mlp.cache_directory import cache_root, is_private, user_root
from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, WARNING, Diagnosis

_LEAST_FREE_BYTES = 2**30
_SLOW_FSYNC_S = 1.0


def check_kernel_cache() -> Iterator[Diagnosis]:
    """Look at where compiled kernels are kept."""
    yield judge_cache(cache_root())


def judge_cache(root: Path) -> Diagnosis:
    """Judge a directory for compiled kernels: it must be private and writable."""
    name, fix = "kernel cache", "set DDP_MLP_CACHE_DIR to a directory of your own; until then one in /tmp is used"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = root.resolve()
    except OSError as error:
        return Diagnosis(name, WARNING, f"{root}: {error.strerror}", fix)
    if not is_private(root):
        return Diagnosis(
            name, WARNING, f"{root}: others may write there, so it is not used", f"chmod 700 {root}; or {fix}"
        )
    n_ready = len(list(root.glob("kernels-*")))
    if not os.access(root, os.W_OK | os.X_OK):
        if n_ready:  # shared by its owner
            return Diagnosis(name, OK, f"{root}, {n_ready} ready, read-only; what it lacks goes to {user_root()}")
        return Diagnosis(name, WARNING, f"{root}, {n_ready} ready: cannot be written to", fix)
    return Diagnosis(name, OK, f"{root}, {n_ready} ready" if n_ready else f"{root}, empty: the first start compiles")


def check_run_directory(path: Path) -> Iterator[Diagnosis]:
    """Write, lock and sync a file where runs are kept."""
    name = "run directory"
    path = _nearest(path.absolute())
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            has_locks = _can_lock(file.fileno())
            file.write(bytes(2**16))
            file.flush()
            started = perf_counter()
            os.fsync(file.fileno())
            fsync_s = perf_counter() - started
    except OSError as error:
        fix = "choose another --out, or mend rights, quota or disk"
        yield Diagnosis(name, ERROR, f"{path}: cannot write and sync a file: {error.strerror}", fix)
        return
    yield judge_run_directory(path, has_locks=has_locks, fsync_s=fsync_s, free=shutil.disk_usage(path).free)


def judge_run_directory(path: Path, *, has_locks: bool, fsync_s: float, free: int) -> Diagnosis:
    """Judge a file system for runs by its locks, the time of one fsync, and free bytes."""
    found = f"{path}: fsync {1000 * fsync_s:.1f} ms, {free / 2**30:.1f} GiB free"
    if not has_locks:
        fix = "runs are then guarded by the time stamps of their lock file; ask for flock (Lustre: mount -o flock)"
        return Diagnosis("run directory", WARNING, f"{found}, no file locks", fix)
    if free < _LEAST_FREE_BYTES:
        return Diagnosis("run directory", WARNING, found, "make room, or keep fewer checkpoints ([checkpoint] keep)")
    if fsync_s > _SLOW_FSYNC_S:
        fix = "save less often ([checkpoint] every_epochs), or run from a faster file system"
        return Diagnosis("run directory", WARNING, f"{found}, slow to sync", fix)
    return Diagnosis("run directory", OK, f"{found}, file locks work")


def _nearest(path: Path) -> Path:
    """Return the directory where `path` is or would be made."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _can_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL):
            return False
        raise
    return True
