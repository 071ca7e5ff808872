"""Copies of a process: they do their part and end there, and none is made where a thread would be lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, signal, socket, sys, threading, time
from pathlib import Path
from subprocess import TimeoutExpired
os.environ["OMPI_COMM_WORLD_RANK"] = "3"
from ddp_mlp.study.execution.forked import Forked, may_fork

assert may_fork()
told = Path("told")

def tell():
    print("to nobody")
    told.write_text(os.environ.get("OMPI_COMM_WORLD_RANK", "of no job"))

assert Forked(tell).wait() == 0
assert told.read_text() == "of no job" and os.environ["OMPI_COMM_WORLD_RANK"] == "3"

def fail():
    raise ValueError("on purpose")

assert Forked(fail).wait(60) == 70

child = Forked(lambda: time.sleep(600))
try:
    child.wait(0.01)
    raise SystemExit("it was not waited for")
except TimeoutExpired:
    assert child.returncode is None
child.kill()
assert child.wait() == -signal.SIGKILL == child.returncode
child.kill()

release = threading.Event()
thread = threading.Thread(target=release.wait)
thread.start()
assert not may_fork()
release.set()
thread.join()
print("all is well")
"""

_POOL = """
from pathlib import Path
from ddp_mlp.study.execution.forked import Forked
from ddp_mlp.study.execution.pool import Processes
from ddp_mlp.comm import SingleProcess
from ddp_mlp.run.options import RunOptions
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.sampler import Listed
from ddp_mlp.study.study import Study

config = Path("c.toml")
config.write_text('[data]\\ntrain = "rows.h5"\\n')
study = Study(Listed([]), Configurations(config, (), SingleProcess()), RunOptions(Path("runs")), str)
with Processes(config, (), 2) as processes:
    first, second = (processes.workers[group] for group in range(2))
    assert isinstance(first.process, Forked) and isinstance(second.process, Forked)
    second.process.kill()
    assert second.line.wait() is None  # the first copy does not hold its line open
    second.process.wait()
    second.line.socket.close()
    del processes.workers[1]
    processes.begin(study)
    for worker in processes.workers.values():
        assert worker.line.wait() == {"kind": "ready"}
        worker.line.send({"kind": "end"})
    ends = [worker.process for worker in processes.workers.values()]
assert [process.returncode for process in ends] == [0, 0]
print("all is well")
"""


def _run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_copy_does_its_part_alone_and_tells_how_it_ended(tmp_path):
    done = _run(_SCRIPT, tmp_path)
    assert done.stdout == "all is well\n", done.stderr
    assert "ValueError: on purpose" in done.stderr


def test_processes_for_trials_are_copies_of_which_each_is_replaced_by_itself(tmp_path):
    done = _run(_POOL, tmp_path)
    assert done.stdout == "all is well\n", done.stderr
