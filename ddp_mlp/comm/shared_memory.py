"""Whether the file system behind shared memory has room: to write beyond it is SIGBUS, which says nothing."""

from __future__ import annotations

import os
import signal
import sys

from ddp_mlp.errors import StorageError

#: Where MPI libraries on Linux keep what the ranks of a node share.
_PLACE = "/dev/shm"  # noqa: S108
#: The start of MPI itself may fail in less than this, which is what containers have where nobody chooses.
_SMALL_BYTES = 64 * 2**20
#: Open MPI takes nothing of what would leave less than a twentieth of it free.
_SPARE = 1.05
_REMEDY = (
    "enlarge it (docker and podman: --shm-size, else: mount -o remount,size=... on it), remove what others left in it, "
    "or use threads instead of ranks: launch -n 1 --threads-per-rank"
)


def check_room(n_bytes: int, host: str) -> None:
    """Raise StorageError if so many bytes of shared memory cannot be had on this machine.

    Parameters
    ----------
    n_bytes : int
        That are about to be written.
    host : str
        Name of the machine, for the message.
    """
    try:
        found = os.statvfs(_PLACE)
    except OSError:  # another system, where it is kept elsewhere
        return
    free = found.f_bavail * found.f_frsize
    if n_bytes * _SPARE > free:
        raise StorageError(
            f"the ranks on {host} need {n_bytes / 2**20:.4g} MiB more of shared memory, and {_PLACE} has"
            f" {free / 2**20:.4g} of {found.f_blocks * found.f_frsize / 2**20:.4g} MiB left; {_REMEDY}"
        )


def suspicion(exit_code: int) -> str:
    """Return the likely fault of shared memory where a job died with this code; empty where it may well be fine.

    Launchers give a signal as their exit code, some with 128 added. To write where there is no room is SIGBUS.
    """
    try:
        found = os.statvfs(_PLACE)
    except OSError:
        return f"; there is no {_PLACE}, which MPI may need" if sys.platform == "linux" else ""
    if not os.access(_PLACE, os.W_OK):
        return f"; {_PLACE} cannot be written, which MPI may need: use threads instead of ranks, or mount it writable"
    total = found.f_blocks * found.f_frsize
    if exit_code % 128 != signal.SIGBUS and total >= _SMALL_BYTES:
        return ""
    return f"; {_PLACE} of {total / 2**20:.4g} MiB may have been too small: if so, {_REMEDY}"
