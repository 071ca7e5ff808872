"""A bound on the memory of the whole process, kept by the kernel while a stranger's file is taken in.

How much memory libhdf5 takes for a text or a block of metadata is what the file says, and it offers no way to ask
before: ten thousand names may all be one megabyte in one place. So the kernel is told how much more the process may
have for the moment. What asks for more gets none, which libhdf5 and Python pass on as an error.
"""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATM = Path("/proc/self/statm")
_DATA_PAGES = 5  # place of the pages of heap, private mappings and stack among the numbers of statm

# The limit is one for the process: two threads that set and restore it in turn could leave it behind.
_ONE_AT_A_TIME = RLock()


@dataclass(frozen=True)
class MemoryLimit:
    """The limit that holds in a block of `limited_memory`, if it is one of ours."""

    is_ours: bool

    def allow(self, n_bytes: int) -> None:
        """Let the process take so much more until the end of the block, for a request that has passed a check."""
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if self.is_ours:
            resource.setrlimit(resource.RLIMIT_DATA, (soft + n_bytes, hard))


@contextmanager
def limited_memory(n_bytes: int) -> Iterator[MemoryLimit]:
    """Let the process take at most `n_bytes` more memory in the block; within another block no more than that allows.

    Where the kernel does not say how much there is now (no /proc), nothing is limited.
    """
    with _ONE_AT_A_TIME:
        taken = _taken_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = taken + n_bytes
        is_lower = bool(taken) and (soft == resource.RLIM_INFINITY or soft > limit)
        if is_lower:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
        try:
            yield MemoryLimit(is_lower)
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _taken_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[_DATA_PAGES]) * resource.getpagesize()
    except (OSError, LookupError, ValueError):
        return 0
