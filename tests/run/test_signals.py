"""Requests to stop are kept until a run listens, and then heard once."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASKED_TOO_EARLY = """
import os, signal
from ddp_mlp.run.signals import StopSignals, hold_stop_signals
{hold}
os.kill(os.getpid(), signal.{number})
heard = []
with StopSignals(heard.append):
    pass
print(*heard)
"""


@pytest.mark.parametrize("number", ["SIGUSR1", "SIGTERM"])
def test_a_request_before_anyone_listens_is_kept(number):
    def ask(hold):
        code = _ASKED_TOO_EARLY.format(hold=hold, number=number)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    held = ask("hold_stop_signals()")
    assert (held.returncode, held.stdout.strip()) == (0, number), held.stderr
    assert ask("").returncode < 0  # otherwise it ends the process
