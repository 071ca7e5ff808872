"""The files that an MPI library would leave behind if all ranks were killed."""

from __future__ import annotations

import contextlib
from pathlib import Path

_SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - where the library puts its segments
#: Segments that MPICH unlinks only when all ends well.
_PREFIX = "mpich_shm_"


def mapped_segments(maps: str) -> set[Path]:
    """Return the segments of MPICH among the memory of a process that still have a name.

    Examples
    --------
    >>> mapped_segments("7f00-7f01 rw-s 0 00:1b 124    /dev/shm/mpich_shm_94_0")
    {PosixPath('/dev/shm/mpich_shm_94_0')}
    """
    paths = (line.split(None, 5)[5] for line in maps.splitlines() if f" {_SHARED_MEMORY}{_PREFIX}" in line)
    return {Path(path) for path in paths if not path.endswith(" (deleted)")}


def unlink_shared_memory() -> None:
    """Take the names from the segments that this process has mapped.

    Call it when all ranks of the node have mapped them. The memory then goes with the last
    process, however that ends.
    """
    with contextlib.suppress(OSError):
        for path in mapped_segments(Path("/proc/self/maps").read_text()):
            path.unlink(missing_ok=True)
