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
        assert job["state"] != "failed", (job["reason"], job)
        assert time.monotonic() < deadline, (job, (server.directory / "serve.log").read_text()[-2000:])
        time.sleep(0.2)
    return job


def has_epochs(count: int) -> Any:
    return lambda job: (job["progress"] or {}).get("epoch", 0) >= count


def is_over(job: dict[str, Any]) -> bool:
    return job["state"] in ("finished", "failed", "stopped")


def went_on_after_a_stop(server: Server, number: int) -> None:
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    stopped = until(server, number, is_over)
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 75), stopped
    server.client.ask("POST", f"/api/v1/jobs/{number}/resume")


def newest_start(server: Server, number: int) -> str:
    """Return the number in Slurm of the newest start of a job."""
    notes = (server.directory / ".service" / "jobs" / str(number)).glob("slurm-*.json")
    return max(notes, key=os.path.getmtime).read_text().strip('"')


def preempted(cluster: Any, server: Server, number: int) -> None:
    in_slurm = newest_start(server, number)
    cluster.preempt()
    cluster.wait(in_slurm, lambda fields: int(fields.get("Restarts", "0")) > 0)
    cluster.wait_for_end(in_slurm, 240)


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
    preempted(cluster, server, number)
    done = until(server, number, is_over)
    assert done["state"] == "finished", done
    status = (server.directory / done["run_dir"] / "status.json").read_text()
    assert solo["weights_sha256"] in status


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "arguments", "run"),
    [("search", ["--try", "train.seed=[0, 1, 2]"], "trial-00{}"), ("ensemble", ["--members", "3"], "member-{}")],
)
def test_a_study_is_stopped_resumed_and_preempted(cluster, server, kind, arguments, run):
    """Its runs have the bits and the rows of a study that nobody disturbed; what is over is not trained again."""
    epochs, name = 8000, f"{kind}-disturbed"  # seconds for each, so that it is still there when it is preempted
    (server.directory / "study.toml").write_text(CONFIG.format(epochs=epochs, seed=0))
    alone = ddp_mlp(kind, "study.toml", *arguments, "--out", f"{kind}-alone", cwd=server.directory)
    assert alone.code == 0, alone.err
    study = server.directory / "runs" / name

    def has_rows(count: int, number: int = 1) -> Any:
        table = study / run.format(number) / "metrics.csv"
        return lambda _: table.exists() and len(table.read_text().splitlines()) > count

    number = submitted(server, epochs, ranks=2, kind=kind, arguments=[*arguments, "--parallel", "2"], name=name)
    until(server, number, has_rows(3))
    went_on_after_a_stop(server, number)
    until(server, number, has_rows(3, 3))  # the last one has begun, so that others are over
    preempted(cluster, server, number)
    done = until(server, number, is_over)
    assert (done["state"], done["exit_code"]) == ("finished", 0), done
    for k in (1, 2, 3):
        told = json.loads((study / run.format(k) / "status.json").read_text())
        expected = json.loads((server.directory / f"{kind}-alone" / run.format(k) / "status.json").read_text())
        assert (told["state"], told["epochs"]) == ("finished", epochs)
        assert told["weights_sha256"] == expected["weights_sha256"]
        rows = (study / run.format(k) / "metrics.csv").read_text().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == [str(n) for n in range(1, epochs + 1)]


def test_a_job_that_waits_in_the_queue_of_slurm_is_taken_out_of_it(cluster, server):
    assert cluster.call("sbatch", "--exclusive", "--nodes=2", "--output=/dev/null", "--wrap=sleep 20").code == 0
    number = submitted(server, 5, name="waiting")
    until(server, number, lambda job: job["state"] == "running")
    time.sleep(1)
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    assert until(server, number, is_over)["state"] == "stopped"
