"""Processes that a job leaves when its launcher is killed: they come to this process, which ends them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Set
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_S = 10.0


def adopt_orphans() -> frozenset[int]:
    """Let processes below this one whose parents end become its children; return those it has already.

    Only Linux knows that; elsewhere they are left to the system.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    return frozenset(_children())


def end_orphans(but: Set[int]) -> None:
    """Kill all children of this process but those; return when they are gone, and theirs too."""
    until = time.monotonic() + _LONGEST_S
    while (orphans := _children() - but) and time.monotonic() < until:
        for process in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)


def _children() -> set[int]:
    """Return the processes whose parent is this one."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(process) for path in lists for process in path.read_text().split()}
