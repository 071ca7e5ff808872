"""Processes told apart although their ids are used again: by when each started, and by the start of the machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def boot_id() -> str:
    """Return the id of this start of the machine's kernel; empty where a container does not show it."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def life_of(pid: int) -> tuple[str, int] | None:
    """Return the state of a process of this machine, and when it started in ticks since boot; None if there is none."""
    try:
        # The second field is the name, in parentheses, and may hold anything, spaces too.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def start_of(pid: int) -> int | None:
    """Return when a process of this machine started, in ticks since boot; None if there is none."""
    life = life_of(pid)
    return life[1] if life else None
