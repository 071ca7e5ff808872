"""Asked to stop, all ranks save at the same step and leave; resumed, the bits are those of the run that went on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.runs import DEADLINE_S, ddp_mlp, make_long_run
from tests.tiers import thorough

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("stopping")
    make_long_run(path, 100_000)  # not over before it is asked to stop, however fast the machine is
    return path


def start(folder, name, ranks):
    command = [sys.executable, "-m", "ddp_mlp", "launch", "-n", str(ranks), "train", "c.toml", "--out", name, "--json"]
    environment = {**os.environ, "DDP_MLP_PROGRESS": "none"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_epochs(run, count, process):
    until = time.monotonic() + DEADLINE_S
    while not (run / "metrics.csv").exists() or len((run / "metrics.csv").read_text().splitlines()) <= count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "ranks", "then"),
    [(signal.SIGUSR1, 2, 3), thorough(signal.SIGTERM, 3, 1), thorough(signal.SIGINT, 1, 2)],
)
def test_a_stopped_run_resumed_on_other_ranks_ends_in_the_same_bits(folder, number, ranks, then):
    name = f"stopped-{number.name}"
    process = start(folder, name, ranks)
    try:
        wait_for_epochs(folder / name, 2, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 75, err
    stopped = json.loads(out)
    assert stopped["status"] == "stopped"
    assert stopped["steps"] > 0
    status = json.loads((folder / name / "status.json").read_text())
    assert (status["state"], status["exit_code"], status["steps"]) == ("stopped", 75, stopped["steps"])
    train = ("train", "c.toml", "--set", f"train.epochs={stopped['epochs'] + 20}", "--json")
    resumed = ddp_mlp(*train, "--out", name, "--resume", cwd=folder, ranks=then).result
    undisturbed = ddp_mlp(*train, "--out", f"undisturbed-{number.name}", cwd=folder).result
    assert resumed["steps"] == undisturbed["steps"] > stopped["steps"]
    assert resumed["weights_sha256"] == undisturbed["weights_sha256"]
    assert resumed["train_loss"] == undisturbed["train_loss"]
    assert ddp_mlp("compare", name, f"undisturbed-{number.name}", cwd=folder).code == 0


def test_the_clock_stops_a_run_too(folder):
    done = ddp_mlp("train", "c.toml", "--out", "timed", "--max-time", "0.2s", "--json", cwd=folder, ranks=2)
    assert done.code == 75, done.err
    assert "stopped by --max-time at step" in done.err
    assert json.loads(done.out)["status"] == "stopped"


def test_a_time_that_means_nothing_is_refused(folder):
    done = ddp_mlp("train", "c.toml", "--max-time", "soon", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "3h50m" in done.error_lines[0]
