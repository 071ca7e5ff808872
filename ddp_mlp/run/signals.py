"""Requests to stop: a signal sets a flag, and nothing else happens in the handler.

The flag travels with the next gradient sum, so that all ranks see it at the same step,
save there and leave together. A second Ctrl-C does not wait.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

#: Signals that ask a run to save its state and leave.
STOP_SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
_HELD = (signal.SIGUSR1, signal.SIGTERM)
_NAMES = tuple(number.name for number in STOP_SIGNALS)
#: Requests that runs of this process heard when they were over.
_late: list[str] = []


@contextmanager
def stop_signals_held() -> Iterator[None]:
    """Keep requests of a launcher or batch system until `StopSignals` listens, and whenever it does not.

    They would end the process, which takes its time to import and to connect, and then to tell of its end. One that
    nobody has taken at the end came too late for what was done here.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        while pending_stop():
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def stop_signals_wait() -> Iterator[None]:
    """Keep requests, Ctrl-C too, until `StopSignals` listens; what nobody has taken is in the end the process's own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pending_stop() -> str:
    """Take a request that came while they are held, or late, and return the name of its signal; empty if none did."""
    if _late:
        return _late.pop()
    number = next((number for number in _HELD if number in signal.sigpending()), None)
    return "" if number is None else signal.Signals(signal.sigwait([number])).name


def leave_late(by: str) -> None:
    """Leave a request that a run heard when it was over to whoever goes on, who asks by `pending_stop`."""
    if by in _NAMES:
        _late.append(by)


class StopRequest:
    """A request to stop a run, which may come at any time, and who was the first to ask."""

    def __init__(self) -> None:
        self.by = ""
        self._pass_on: Callable[[], None] = lambda: None

    def ask(self, by: str) -> None:
        """Stop after the next step, or as soon as there is one."""
        self.by = self.by or by
        self._pass_on()

    def pass_to(self, request_stop: Callable[[], None]) -> None:
        """Pass requests on from now on, and one that came before."""
        self._pass_on = request_stop
        if self.by:
            request_stop()


class StopSignals:
    """While open, turns the first stop signal into a call, and a second Ctrl-C into the end.

    Parameters
    ----------
    on_request : callable
        Called once with the name of the signal. It must only set flags.
    """

    def __init__(self, on_request: Callable[[str], None]) -> None:
        self._on_request = on_request
        self._interrupted = False
        self._previous: dict[int, Any] = {}
        self._mask: set[int] = set()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # only the main thread may listen, and whoever runs it does so for all
        self._previous = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._previous:
            return
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._interrupted:
            os.write(2, b"\nerror: interrupted twice: ended at once; the last checkpoint is good\n")
            os._exit(130)
        self._interrupted = self._interrupted or number == signal.SIGINT
        self._on_request(signal.Signals(number).name)
