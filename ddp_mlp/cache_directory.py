"""The private directory of things that can be made again: machine code, timed placements, hashes of data files."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_root() -> Path:
    """Return the directory of all that is kept: ``DDP_MLP_CACHE_DIR``, else the user's cache, else one in ``/tmp``."""
    if chosen := os.environ.get("DDP_MLP_CACHE_DIR"):
        return Path(chosen)
    return user_root()


def user_root() -> Path:
    """Return the user's own cache, which also serves where the chosen one is shared, and lacks what is looked for."""
    with suppress(RuntimeError):  # a user without a home
        caches = [Path(os.environ.get("XDG_CACHE_HOME", "")), Path.home() / ".cache"]
        if absolute := [path for path in caches if path.is_absolute()]:  # of the others the XDG standard says: ignore
            return absolute[0] / "ddp-mlp"
    return fallback_root()


def fallback_root() -> Path:
    """Return the directory in ``/tmp`` that serves where the cache cannot be used."""
    directory = Path("/tmp")  # noqa: S108 - private by `is_private`
    with suppress(OSError):  # nothing can be written anywhere
        directory = Path(tempfile.gettempdir()).resolve()
    return directory / f"ddp-mlp-{os.getuid()}"


def is_private(directory: Path) -> bool:
    """Tell whether nobody can write there who could not change this program anyway: they could have it run code."""
    try:
        status = directory.lstat()  # in /tmp, others can make links
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and is_ours(status)


def is_ours(status: os.stat_result) -> bool:
    """Tell whether a file or directory is of this user, root, or who owns this program, and others cannot write it."""
    owners = {0, os.getuid()}
    with suppress(OSError):  # the program may be closed to a user that this process has become
        owners.add(Path(__file__).stat().st_uid)
    return status.st_uid in owners and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
