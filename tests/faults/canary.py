"""A directory that nobody may touch, and what the kernel says of those who do."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

_ALL_EVENTS = 0xFFF
_NONBLOCK = 0o4000
_EVENT_HEADER_BYTES = 16


@dataclass(frozen=True)
class Canary:
    """Files outside of the one that is read.

    Attributes
    ----------
    hdf5 : Path
        A file that holds whatever a link may ask for.
    raw : Path
        A file of zeros.
    """

    hdf5: Path
    raw: Path
    _descriptor: int

    def events(self) -> list[str]:
        """Return the names of the files that were opened, read, written or changed since the last call."""
        names = []
        try:
            while block := os.read(self._descriptor, 65536):
                while block:
                    length = int.from_bytes(block[12:_EVENT_HEADER_BYTES], "little")
                    name, block = block[_EVENT_HEADER_BYTES:][:length], block[_EVENT_HEADER_BYTES + length :]
                    names.append(name.rstrip(b"\0").decode())
        except BlockingIOError:
            return names
        return names


@contextmanager
def canary_in(folder: Path) -> Iterator[Canary]:
    """Make a directory in `folder` and watch over it."""
    home = folder / "canary"
    home.mkdir()
    with h5py.File(home / "other.h5", "w") as file:
        for name in ("x", "X", "y", "train/features", "train/targets", "parameters"):
            file[name] = np.ones(100)
    (home / "raw").write_bytes(bytes(4096))
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(_NONBLOCK)
    if descriptor < 0 or libc.inotify_add_watch(descriptor, os.fsencode(home), _ALL_EVENTS) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    try:
        yield Canary(home / "other.h5", home / "raw", descriptor)
    finally:
        os.close(descriptor)
