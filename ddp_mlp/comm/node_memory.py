"""Memory of a content that processes of a machine share which are no ranks of one group.

It is a file in the place of shared memory, named by what it holds. Whoever comes first fills it, others wait; a lock
on it lasts as long as a process uses it, so that the last one takes the name away, or the next who looks for it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.plain_files import open_own

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

PLACE = Path("/dev/shm")  # noqa: S108 - where memory is that processes share
_PREFIX = "ddp-mlp-rows-"
#: Bytes before the content, of which the first tells whether that is whole.
_HEAD = 64


class NodeMemory:
    """Memory that holds one content.

    Attributes
    ----------
    content : ndarray of uint8
    """

    def __init__(self, descriptor: int, path: Path, memory: Bytes) -> None:
        self._descriptor, self._path, self._head = descriptor, path, memory[:_HEAD]
        self.content = memory[_HEAD:]

    @property
    def is_whole(self) -> bool:
        """Whether it was filled to its end."""
        return bool(self._head[0])

    def note_whole(self) -> None:
        """Say that it is filled."""
        self._head[0] = 1

    def close(self) -> None:
        """Use it no longer; the memory goes with the last array that does, in any process."""
        if self._descriptor < 0:
            return
        _unlink_unused(self._descriptor, self._path)
        os.close(self._descriptor)
        self._descriptor = -1


def node_memory(name: str, n_bytes: int, fill: Callable[[Bytes], None]) -> NodeMemory | None:
    """Return memory of a content, filled here or by another process; None where there is none to be shared.

    Parameters
    ----------
    name : str
        A hash of the content and its form.
    fill : callable
        Writes the content, of so many bytes, zeroed before.
    """
    sweep()
    path = PLACE / f"{_PREFIX}{os.geteuid()}-{name}"
    with suppress(OSError):  # no such place, or another user's file there
        while True:
            descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
            try:
                if found := _used(descriptor, path, _HEAD + n_bytes, fill):
                    return found
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its last user took the name away meanwhile, or who filled it was killed
    return None


def _used(descriptor: int, path: Path, size: int, fill: Callable[[Bytes], None]) -> NodeMemory | None:
    """Return the memory of a file that is whole, or was filled here; None if somebody has to try again."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # others use it, or one fills it
        if os.fstat(descriptor).st_nlink and os.fstat(descriptor).st_size == size:
            found = _mapped(descriptor, path, size)
            return found if found.is_whole else None
        return None
    if not os.fstat(descriptor).st_nlink:
        return None
    if os.fstat(descriptor).st_size != size:
        os.ftruncate(descriptor, 0)
    os.posix_fallocate(descriptor, 0, size)  # to write beyond what there is would be a signal, not an error
    found = _mapped(descriptor, path, size)
    if not found.is_whole:
        found.content[:] = 0  # a process that was killed may have left a part
        fill(found.content)
        found.note_whole()
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return found


def _mapped(descriptor: int, path: Path, size: int) -> NodeMemory:
    import numpy as np

    return NodeMemory(descriptor, path, np.frombuffer(mmap.mmap(descriptor, size), np.uint8))


def sweep() -> None:
    """Remove memory that killed processes of this user have left."""
    with suppress(OSError):
        for path in PLACE.glob(f"{_PREFIX}{os.geteuid()}-*"):
            with suppress(OSError):
                descriptor = open_own(path, os.O_RDWR)
                _unlink_unused(descriptor, path)
                os.close(descriptor)


def _unlink_unused(descriptor: int, path: Path) -> None:
    """Take the name away unless another process has a lock."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            path.unlink(missing_ok=True)
