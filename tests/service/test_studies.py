"""Searches, cross-validations and ensembles as jobs: to their end, stopped, resumed, waited for, and used."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.files.lives import life_of
from tests.faults.service import CONFIG, Server, _processes_of_jobs, make_directory
from tests.inside import clean_environment

RATES = ["--try", "optimizer.learning_rate=[0.1, 0.01]"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studies").resolve()
    make_directory(folder)
    (folder / "short.toml").write_text(CONFIG.format(epochs=2, seed=0))
    (folder / "long.toml").write_text(CONFIG.format(epochs=3000, seed=0))
    one = Server(folder, "--cores", "2")
    one.start()
    yield one
    assert one.stop() == 0


def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ddp_mlp", *words], cwd=server.directory, env=clean_environment(), text=True,
        capture_output=True, timeout=200, check=False,
    )  # fmt: skip


def body(server: Server, kind: str, *arguments: str, config: str = "short.toml") -> dict[str, Any]:
    return {"config": (server.directory / config).read_text(), "kind": kind, "arguments": list(arguments)}


def until(server: Server, number: int, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (job := server.client.ask("GET", f"/api/v1/jobs/{number}"))["state"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def fetched(server: Server, path: str, **more: Any) -> httpx.Response:
    found = server.client.server
    headers = {"Authorization": f"Bearer {found.token}", **more.pop("headers", {})}
    return httpx.request(more.pop("method", "GET"), found.url + path, headers=headers, timeout=100, **more)


def test_a_search_is_waited_for(server: Server):
    done = command(server, "submit", "short.toml", "--kind", "search", "--wait", "--json", "--", *RATES)
    assert done.returncode == 0, done.stderr
    number = server.jobs()[-1]["id"]
    trials = list(csv.DictReader(io.StringIO(fetched(server, f"/api/v1/jobs/{number}/files/trials.csv").text)))
    assert len(trials) == 2
    assert fetched(server, f"/api/v1/jobs/{number}/report").status_code == 200


def test_a_study_that_fails_ends_the_waiting_with_its_code(server: Server):
    words = ("--kind", "cross-validate", "--wait", "--", "--folds", "9999")
    done = command(server, "submit", "short.toml", *words)
    assert done.returncode == server.jobs()[-1]["exit_code"] != 0
    assert "Traceback" not in done.stderr


def test_a_cross_validation_over_http(server: Server):
    number = server.client.ask("POST", "/api/v1/jobs", body(server, "cross-validate", "--folds", "2"))["id"]
    job = until(server, number, "finished", "failed")
    assert (job["state"], job["exit_code"]) == ("finished", 0), job["log_tail"]
    assert (server.directory / job["run_dir"] / "oof.csv").exists()


@pytest.mark.parametrize(("kind", "arguments"), [("search", RATES), ("ensemble", ["--members", "2"])])
def test_a_study_is_stopped_and_resumed(server: Server, kind: str, arguments: list[str]):
    number = server.client.ask("POST", "/api/v1/jobs", body(server, kind, *arguments, config="long.toml"))["id"]
    run_dir = server.directory / until(server, number, "running")["run_dir"]
    deadline = time.monotonic() + 60
    while not list(run_dir.glob("*/metrics.csv")):
        assert time.monotonic() < deadline, server.client.ask("GET", f"/api/v1/jobs/{number}")
        time.sleep(0.02)
    assert command(server, "jobs", "stop", str(number)).returncode == 0
    stopped = until(server, number, "stopped", "finished", "failed")
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 75), stopped["log_tail"]
    assert command(server, "jobs", "resume", str(number)).returncode == 0
    waited = command(server, "jobs", "wait", str(number))
    assert waited.returncode == 0, waited.stderr
    assert until(server, number, "finished")["restarts"] == 0


def test_an_ensemble_is_reported_and_predicts(server: Server):
    done = command(server, "submit", "short.toml", "--kind", "ensemble", "--wait", "--", "--members", "2")
    assert done.returncode == 0, done.stderr
    number = server.jobs()[-1]["id"]
    assert "members" in fetched(server, f"/api/v1/jobs/{number}/report").text
    sent = {"file": ("new.csv", b"x,y\n0.1,0.2\n0.3,0.4\n")}
    told = fetched(server, f"/api/v1/jobs/{number}/predict", method="POST", files=sent)
    assert told.status_code == 200, told.text
    assert told.json()["n_rows"] == 2
    health = fetched(server, f"/api/v1/jobs/{number}/health").json()
    assert "several runs" in health["reason"]
    export = fetched(server, f"/api/v1/jobs/{number}/export?format=onnx")
    assert export.status_code in (200, 422), export.text  # without the package `onnx`, in words
    for name in ("ranks", "metrics", "log"):
        assert fetched(server, f"/api/v1/jobs/{number}/{name}").status_code == 200


def test_what_cannot_be_searched_is_found_before_anything_starts(server: Server):
    jobs = len(server.jobs())
    for arguments, word in (
        (["--try", "optimizer.rate=[0.1]"], "rate"),
        (["--try", "optimizer.learning_rate=[0.1, -1]"], "-1"),
        (["--try", "optimizer.learning_rate=0.1..0.2"], "--trials"),
        (["--try", "model.hidden=[16, 32]"], "lists"),
        ([], "--try"),
    ):
        with pytest.raises(DdpMlpError, match=word):
            server.client.ask("POST", "/api/v1/check", body(server, "search", *arguments))
        refused = command(server, "submit", "short.toml", "--kind", "search", "--", *arguments)
        assert refused.returncode == 2
    assert len(server.jobs()) == jobs


def test_a_job_that_hangs_is_ended_by_force_and_resumed(server: Server):
    config = CONFIG.format(epochs=10**5, seed=0)
    number = server.client.ask("POST", "/api/v1/jobs", {"config": config, "ranks": 2})["id"]
    deadline = time.monotonic() + 60
    while not server.client.ask("GET", f"/api/v1/jobs/{number}")["progress"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    hanging = _processes_of_jobs(server.directory)[0]
    os.kill(hanging, signal.SIGSTOP)
    assert command(server, "jobs", "stop", str(number)).returncode == 0
    assert server.client.ask("GET", f"/api/v1/jobs/{number}")["state"] == "stopping"
    assert command(server, "jobs", "stop", str(number), "--force").returncode == 0
    assert until(server, number, "stopped")["exit_code"] == 75
    assert (life_of(hanging) or "Z")[0] in "ZX"
    server.client.ask("POST", f"/api/v1/jobs/{number}/resume")
    until(server, number, "running")
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop", {"force": True})  # also while it starts
    assert until(server, number, "stopped")["restarts"] == 0
    with pytest.raises(DdpMlpError, match="only one that waits or runs"):
        server.client.ask("POST", f"/api/v1/jobs/{number}/stop", {"force": True})
