"""What nobody has foreseen is one line with an exit code, and where it came from is told on request."""

from __future__ import annotations

import errno

import pytest

from ddp_mlp.errors import DataError
from ddp_mlp.unforeseen import plain_error, shows_tracebacks, traceback_of


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code", "phrase"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "x.h5"), 66, "x.h5: No such file"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), 66, "/a: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 100_000), 66, "File name too long"),
        (OSError(errno.EIO, "Input/output error", "/d"), 74, "/d: Input/output error"),
        (OSError(errno.EFBIG, "File too large", "/d"), 74, "ulimit -f"),
        (OSError(errno.EMFILE, "Too many open files"), 74, "ulimit -n"),
        (OSError(errno.ENOSPC, "No space left"), 74, "make room"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 70, "ulimit -u"),
        (RuntimeError("can't start new thread"), 70, "ulimit -u"),
        (Exception("Failed to launch worker thread: Resource temporarily unavailable"), 70, "ulimit -u"),
        (MemoryError(), 70, "ulimit -v"),
        (ImportError("libx.so: failed to map segment from shared object"), 70, "ulimit -v"),
        (ValueError("odd\nvalue"), 70, "internal error: ValueError: odd value (test_unforeseen.py, line "),
        (KeyError(), 70, "internal error: KeyError (test_unforeseen.py"),
        (RecursionError("too deep"), 70, "DDP_MLP_TRACEBACK=1 shows the traceback"),
    ],
)
def test_each_is_one_short_line(error: Exception, code: int, phrase: str) -> None:
    plain = plain_error(raised(error))
    assert plain.exit_code == code
    assert phrase in str(plain)
    assert "\n" not in str(plain)
    assert len(str(plain)) < 1000


def test_what_an_error_stands_for_is_told() -> None:
    """As llvmlite hides what the C library says."""
    error = OSError("Could not find/load shared object file")
    error.__context__ = OSError("libllvmlite.so: failed to map segment from shared object")
    assert "ulimit -v" in str(plain_error(error))


def test_errors_of_the_package_stay_as_they_are() -> None:
    error = DataError("as it is")
    assert plain_error(error) is error


def test_a_traceback_that_was_kept_is_pointed_to() -> None:
    error = raised(ValueError("odd"))
    assert traceback_of(error).splitlines()[-1] == "ValueError: odd"
    error.add_note("traceback in runs/c/log.txt")
    assert str(plain_error(error)).endswith("; traceback in runs/c/log.txt")


def test_a_traceback_is_asked_for() -> None:
    texts = ("1", "yes", "0", "")
    assert [shows_tracebacks({"DDP_MLP_TRACEBACK": text}) for text in texts] == [True, True, False, False]
    assert not shows_tracebacks({})
