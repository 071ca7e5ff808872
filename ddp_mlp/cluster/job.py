"""One start of a job under its launcher: signals go through to it, and nothing of it stays."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from ddp_mlp.cluster.orphans import adopt_orphans, end_orphans

#: Codes of jobs that print a result: done, a comparison that failed, stopped on request.
_WITH_RESULT = (0, 1, 75)

_PR_SET_PDEATHSIG = 1
_C_LIBRARY = ctypes.CDLL(None)


class StopRequests:
    """Signals to this process, handed on to the job that runs.

    The first request becomes SIGUSR1, which launchers hand to the ranks: they save and
    leave. At SIGTERM launchers kill the ranks instead, so it is passed on only when it comes
    again. A second Ctrl-C kills the launcher, whose ranks cannot stay without it; ranks that
    are stuck would not hear anything less.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = threading.Event()
        self.interrupts = 0
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._receive)

    def hand_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass requests on to this process from now on."""
        self._process = process

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a request comes; return whether one has come."""
        return self._asked.wait(seconds)

    def _receive(self, number: int, _frame: object) -> None:
        self.interrupts += number == signal.SIGINT
        if self._process and self.interrupts > 1:
            self._process.kill()
        elif self._process:
            self._process.send_signal(number if self._asked.is_set() else signal.SIGUSR1)
        self._asked.set()


def run_job(command: Sequence[str], environment: Mapping[str, str], requests: StopRequests) -> int:
    """Run a command to its end and return its exit code, 128 + the signal if one ended it.

    What it prints is a result that comes at the end. It is held back until then, because
    launchers tell of killed ranks on standard output, where a reader expects results only.
    """
    others = adopt_orphans()
    process = subprocess.Popen(
        list(command),
        env=dict(environment),
        stdout=subprocess.PIPE,
        start_new_session=True,  # so that a Ctrl-C in the terminal comes through here only
        preexec_fn=_end_with_parent,
    )
    requests.hand_to(process)
    output = process.communicate()[0]
    code = process.returncode
    if code:
        end_orphans(others)
    stream = sys.stdout if code in _WITH_RESULT else sys.stderr
    stream.write(output.decode(errors="replace"))
    stream.flush()
    if requests.interrupts > 1:
        return 130
    return code if code >= 0 else 128 - code


def _end_with_parent() -> None:
    """Let the kernel ask this process to end when its parent is killed."""
    _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
