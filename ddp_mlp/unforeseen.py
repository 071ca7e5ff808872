"""Unforeseen failures of the system and of this program, as one line and an exit code."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Mapping
from pathlib import Path

from ddp_mlp.errors import DdpMlpError, MissingInputError, StorageError, printable

#: Asks for the traceback of an error that is this program's own.
TRACEBACK = "DDP_MLP_TRACEBACK"

_PLACES = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
#: The limit of the system that was reached, and the remedy.
_LIMITS = {
    errno.EMFILE: "raise the number of open files (ulimit -n)",
    errno.ENFILE: "the machine has no more open files; close other programs",
    errno.EAGAIN: "raise the number of processes (ulimit -u) or the memory (ulimit -v), or close other programs",
    errno.ENOMEM: "use a machine with more memory, or raise its limit (ulimit -v)",
    errno.EFBIG: "raise the size of files (ulimit -f)",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or ask for a larger quota",
}
_SYSTEMS_OWN = (errno.EAGAIN, errno.ENOMEM)
_NO_THREADS = ("can't start new thread", "Failed to launch worker thread")  # of Python, Arrow
_NO_MAPPING = ("failed to map segment", "cannot allocate memory")  # of the C library


def plain_error(error: BaseException) -> DdpMlpError:
    """Return an exception as an error that a command may end with; those of this package as they are.

    Examples
    --------
    >>> plain_error(FileNotFoundError(2, "No such file or directory", "x.h5"))
    MissingInputError('x.h5: No such file or directory')
    """
    if isinstance(error, DdpMlpError):
        return error
    number = _limit_of(error)
    if number is not None:
        kind = DdpMlpError if number in _SYSTEMS_OWN else StorageError
        return kind(f"{_where(error)}{os.strerror(number)}: {_LIMITS[number]}")
    if isinstance(error, OSError) and error.strerror:
        kind = MissingInputError if error.errno in _PLACES else StorageError
        return kind(f"{_where(error)}{error.strerror}")
    return DdpMlpError(f"internal error: {_last_line(error)} ({_place_of(error)}){_advice(error)}")


def shows_tracebacks(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the user wants to see where an error came from."""
    return environment.get(TRACEBACK, "0") not in ("", "0")


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error as lines without the last line end."""
    return "".join(traceback.format_exception(error)).rstrip("\n")


def _limit_of(error: BaseException) -> int | None:
    """Return the number of the system's error for a limit that was reached, whoever has met it."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if any(sign in str(error) for sign in _NO_THREADS):
        return errno.EAGAIN
    if isinstance(error, ImportError | OSError) and any(sign in str(error).lower() for sign in _NO_MAPPING):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is None and error.__context__:  # which it stands for
        return _limit_of(error.__context__)
    return error.errno if isinstance(error, OSError) and error.errno in _LIMITS else None


def _where(error: BaseException) -> str:
    names = [getattr(error, "filename", None), getattr(error, "filename2", None)]
    named = " -> ".join(os.fsdecode(name) for name in names if isinstance(name, str | bytes | Path))
    return f"{printable(named)}: " if named else ""


def _last_line(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _place_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "nowhere"


def _advice(error: BaseException) -> str:
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("traceback")]
    return f"; {notes[0] if notes else f'{TRACEBACK}=1 shows the traceback'}"
