"""One start of a job under its launcher: signals go through to it, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from ddp_mlp.cluster.launch.keeper import kept
from ddp_mlp.cluster.launch.mpi_leftovers import sweep
from ddp_mlp.cluster.launch.orphans import end_processes
from ddp_mlp.cluster.launch.processes import (
    STARTED_BY,
    Mark,
    has_dead_child,
    is_launcher,
    is_stopped,
    marked,
    ranks_hear,
)
from ddp_mlp.comm.liveness.lifeline import bound_to_this_process
from ddp_mlp.errors import LaunchError

#: Codes of jobs that print a result: done, a comparison that failed, stopped on request.
_WITH_RESULT = (0, 1, 75)
#: How often to look whether a job is still one.
_LOOK_S = 0.5
#: How long a request to stop is kept for ranks that do not listen yet, and would die of it.
_KEPT_S = 5.0
#: How long a launcher may stay when all its ranks have ended; Open MPI's waits for ever where one that was joining the
#: world is killed.
_STAYS_S = 5.0


_ASKED = b"\nCtrl-C: the ranks are asked to save and leave; once more ends them at once\n"


class StopRequests:
    """Signals to this process while it is open, handed on to the job that runs.

    The first request becomes SIGUSR1, which launchers hand to the ranks: they save and
    leave. At SIGTERM launchers kill the ranks instead, so it is passed on only when it comes
    again. A second Ctrl-C kills the launcher, whose ranks cannot stay without it; ranks that
    are stuck would not hear anything less.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = threading.Event()
        self._is_heard = False
        self._kept_until: float | None = None
        self.interrupts = 0
        self._previous: dict[int, Any] = {}
        self._mask: set[int] = set()

    def __enter__(self) -> Self:
        numbers = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._receive) for number in numbers}
        # Whoever started this process may have held them back until somebody listens.
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def hand_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass requests on to this process from now on, as soon as its ranks listen; see `look`."""
        self._process, self._is_heard = process, False
        if self._asked.is_set():  # before there was anybody to hear it
            self._kept_until = time.monotonic() + _KEPT_S

    def look(self, mark: Mark) -> None:
        """Find out whether the ranks of this mark listen; hand on a request if they do, or seem never to do so."""
        self._is_heard = self._is_heard or ranks_hear(mark, signal.SIGUSR1)
        self._hand_on()

    def _hand_on(self) -> None:
        is_due = self._kept_until is not None and (self._is_heard or time.monotonic() > self._kept_until)
        if is_due and self._process:
            self._kept_until = None
            self._process.send_signal(signal.SIGUSR1)

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a request comes; return whether one has come."""
        return self._asked.wait(seconds)

    def _receive(self, number: int, _frame: object) -> None:
        if number == signal.SIGINT and not self._asked.is_set() and self._process:
            with suppress(OSError):  # at once, since a signal may come between any two lines
                os.write(2, _ASKED)
        self.interrupts += number == signal.SIGINT
        if self._process and self.interrupts > 1:
            self._process.kill()
        elif self._process and not self._asked.is_set():
            self._kept_until = time.monotonic() + _KEPT_S
            self._hand_on()
        elif self._process and not (self._kept_until and number == signal.SIGUSR1):
            self._process.send_signal(number)
        self._asked.set()


def run_job(command: Sequence[str], environment: Mapping[str, str], requests: StopRequests) -> int:
    """Run a command to its end and return its exit code, 128 + the signal if one ended it.

    What it prints is a result that comes at the end. It is held back until then, because
    launchers tell of killed ranks on standard output, where a reader expects results only.

    Raises
    ------
    LaunchError
        If it cannot be started.
    """
    with kept() as mark:
        process = _started(command, {**environment, STARTED_BY: str(mark)})
        requests.hand_to(process)
        output = _output_of(process, mark, requests)
    code = process.returncode
    stream = sys.stdout if code in _WITH_RESULT else sys.stderr
    with suppress(OSError, ValueError):  # a reader that is gone, a full disk: the code of the job counts all the same
        stream.write(output.decode(errors="replace"))
        stream.flush()
    if requests.interrupts > 1:
        return 130
    return code if code >= 0 else 128 - code


def ask_job(
    command: Sequence[str], environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command that starts ranks for an answer on standard output; nothing of it lives or lies about afterwards.

    Raises
    ------
    OSError, subprocess.TimeoutExpired
        If it cannot be started, or takes longer than `timeout_s` seconds.
    """
    began = time.time()
    with kept() as mark:
        try:
            return subprocess.run(
                list(command), env={**environment, STARTED_BY: str(mark)}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", check=False, timeout=timeout_s,
                preexec_fn=bound_to_this_process(),
            )  # fmt: skip
        finally:
            end_processes(mark)
            sweep(began)


def _started(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that a Ctrl-C in the terminal comes through here only
            preexec_fn=bound_to_this_process(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LaunchError(f"{command[0]} cannot be started: {error}") from None


def _output_of(process: subprocess.Popen[bytes], mark: Mark, requests: StopRequests) -> bytes:
    """Wait until a job has ended and return its output; if it failed, nothing of it lives then.

    What outlives a launcher holds its output open, so the end of that alone is not waited for.
    """
    forsaken = _Forsaken(mark)
    while True:
        try:
            output = process.communicate(timeout=_LOOK_S)[0]
        except subprocess.TimeoutExpired:
            if process.poll() is None:
                requests.look(mark)
                forsaken.look(time.monotonic())
            else:
                end_processes(mark)
            continue
        if process.returncode:
            end_processes(mark)
        return output


class _Forsaken:
    """The launchers of a job; `look` wakes those that are stopped while one of theirs has died, and ends any that stay.

    Which ends all others of the job, stopped or not: a launcher kills them where one has failed.
    """

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._had_ranks = False
        self._since: float | None = None

    def look(self, now: float) -> None:
        """Act if a child of a stopped launcher has ended, or ranks were there and are not there any more."""
        processes = marked(self._mark)
        launchers = {process for process in processes if is_launcher(process)}
        for launcher in filter(is_stopped, launchers):
            if has_dead_child(launcher):
                with suppress(OSError):
                    os.kill(launcher, signal.SIGCONT)
        if len(processes) > len(launchers):
            self._had_ranks, self._since = True, None
        elif self._had_ranks and launchers:
            self._since = now if self._since is None else self._since
            if now - self._since > _STAYS_S:
                end_processes(self._mark)
