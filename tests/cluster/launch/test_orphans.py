"""What outlives a job is ended, wherever it hangs and whether it is stopped; others are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch.orphans import end_orphans, end_processes
from ddp_mlp.cluster.launch.process import StopRequests, ask_job, run_job
from ddp_mlp.cluster.launch.processes import STARTED_BY, own_mark

#: A launcher that ends, above a process that has been stopped and holds its output, above one that sleeps.
JOB = """
import os, subprocess, sys
below = subprocess.Popen([sys.executable, "-c", '''
import os, subprocess, sys, time
print(os.getpid(), subprocess.Popen(["sleep", "1000"]).pid, file=sys.stderr, flush=True)
os.kill(os.getpid(), 19)
'''], stderr=subprocess.PIPE, text=True, start_new_session=True)
open(sys.argv[1], "w").write(below.stderr.readline())
{end}
"""


@pytest.fixture
def requests():
    with StopRequests() as requests:
        yield requests


def left(path: Path) -> list[str]:
    processes = path.read_text().split()
    assert len(processes) == 2
    return [process for process in processes if os.path.exists(f"/proc/{process}/exe")]  # noqa: PTH110


@pytest.mark.parametrize(("end", "code"), [("os.kill(os.getpid(), 9)", 137), ("sys.exit(7)", 7), ("", 0)])
def test_nothing_of_a_job_is_left_and_others_are(tmp_path, requests, end, code):
    other = subprocess.Popen(["sleep", "1000"])
    try:
        command = [sys.executable, "-c", JOB.replace("{end}", end), str(tmp_path / "pids")]
        assert run_job(command, dict(os.environ), requests) == code
        assert left(tmp_path / "pids") == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_nothing_of_a_question_is_left(tmp_path):
    command = [sys.executable, "-c", JOB.replace("{end}", "sys.exit(7)"), str(tmp_path / "pids")]
    with pytest.raises(subprocess.TimeoutExpired):  # what was stopped holds its output
        ask_job(command, dict(os.environ), 2.0)
    assert left(tmp_path / "pids") == []
    assert ask_job(["echo", "hello"], dict(os.environ), 10.0).stdout == "hello\n"
    with pytest.raises(OSError, match="nowhere"):
        ask_job(["/nowhere"], dict(os.environ), 10.0)


def test_orphans_of_earlier_starts_are_ended(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    mark = replace(own_mark(), process=gone.pid)
    orphan = subprocess.Popen(["sleep", "1000"], env={**os.environ, STARTED_BY: str(mark)})
    os.kill(orphan.pid, signal.SIGSTOP)
    time.sleep(0.05)
    assert end_orphans() == 1
    assert orphan.wait() == -signal.SIGKILL
    assert end_orphans() == 0


def test_without_processes_it_returns_at_once():
    started = time.monotonic()
    end_processes(replace(own_mark(), since=1))
    assert time.monotonic() - started < 1
