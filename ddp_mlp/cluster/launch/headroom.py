"""Whether limits of the system leave room for a job: where they do not, MPI libraries hang or die in many words."""

from __future__ import annotations

import _thread
import os
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ddp_mlp.errors import LaunchError

#: Processes that a launcher has beside the ranks: itself, and one for each machine.
_BESIDE = 2
#: Threads of a rank beside those that compute, its first one too; and those of rank 0 more.
_OF_A_RANK, _OF_RANK_0 = 3, 2
_STACK_BYTES = 2**16
_END_S = 1.0
#: What is worth a word where a job has died: the limit, its name for `ulimit`, and below how much.
_LOW = (
    ("open files", resource.RLIMIT_NOFILE, "n", 256),
    ("bytes of memory", resource.RLIMIT_AS, "v", 2**32),
    ("bytes of data", resource.RLIMIT_DATA, "d", 2**32),
    ("seconds", resource.RLIMIT_CPU, "t", 2**32),
    ("processes", resource.RLIMIT_NPROC, "u", 256),
)


def check_threads(n_ranks: int, threads: int) -> None:
    """Raise LaunchError if this user cannot have the processes and threads that so many ranks here are made of.

    Parameters
    ----------
    threads : int
        That compute, of each rank.
    """
    needed = _BESIDE + n_ranks * (_OF_A_RANK + threads) + _OF_RANK_0
    found = _startable(needed)
    if found < needed:
        raise LaunchError(
            f"{n_ranks} ranks need {needed} processes and threads, and this user can start {found} more; raise "
            "the limit (ulimit -u, or that of the container), close other programs, or take fewer ranks"
        )


def _startable(n: int) -> int:
    """Return how many threads there can be at once, `n` at most: each counts as a process does.

    Not those of `threading`, which wait for ever for one that has died of too little memory before it could say so.
    """
    enough, ended = threading.Event(), threading.Semaphore(0)

    def stay() -> None:
        enough.wait()
        ended.release()

    started, usual = 0, threading.stack_size(_STACK_BYTES)  # of an address space that each rank has for itself
    with suppress(RuntimeError, MemoryError):
        for _ in range(n):
            _thread.start_new_thread(stay, ())
            started += 1
    threading.stack_size(usual)
    enough.set()
    for _ in range(started):
        ended.acquire(timeout=_END_S)
    return started


def shortages() -> str:
    """Return a hint at limits of the system that a job may have died of; empty where all is ample."""
    lacks = "; there is no /proc, without which MPI libraries may not start" if _has_no_proc() else ""
    limits = ", ".join(_low_limits())
    return f"{lacks}; there are limits that may be too low: {limits}" if limits else lacks


def _has_no_proc() -> bool:
    return sys.platform == "linux" and not Path("/proc/self").exists()


def _low_limits() -> Iterator[str]:
    for what, number, option, ample in _LOW:
        limit = resource.getrlimit(number)[0]
        if (
            limit != resource.RLIM_INFINITY and limit < ample and (option != "u" or os.geteuid())
        ):  # root has no such one
            yield f"{limit} {what} (ulimit -{option})"
