"""Children that begin as copies of this process, so that what it has imported is not imported again."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

from ddp_mlp.comm.launcher import without_rank
from ddp_mlp.comm.liveness.lifeline import bound_to_this_process
from ddp_mlp.errors import DdpMlpError, StoppedError
from ddp_mlp.unforeseen import traceback_of

_LOOK_EVERY_S = 0.002


def may_fork() -> bool:
    """Tell whether this process may be copied: it has one thread, none is lost in the copy, and none holds a lock."""
    with suppress(OSError):
        return sys.platform == "linux" and len(list(Path("/proc/self/task").iterdir())) == 1
    return False


class Forked:
    """A child of this process, with the part of `subprocess.Popen` that a pool needs.

    Parameters
    ----------
    body : callable
        All that the child does.

    Attributes
    ----------
    returncode : int or None
        None while the child is not known to have ended; minus the number of a signal that ended it.
    """

    def __init__(self, body: Callable[[], None]) -> None:
        self.returncode: int | None = None
        bind = bound_to_this_process()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(bind, body)

    def wait(self, timeout: float | None = None) -> int:
        """Return how the child ended, once it has.

        Raises
        ------
        TimeoutExpired
            If it lives on for `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, 0 if until is None else os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() >= until:
                raise TimeoutExpired(["a copy of this process"], timeout or 0.0)
            else:
                time.sleep(_LOOK_EVERY_S)
        return self.returncode

    def kill(self) -> None:
        """End the child at once, if it lives."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def _live(bind: Callable[[], None], body: Callable[[], None]) -> None:
    """Do all that a child does, and end it: it must never return to what its parent was doing."""
    code = DdpMlpError.exit_code
    try:
        bind()
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        kept = without_rank(os.environ)
        for name in set(os.environ) - set(kept):
            del os.environ[name]
        body()
        code = 0
    except KeyboardInterrupt:
        code = StoppedError.exit_code
    except BaseException as error:
        with suppress(OSError):
            os.write(2, f"{traceback_of(error)}\n".encode())
    finally:
        os._exit(code)
