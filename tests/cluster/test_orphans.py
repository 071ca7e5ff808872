"""What outlives a job comes to the process that started the job, and ends there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from ddp_mlp.cluster.job import StopRequests, run_job
from ddp_mlp.cluster.orphans import adopt_orphans, end_orphans

#: A launcher that is killed, above a process that has been stopped, above one that sleeps.
JOB = """
import os, subprocess, sys
below = subprocess.Popen([sys.executable, "-c", '''
import os, subprocess, sys, time
print(os.getpid(), subprocess.Popen(["sleep", "1000"]).pid, file=sys.stderr, flush=True)
os.kill(os.getpid(), 19)
'''], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
open(sys.argv[1], "w").write(below.stderr.readline())
os.kill(os.getpid(), 9)
"""


def test_nothing_of_a_killed_job_is_left_and_others_are(tmp_path):
    other = subprocess.Popen(["sleep", "1000"])
    handlers = {n: signal.getsignal(n) for n in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        code = run_job([sys.executable, "-c", JOB, str(tmp_path / "pids")], dict(os.environ), StopRequests())
        assert code == 128 + signal.SIGKILL
        processes = (tmp_path / "pids").read_text().split()
        assert len(processes) == 2
        assert [process for process in processes if os.path.exists(f"/proc/{process}")] == []  # noqa: PTH110
        assert other.poll() is None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        other.kill()
        other.wait()


def test_without_orphans_it_returns_at_once():
    started = time.monotonic()
    end_orphans(adopt_orphans())
    assert time.monotonic() - started < 1
