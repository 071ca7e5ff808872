"""Ending the processes of a job, wherever they hang in the tree of processes, and whether they run or are stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress

from ddp_mlp.cluster.launch.processes import Mark, left_by_the_dead, marked

_LONGEST_S = 10.0
_PAUSE_S = 0.005


def end_processes(mark: Mark) -> None:
    """Kill all processes that were started under this mark, and return when they are gone.

    After a while it returns in any case: one that hangs in a call of the system cannot be waited for.
    """
    until = time.monotonic() + _LONGEST_S
    while (left := marked(mark)) and time.monotonic() < until:
        _kill(left)


def end_orphans() -> int:
    """Kill the processes on this machine whose starter is gone, and return how many there were."""
    until, ended = time.monotonic() + _LONGEST_S, set[int]()
    while (left := left_by_the_dead()) and time.monotonic() < until:
        ended |= left
        _kill(left)
    return len(ended)


def _kill(processes: Collection[int]) -> None:
    for process in processes:
        with suppress(OSError):  # it has ended, or may not be killed
            os.kill(process, signal.SIGKILL)
    time.sleep(_PAUSE_S)
