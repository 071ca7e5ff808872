"""Removing what MPI libraries leave on this machine when their processes are killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Shared memory of MPICH and Open MPI, and files that Hydra keeps while ranks start.
_SEGMENTS = ("mpich_shm_*", "sm_segment.*", "vader_segment.*")
_TOPOLOGIES = "hydra_hwloc_xmlfile_*"
#: Directories of Open MPI's launcher, named by its process.
_SESSIONS = "ompi.*"


def sweep(
    since: float,
    shared_memory: Path = Path("/dev/shm"),  # noqa: S108 - where the libraries put it
    temporary: Path = Path("/tmp"),  # noqa: S108
    sessions: Path | None = None,
) -> list[Path]:
    """Remove this user's leftovers of jobs that began at `since` or later, and return them.

    Memory that any process still has mapped stays: it may belong to another job. `sessions` is
    where Open MPI has its own, None for the directory of temporary files.
    """
    candidates = [path for pattern in _SEGMENTS for path in shared_memory.glob(pattern)]
    in_use = _mapped_names() if candidates else set()
    stale = [path for path in candidates if path.name not in in_use] + list(temporary.glob(_TOPOLOGIES))
    stale += [path for path in (sessions or Path(tempfile.gettempdir())).glob(_SESSIONS) if _is_of_the_dead(path)]
    return [path for path in stale if _remove(path, since)]


def _is_of_the_dead(session: Path) -> bool:
    """Tell whether a directory belongs to a launcher that is gone."""
    process = session.suffix.removeprefix(".")
    return process.isdecimal() and session.is_dir() and not session.is_symlink() and not Path("/proc", process).exists()


def _remove(path: Path, since: float) -> bool:
    with contextlib.suppress(OSError):
        status = path.lstat()
        if status.st_uid == os.getuid() and status.st_mtime >= since:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
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
