"""One start of a job: requests to stop reach it, its exit code survives all else, stopped launchers are woken."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch import process as job
from ddp_mlp.cluster.launch.process import StopRequests, run_job
from ddp_mlp.errors import LaunchError
from tests.tiers import thorough


@pytest.fixture
def requests():
    with StopRequests() as requests:
        yield requests


def run(requests: StopRequests, script: str) -> int:
    return run_job([sys.executable, "-c", script], dict(os.environ), requests)


class Unwritable:
    """A standard stream that nobody reads, or whose disk is full."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, _text: str) -> None:
        raise self.error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left"), BrokenPipeError(), ValueError("closed")])
@pytest.mark.parametrize("code", [0, 70, 75])
def test_output_that_cannot_be_printed_does_not_change_the_code(requests, monkeypatch, error, code):
    monkeypatch.setattr(sys, "stdout", Unwritable(error))
    monkeypatch.setattr(sys, "stderr", Unwritable(error))
    assert run(requests, f"print('a result'); raise SystemExit({code})") == code


def test_a_command_that_cannot_be_started_is_one_line(requests, tmp_path):
    with pytest.raises(LaunchError, match="cannot be started"):
        run_job([str(tmp_path / "none")], dict(os.environ), requests)


@pytest.mark.parametrize("times", [1, thorough(2)])
@pytest.mark.parametrize("hearing", ["signal.signal(10, lambda *_: exit(75))", "signal.pthread_sigmask(0, [10])"])
def test_a_request_is_kept_until_ranks_hear_it(requests, monkeypatch, times, hearing):
    """They would die of it while they import, and the job would count as one that failed."""
    monkeypatch.setattr(job, "_LOOK_S", 0.05)
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGUSR1)
    held = "exit(75 if signal.sigtimedwait([10], 20) else 1)"
    assert run(requests, f"import signal, time; time.sleep(0.3); {hearing}; {held}; time.sleep(20)") == 75


def test_a_request_to_ranks_that_never_hear_is_handed_on(requests, monkeypatch):
    monkeypatch.setattr(job, "_LOOK_S", 0.05)
    monkeypatch.setattr(job, "_KEPT_S", 0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert requests.wait(0)
    assert run(requests, "import time; time.sleep(60)") == 128 + signal.SIGUSR1


@pytest.mark.parametrize("others", [0, 1])
def test_a_stopped_launcher_goes_on_when_a_rank_has_ended(requests, monkeypatch, tmp_path, others):
    """It starts ranks and stops; one ends, and any others are stopped: nobody but `launch` can notice."""
    monkeypatch.setattr(job, "_LOOK_S", 0.05)
    monkeypatch.setattr(job, "is_launcher", lambda process: str(process) == (tmp_path / "launcher").read_text())
    script = f"""
import os, subprocess, time
open({str(tmp_path / "launcher")!r}, "w").write(str(os.getpid()))
rank = subprocess.Popen(["sleep", "0.5"])
for _ in range({others}):
    os.kill(subprocess.Popen(["sleep", "1000"]).pid, 19)
os.kill(os.getpid(), 19)
rank.wait()
raise SystemExit(7)
"""
    (tmp_path / "launcher").write_text("")
    began = time.monotonic()
    assert run(requests, script) == 7
    assert 0.4 < time.monotonic() - began < 30
    assert Path(tmp_path / "launcher").read_text().isdecimal()


def test_a_launcher_that_is_stopped_before_ranks_were_seen_goes_on(requests, monkeypatch, tmp_path):
    """Its proxy has been killed between two looks; with all of its job alive it may stay stopped."""
    monkeypatch.setattr(job, "_LOOK_S", 0.3)
    monkeypatch.setattr(job, "is_launcher", lambda process: str(process) == (tmp_path / "launcher").read_text())
    script = f"""
import os, subprocess
open({str(tmp_path / "launcher")!r}, "w").write(str(os.getpid()))
proxy = subprocess.Popen(["true"])
os.kill(os.getpid(), 19)
raise SystemExit(proxy.wait() + 7)
"""
    (tmp_path / "launcher").write_text("")
    assert run(requests, script) == 7


def test_a_launcher_that_stays_when_its_ranks_are_gone_is_ended(requests, monkeypatch, tmp_path):
    """As Open MPI's does where a rank that was joining the world has been killed."""
    monkeypatch.setattr(job, "_LOOK_S", 0.05)
    monkeypatch.setattr(job, "_STAYS_S", 0.2)
    monkeypatch.setattr(job, "is_launcher", lambda found: str(found) == (tmp_path / "launcher").read_text())
    script = f"""
import os, subprocess, time
open({str(tmp_path / "launcher")!r}, "w").write(str(os.getpid()))
subprocess.run(["sleep", "0.5"])
time.sleep(1000)
"""
    (tmp_path / "launcher").write_text("")
    assert run(requests, script) == 128 + signal.SIGKILL
