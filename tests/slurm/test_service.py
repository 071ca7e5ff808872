"""A service on the login node of a real Slurm with two nodes: submitted, watched, stopped, resumed, preempted."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.faults.service import CONFIG, Server, make_directory
from tests.runs import ddp_mlp

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]


@pytest.fixture(scope="module")
def server(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served").resolve()
    make_directory(folder)
    environment = {"SLURM_CONF": cluster.environment["SLURM_CONF"]}
    one = Server(folder, "--slurm", "--sbatch", "time=10", **environment)
    one.start()
    yield one
    one.stop()


def submitted(server: Server, epochs: int, **fields: Any) -> int:
    body = {"config": CONFIG.format(epochs=epochs, seed=0), **fields}
    return int(server.client.ask("POST", "/api/v1/jobs", body)["id"])


def until(server: Server, number: int, is_so: Any, seconds: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not is_so(job := server.client.ask("GET", f"/api/v1/jobs/{number}")):
        assert time.monotonic() < deadline, (job, (server.directory / "serve.log").read_text()[-2000:])
        time.sleep(0.2)
    return job


def has_epochs(count: int) -> Any:
    return lambda job: (job["progress"] or {}).get("epoch", 0) >= count


def is_over(job: dict[str, Any]) -> bool:
    return job["state"] in ("finished", "failed", "stopped")


@pytest.mark.timeout(600)
def test_jobs_of_a_cluster_are_stopped_resumed_and_preempted(cluster, server):
    epochs = 40_000  # some ten seconds, so that it is still there when it is preempted
    (server.directory / "solo.toml").write_text(CONFIG.format(epochs=epochs, seed=0))
    solo = ddp_mlp("train", "solo.toml", "--out", "solo", "--json", cwd=server.directory).result

    number = submitted(server, epochs, ranks=2)
    until(server, number, has_epochs(2))
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    stopped = until(server, number, is_over)
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 75), stopped
    server.kill()  # and another one goes on
    server.start()
    server.client.ask("POST", f"/api/v1/jobs/{number}/resume")
    reached = stopped["progress"]["epoch"]
    until(server, number, has_epochs(reached + 2))
    cluster.preempt()
    notes = (server.directory / ".service" / "jobs" / str(number)).glob("slurm-*.json")
    newest = max(notes, key=os.path.getmtime).read_text().strip('"')
    cluster.wait(newest, lambda fields: int(fields.get("Restarts", "0")) > 0)
    cluster.wait_for_end(newest, 240)
    done = until(server, number, is_over)
    assert done["state"] == "finished", done
    status = (server.directory / done["run_dir"] / "status.json").read_text()
    assert solo["weights_sha256"] in status


def test_a_search_over_both_nodes_is_stopped_and_resumed(cluster, server):
    tried = ["--try", "train.seed=[1, 2, 3]", "--parallel", "2"]
    number = submitted(server, 3000, ranks=2, kind="search", arguments=tried, name="studied")
    first = server.directory / "runs/studied/trial-001/metrics.csv"
    until(server, number, lambda _: first.exists() and len(first.read_text().splitlines()) > 3)
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    stopped = until(server, number, is_over)
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 75), stopped
    server.client.ask("POST", f"/api/v1/jobs/{number}/resume")
    done = until(server, number, is_over)
    assert (done["state"], done["exit_code"]) == ("finished", 0), done
    told = [json.loads(path.read_text()) for path in (server.directory / "runs/studied").glob("trial-*/status.json")]
    assert [(each["state"], each["epochs"]) for each in told] == [("finished", 3000)] * 3


def test_a_job_that_waits_in_the_queue_of_slurm_is_taken_out_of_it(cluster, server):
    assert cluster.call("sbatch", "--exclusive", "--nodes=2", "--output=/dev/null", "--wrap=sleep 20").code == 0
    number = submitted(server, 5, name="waiting")
    until(server, number, lambda job: job["state"] == "running")
    time.sleep(1)
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    assert until(server, number, is_over)["state"] == "stopped"
