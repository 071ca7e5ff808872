from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from ddp_mlp.cluster.launch.launch import launch_command, launch_environment
from ddp_mlp.cluster.launch.launchers import Launcher


def test_the_command_of_each_vendor():
    mpich = launch_command(Launcher("/x/mpiexec", "mpich"), 3, ["train", "c.toml"])
    assert mpich == ["/x/mpiexec", "-n", "3", sys.executable, "-m", "ddp_mlp", "train", "c.toml"]
    openmpi = launch_command(Launcher("/x/mpiexec", "openmpi"), 3, ["train"])
    assert openmpi[3:6] == ["--bind-to", "none", "--oversubscribe"]


def test_the_environment_sets_threads_and_keeps_the_rest():
    environment = launch_environment(Launcher("m", "mpich"), 4, {"A": "1"})
    assert environment == {"A": "1", "DDP_MLP_THREADS_PER_RANK": "4"}


def test_a_launch_waits_for_no_heavy_import():
    code = (
        "import sys, ddp_mlp.cluster.launch.launch; print([m for m in ('numpy', 'h5py', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def processes_with(marker):
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if marker in line and " ps " not in line]


@pytest.mark.thorough
@pytest.mark.mpi
def test_a_terminated_launch_leaves_no_rank_behind(tmp_path):
    (tmp_path / "c.toml").write_text('[data]\ntrain = "m.h5"\n[train]\nepochs = 1000000\nearly_stopping_patience = 0\n')
    run = [sys.executable, "-m", "ddp_mlp"]
    environment = {**os.environ, "DDP_MLP_PROGRESS": "none"}
    made = ["data", "make", "moons", "--samples", "5000", "--out", "m.h5"]
    subprocess.run([*run, *made], cwd=tmp_path, check=True, timeout=60, env=environment)
    command = [*run, "launch", "-n", "2", "train", "c.toml", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 90
        while not (tmp_path / "run" / "metrics.csv").exists():
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) != 0
        until = time.monotonic() + 10
        while processes_with(str(tmp_path / "run")) and time.monotonic() < until:
            time.sleep(0.1)
        assert processes_with(str(tmp_path / "run")) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
