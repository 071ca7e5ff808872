"""Jobs on a real Slurm with two nodes: disturbed in every way, they end in the bits of the undisturbed run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compilers import need
from tests.runs import ddp_mlp, make_long_run, write_long_config
from tests.slurm.cluster import Submitted

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]

TWO_NODES = ("--nodes", "2", "--time", "10")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    make_long_run(path, 400)  # seconds on two nodes, so that it is not over before it is disturbed
    return path


@pytest.fixture(scope="module")
def undisturbed(folder):
    return ddp_mlp("train", "c.toml", "--out", "undisturbed", "--json", cwd=folder).result


def assert_same(job, undisturbed, restarts, fields):
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", str(restarts)), job.log
    assert job.status["weights_sha256"] == undisturbed["weights_sha256"]
    epochs = [line.split(",")[0] for line in (job.run / "metrics.csv").read_text().splitlines()[1:]]
    assert epochs == [str(n) for n in range(1, undisturbed["epochs"] + 1)]


def test_a_job_runs_to_its_end(cluster, folder, undisturbed):
    job = Submitted(cluster, folder, "plain", *TWO_NODES)
    job.wait_for_epochs(2)
    running = cluster.ddp_mlp("slurm", "status", "plain", "--json", cwd=folder).result
    assert (running["job_state"], running["state"], running["nodes"]) == ("RUNNING", "running", "n[1-2]")
    assert 0 < running["time_left_s"] <= 600
    assert_same(job, undisturbed, 0, cluster.wait_for_end(job.id))
    assert job.status["world_size"] == 2


def test_ranks_meet_whatever_lies_in_memory_behind_their_addresses(cluster, folder, tmp_path):
    """MPICH sends some of it too, in lines that Slurm reads no more than 1024 bytes of."""
    source, library = Path(__file__).with_name("crowded.c"), tmp_path / "crowded.so"
    subprocess.run([need("gcc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    step = ("srun", "-K1", "--mpi=pmi2", "-N2", "-n2", "env", f"LD_PRELOAD={library}", sys.executable, "-m", "ddp_mlp")
    ended = cluster.call(*step, "doctor", "--json", cwd=folder)
    assert ended.code == 0, ended.err
    assert "2 ranks on 2 nodes" in ended.out


def test_a_preempted_job_saves_and_goes_on(cluster, folder, undisturbed):
    job = Submitted(cluster, folder, "preempted", *TWO_NODES)
    job.wait_for_epochs(3)
    cluster.preempt()
    assert_same(job, undisturbed, 1, cluster.wait_for_end(job.id))
    assert job.log.count("is requeued at step") == job.log.count("going on from step-") == 1, job.log


def test_at_the_time_limit_a_job_saves_and_goes_on(cluster, folder):
    """The limit itself is never reached: Slurm gives notice up to a minute early."""
    write_long_config(folder / "long.toml", 100000)
    job = Submitted(cluster, folder, "limited", "--nodes", "2", "--time", "1", config="long.toml")
    cluster.wait(job.id, lambda fields: fields.get("Restarts") == "1")
    assert "stopped by SIGUSR1 at step" in job.log
    before = job.status["steps"]
    cluster.wait(job.id, lambda fields: fields["JobState"] == "RUNNING")
    job.wait_for_epochs(int(job.status.get("epochs", 0)) + 2)
    assert f"going on from step-{before:08d}.h5" in job.log
    cluster.call("scancel", str(job.id))
    fields = cluster.wait_for_end(job.id)
    assert (fields["JobState"], fields["Restarts"]) == ("CANCELLED", "1"), job.log  # and it does not come back


def test_a_job_whose_node_died_goes_on(cluster, folder, undisturbed):
    job = Submitted(cluster, folder, "bereft", *TWO_NODES)
    job.wait_for_epochs(9)
    cluster.node("kill-node", "n2")
    try:
        cluster.wait(job.id, lambda fields: fields.get("Restarts") == "1")
    finally:
        cluster.node("start-node", "n2")
    assert_same(job, undisturbed, 1, cluster.wait_for_end(job.id, 240, hurries=False))
    assert "going on from step-" in job.log


def test_of_an_array_only_the_task_that_was_asked_stops(cluster, folder):
    job = Submitted(cluster, folder, "seeds", "--seeds", "0-1", "--nodes", "1", "--time", "10")
    job.wait_for_epochs(2, run=job.run / "seed-1")
    cluster.call("scancel", "--signal=USR1", "--batch", f"{job.id}_1")
    ends = [cluster.wait_for_end(f"{job.id}_{seed}") for seed in (0, 1)]
    found = [(end["JobState"], end["Restarts"]) for end in ends]
    assert found == [("COMPLETED", "0"), ("COMPLETED", "1")], f"{job.log}\n{cluster.logs()}"
    states = [json.loads((job.run / f"seed-{seed}" / "status.json").read_text()) for seed in (0, 1)]
    assert states[0]["weights_sha256"] != states[1]["weights_sha256"]
    runs = cluster.ddp_mlp("slurm", "status", "seeds", "--json", cwd=folder).result["runs"]
    assert [(run["job_id"], run["restarts"]) for run in runs] == [(f"{job.id}_0", 0), (f"{job.id}_1", 1)]


def test_ranks_that_each_think_they_are_alone_are_refused(cluster, folder):
    """Plain srun does not speak to any MPI here; unnoticed, each rank would train by itself."""
    command = [sys.executable, "-m", "ddp_mlp", "train", "c.toml", "--out", "alone"]
    done = cluster.call("srun", "--nodes=2", "--mpi=none", *command, cwd=folder)
    assert done.code == 76, done.err
    assert len(done.error_lines) == 2, "each is alone, and cannot know that the other speaks"
    for line in done.error_lines:
        assert "the launcher started 2 processes, but" in line
        assert "srun --mpi" in line
    assert not (folder / "alone").exists()
    done = cluster.call("srun", "--nodes=2", "--mpi=none", sys.executable, "-m", "ddp_mlp", "doctor", cwd=folder)
    assert done.code == 1
    assert "srun --mpi" in done.out


def test_what_slurm_refuses_is_one_line(cluster, folder):
    done = cluster.ddp_mlp("slurm", "submit", "c.toml", "--partition", "none", "--out", "refused", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "Invalid partition" in done.error_lines[0]
