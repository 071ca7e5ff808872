"""Removing what MPI libraries leave on this machine when their processes are killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

#: Shared memory of MPICH and Open MPI, and files that Hydra keeps while ranks start.
_SEGMENTS = ("mpich_shm_*", "sm_segment.*", "vader_segment.*")
_TOPOLOGIES = "hydra_hwloc_xmlfile_*"


def sweep(
    since: float,
    shared_memory: Path = Path("/dev/shm"),  # noqa: S108 - where the libraries put it
    temporary: Path = Path("/tmp"),  # noqa: S108
) -> list[Path]:
    """Remove this user's leftovers of jobs that began at `since` or later, and return them.

    Memory that any process still has mapped stays: it may belong to another job.
    """
    candidates = [path for pattern in _SEGMENTS for path in shared_memory.glob(pattern)]
    in_use = _mapped_names() if candidates else set()
    stale = [path for path in candidates if path.name not in in_use] + list(temporary.glob(_TOPOLOGIES))
    return [path for path in stale if _remove(path, since)]


def _remove(path: Path, since: float) -> bool:
    with contextlib.suppress(OSError):
        status = path.lstat()
        if status.st_uid == os.getuid() and status.st_mtime >= since:
            path.unlink()
            return True
    return False


def _mapped_names() -> set[str]:
    """Return the names of the files that processes of this user have mapped."""
    return {name for directory in Path("/proc").glob("[0-9]*") for name in _names_in(directory / "maps")}


def _names_in(maps: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in maps.read_text(errors="replace").splitlines():
            _, found, path = line.partition("/")
            if found:
                yield path.rpartition("/")[2]
