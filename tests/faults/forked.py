"""Work in a forked child of this warm process, which may crash or hang: the parent is told how it ended."""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: Exit code of a child whose work raised an exception.
RAISED = 70


class Forked:
    """A child that does one job after the other; a job and its result are values for JSON."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        job_out, self._jobs = os.pipe()
        self._results, result_in = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._jobs)
            os.close(self._results)
            _serve(work, job_out, result_in)
        os.close(job_out)
        os.close(result_in)
        self._said = b""

    def give(self, job: Any) -> None:
        """Let the child begin a job."""
        os.write(self._jobs, json.dumps(job).encode() + b"\n")

    def fileno(self) -> int:
        """Return what is readable when a result has come, or the child is gone."""
        return self._results

    def result(self, deadline_s: float) -> Any:
        """Return the result of the job.

        Raises
        ------
        ChildProcessError
            If it crashed, raised an exception, or had none within the time; then the child is gone.
        """
        while not self._said.endswith(b"\n"):
            ready, _, _ = select.select([self._results], [], [], deadline_s)
            more = os.read(self._results, 2**16) if ready else b""
            if not more:
                raise ChildProcessError(self._ended() if ready else f"no end within {deadline_s:g} s{self.end()}")
            self._said += more
        said, self._said = self._said, b""
        return json.loads(said)

    def _ended(self) -> str:
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        self._close()
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def end(self) -> str:
        """Kill the child, if it is there."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            self._close()
        return ""

    def _close(self) -> None:
        os.close(self._jobs)
        os.close(self._results)


def _serve(work: Callable[[Any], Any], jobs: int, results: int) -> None:
    """Be the child: work until nobody gives any more."""
    threading.excepthook = _end_with
    faulthandler.disable()  # a crash is what is looked for: the parent tells of it
    try:
        with os.fdopen(jobs) as lines, os.fdopen(results, "w") as out:
            for line in lines:
                out.write(json.dumps(work(json.loads(line))) + "\n")
                out.flush()
    except BaseException:
        traceback.print_exc()
        _leave(RAISED)
    _leave(0)


def _end_with(arguments: threading.ExceptHookArgs) -> None:
    """End the child if one of its threads fails: the others would wait for it for ever."""
    traceback.print_exception(arguments.exc_value)
    _leave(RAISED)


def _leave(code: int) -> None:
    with suppress(BaseException):
        sys.stderr.flush()
    os._exit(code)


def ends_well(work: Callable[[], Any], deadline_s: float = 60.0) -> str:
    """Run something once in a child; return how it failed, in words, or nothing."""
    child = Forked(lambda _: (work(), "")[1])
    child.give(None)
    try:
        child.result(deadline_s)
    except ChildProcessError as failure:
        return str(failure)
    child.end()
    return ""
