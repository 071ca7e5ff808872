"""Removing leftovers of MPI libraries on this machine, whose processes were killed.

None of it says to whom it belongs. What some process of this user may still use stays: memory
that one has mapped or open, files written soon after the start of a launcher that lives,
directories of living launchers.
"""

from __future__ import annotations

import math
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ddp_mlp.cluster.launch.processes import age_s, is_launcher, own_processes, sees_all_processes

#: Shared memory of MPICH and Open MPI.
_SEGMENTS = ("mpich_shm_*", "sm_segment.*", "vader_segment.*")
#: The machine's topology, which Hydra writes for the ranks that it starts; always here.
_TOPOLOGIES = "hydra_hwloc_xmlfile_*"
#: Directories of Open MPI's launcher, named by its process.
_SESSIONS = "ompi.*"
#: Seconds after its launcher in which a rank has started MPI.
_STARTS_WITHIN_S = 600.0
#: The clock of a file system goes in ticks, behind that of processes, and further behind on a busy virtual machine.
_TICK_S = 1.0
_MEMORY, _TEMPORARY = Path("/dev/shm"), Path("/tmp")  # noqa: S108 - where the libraries put it


def sweep(
    since: float, memory: Path = _MEMORY, temporary: Path = _TEMPORARY, sessions: Path | None = None
) -> list[Path]:
    """Remove this user's leftovers of jobs that began at `since` or later, and return them; nothing is raised.

    Parameters
    ----------
    since : float
        Seconds since 1970; it matters only where this process does not see all others, whose files may be in use.
    sessions : Path or None
        Where Open MPI has its own, None for the directory of temporary files.
    """
    since, sessions = 0.0 if sees_all_processes() else since - _TICK_S, sessions or temporary_directory()
    removed = _removed(memory, _SEGMENTS, since, _is_segment_in_use)
    removed += _removed(temporary, (_TOPOLOGIES,), since, _is_topology_in_use)
    return removed + _removed(sessions, (_SESSIONS,), since, _is_session_in_use)


def temporary_directory() -> Path:
    """Return where programs put temporary files, without trying to write there, which fails on a full disk."""
    chosen = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return Path(next((name for name in chosen if name), _TEMPORARY))


def _removed(
    folder: Path, patterns: tuple[str, ...], since: float, is_in_use: Callable[[list[Path]], Callable[[Path], bool]]
) -> list[Path]:
    """Remove leftovers that are old enough and not in use, as far as that can be done."""
    with suppress(OSError):
        own = [path for pattern in patterns for path in folder.glob(pattern) if _is_own(path, since)]
        used = is_in_use(own)
        return [path for path in own if not used(path) and _remove(path)]
    return []


def _is_own(path: Path, since: float) -> bool:
    with suppress(OSError):
        status = path.lstat()
        is_plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        return is_plain and status.st_uid == os.geteuid() and status.st_mtime >= since
    return False


def _remove(path: Path) -> bool:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return True
    return False


def _is_segment_in_use(segments: list[Path]) -> Callable[[Path], bool]:
    names = set(_names_in_use()) if segments else set()
    return lambda path: path.name in names


def _names_in_use() -> Iterator[str]:
    """Yield the names of the files that processes of this user have mapped or open."""
    for process in (*own_processes(), os.getpid()):
        directory = Path("/proc", str(process))
        with suppress(OSError):
            for line in (directory / "maps").read_text(errors="replace").splitlines():
                yield line.rpartition("/")[2]
        with suppress(OSError):
            for entry in os.scandir(directory / "fd"):
                with suppress(OSError):
                    yield Path(entry.path).readlink().name


def _is_topology_in_use(files: list[Path]) -> Callable[[Path], bool]:
    """A launcher writes the file when its ranks start MPI, which read it at once; it removes it at its end."""
    ages = [age_s(process) for process in own_processes() if is_launcher(process)] if files else []

    def is_in_use(path: Path) -> bool:
        file_age = time.time() - path.stat().st_mtime
        return any(-1 < age - file_age < _STARTS_WITHIN_S for age in ages)

    return is_in_use


def _is_session_in_use(_sessions: list[Path]) -> Callable[[Path], bool]:
    def is_in_use(session: Path) -> bool:
        process = session.suffix.removeprefix(".")
        return not process.isdecimal() or not session.is_dir() or _may_be_of(int(process), session)

    return is_in_use


def _may_be_of(process: int, path: Path) -> bool:
    """Tell whether a process lives and is as old as a file; another one may have got its number since."""
    return time.time() - path.stat().st_mtime - _TICK_S < age_s(process) < math.inf
