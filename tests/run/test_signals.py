"""Requests to stop are kept until a run listens, and then heard once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ddp_mlp.run.signals import StopRequest, leave_late, pending_stop, stop_signals_held

_ASKED_TOO_EARLY = """
import os, signal
from contextlib import nullcontext
from ddp_mlp.run.signals import StopSignals, stop_signals_held
heard = []
with {held}():
    os.kill(os.getpid(), signal.{number})
    with StopSignals(heard.append):
        pass
print(*heard)
"""


def _python(code):
    command = [sys.executable, "-u", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", ["SIGUSR1", "SIGTERM"])
def test_a_request_before_anyone_listens_is_kept(number):
    def ask(held):
        return _python(_ASKED_TOO_EARLY.format(held=held, number=number))

    held = ask("stop_signals_held")
    assert (held.returncode, held.stdout.strip()) == (0, number), held.stderr
    assert ask("nullcontext").returncode < 0  # otherwise it ends the process


_ASKED_TOO_LATE = """
import os, signal
from ddp_mlp.run.signals import StopSignals, pending_stop, stop_signals_held
heard = []
with stop_signals_held():
    with StopSignals(heard.append):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    print(pending_stop())
    os.kill(os.getpid(), signal.SIGUSR1)
print(*heard, *signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGTERM).name)
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_request_after_the_last_run_ends_nothing_and_leaves_nothing():
    ended = _python(_ASKED_TOO_LATE)
    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGTERM, ["SIGTERM", "SIG_DFL"]), ended.stderr


def test_a_request_that_came_before_there_was_a_trainer_reaches_it():
    passed_on = []
    stop = StopRequest()
    stop.ask("SIGTERM")
    stop.pass_to(lambda: passed_on.append(1))
    assert (stop.by, passed_on) == ("SIGTERM", [1])
    stop.ask("--max-time")
    assert (stop.by, passed_on) == ("SIGTERM", [1, 1])


def test_a_request_that_a_run_heard_too_late_is_for_whoever_goes_on():
    with stop_signals_held():
        leave_late("SIGINT")
        assert (pending_stop(), pending_stop()) == ("SIGINT", "")
        leave_late("--max-time")  # of that run alone
        leave_late("")
        assert pending_stop() == ""
        leave_late("SIGTERM")
    assert pending_stop() == ""  # and nobody went on
