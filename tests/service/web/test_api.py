"""The interface: jobs come, go and are told of, and mistakes are told in the words of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ddp_mlp.config import as_toml, from_builtins
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.service.running.claims import Claim
from ddp_mlp.service.running.standing import Phase, Standing
from tests.service.served import CONFIG, served

CLAIM = Claim(1, 1, "", "")


@pytest.fixture
def service(tmp_path: Path):
    with served(tmp_path) as one:
        yield one


def test_a_job_runs_and_ends(service):
    job = service.submit(name="my run", ranks=2)
    assert (job["name"], job["state"], job["run_dir"]) == ("my run", "queued", "runs/my-run")
    service.until(job["id"], "running")
    waiting = service.submit(name="my run")
    assert waiting["run_dir"] == "runs/my-run-2"
    assert service.job(waiting["id"])["state"] == "queued"
    run = service.settings.directory / job["run_dir"]
    run.mkdir()
    (run / "metrics.csv").write_text("epoch,step,train_loss,valid_loss\n1,5,0.5,0.75\n2,10,0.25,nan\n3,15,0.125,0.5\n")
    (run / "log.txt").write_text("hello")
    service.starter.standings[job["id"]] = Standing(Phase.ENDED, CLAIM, 0)
    ended = service.until(job["id"], "finished")
    assert (ended["exit_code"], ended["progress"]["epoch"]) == (0, 3)
    assert ended["best"] == {"metric": "valid_loss", "value": 0.5, "epoch": 3}
    assert ended["latest"] == {"train_loss": 0.125, "valid_loss": 0.5}
    service.until(waiting["id"], "running")
    metrics = service.client.get(f"/api/v1/jobs/{job['id']}/metrics?since=1").json()
    assert metrics["rows"] == [[2, 10, 0.25, None], [3, 15, 0.125, 0.5]]
    assert service.client.get(f"/api/v1/jobs/{job['id']}/files/log.txt").text == "hello"


def test_one_request_is_one_job_however_often_it_is_sent(service):
    headers = {"Idempotency-Key": "k"}
    answers = [service.client.post("/api/v1/jobs", json={"config": CONFIG}, headers=headers) for _ in range(3)]
    assert [one.status_code for one in answers] == [201, 200, 200]
    assert {one.json()["id"] for one in answers} == {1}
    assert answers[0].headers["location"] == "/api/v1/jobs/1"
    other = service.client.post("/api/v1/jobs", json={"config": CONFIG, "name": "b"}, headers=headers)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]


def test_stop_and_resume(service):
    job = service.submit(ranks=2)
    waiting = service.submit()
    stop = service.client.post(f"/api/v1/jobs/{waiting['id']}/stop")
    assert (stop.status_code, stop.json()["state"]) == (202, "stopped")
    service.until(job["id"], "running")
    assert service.client.post(f"/api/v1/jobs/{job['id']}/stop").json()["state"] == "stopping"
    service.until(job["id"], "stopped")
    assert service.starter.asked == [job["id"]]
    conflict = service.client.post(f"/api/v1/jobs/{job['id']}/stop")
    assert conflict.status_code == 409
    bad = service.client.post(f"/api/v1/jobs/{job['id']}/resume", json={"overrides": {"train.epochs": -1}})
    assert bad.json()["errors"][0]["key"] == "train.epochs"
    wrong = service.client.post(f"/api/v1/jobs/{job['id']}/resume", json={"overrides": {"data.train": "/etc/passwd"}})
    assert wrong.status_code == 422
    again = service.client.post(f"/api/v1/jobs/{job['id']}/resume", json={"overrides": {"train.epochs": 9}})
    assert again.status_code == 202
    found = service.until(job["id"], "running")
    assert found["overrides"] == {"train.epochs": 9}
    assert found["command"].endswith("--resume")
    assert service.starter.started == [job["id"], job["id"]]


def test_what_runs_cannot_be_removed(service):
    job = service.submit()
    service.until(job["id"], "running")
    assert service.client.delete(f"/api/v1/jobs/{job['id']}").status_code == 409
    service.starter.standings[job["id"]] = Standing(Phase.ENDED, CLAIM, 0)
    service.until(job["id"], "finished")
    run = service.settings.directory / job["run_dir"]
    run.mkdir()
    assert service.client.delete(f"/api/v1/jobs/{job['id']}?files=true").status_code == 204
    assert not run.exists()
    assert service.client.get(f"/api/v1/jobs/{job['id']}").status_code == 404


def test_a_failed_dependency_is_a_reason(service):
    first = service.submit()
    second = service.submit(after=[first["id"]])
    service.until(first["id"], "running")
    service.once(second["id"], lambda job: job["waits_for"] == f"job {first['id']}")  # told at a look after the start
    service.starter.standings[first["id"]] = Standing(Phase.ENDED, CLAIM, 79)
    failed = service.until(second["id"], "failed")
    assert f"job {first['id']}" in failed["reason"]
    service.client.post(f"/api/v1/jobs/{second['id']}/resume")
    service.until(second["id"], "running")


@pytest.mark.parametrize(
    ("body", "key"),
    [({}, "body"), ({"config": 3}, "config"), ({"config": CONFIG, "kind": "rm"}, "kind"),
     ({"config": CONFIG, "ranks": 0}, "ranks"), ({"config": CONFIG, "ranks": 3}, "ranks"),
     ({"config": CONFIG, "after": [99]}, "after"), ({"config": CONFIG, "arguments": ["--out=x"]}, "arguments"),
     ({"config": CONFIG, "out": "/x"}, "body"), ({"config": CONFIG, "name": "a\n"}, "name"),
     ({"config": "[data]\ntrain = '../x'"}, "data.train"), ({"config": CONFIG, "priority": 10**9}, "priority")],
)  # fmt: skip
def test_mistakes_are_told_at_their_keys(body: dict[str, object], key: str, service):
    answer = service.client.post("/api/v1/jobs", json=body)
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert key in [error["key"] for error in told["errors"]]
    assert told["exit_code"] == 2
    assert "\n" not in told["detail"]
    assert service.client.get("/api/v1/jobs").json()["total"] == 0


@pytest.mark.parametrize(
    "path",
    ["/api/v1/jobs?limit=0x5", "/api/v1/jobs?limit=5000", "/api/v1/jobs?state=dead", "/api/v1/jobs?sort=config",
     "/api/v1/jobs?offset=-1", "/api/v1/compare?ids=1", "/api/v1/compare?ids=a,b", "/api/v1/compare",
     "/api/v1/jobs?offset=٣"],
)  # fmt: skip
def test_nonsense_in_an_address_is_told(path: str, service):
    assert service.client.get(path).status_code == 422


@pytest.mark.parametrize("number", ["0", "9", "-1", "x", "1e3", "9" * 30, "٣", "%00"])
def test_there_is_no_other_job(number: str, service):
    for path in ("", "/log", "/metrics", "/report", "/files/model.h5", "/ranks", "/export"):
        assert service.client.get(f"/api/v1/jobs/{number}{path}").status_code == 404
    assert service.client.post(f"/api/v1/jobs/{number}/stop").status_code == 404


def test_broken_json_is_told(service):
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"config": "' + b"a" * 600_000 + b'"}'):
        assert service.client.post("/api/v1/jobs", content=body, headers=headers).status_code in (400, 422)


def test_thousand_jobs_are_listed_without_their_directories(service):
    store = service.client.app._app.state.service.store
    from tests.service.store.test_store import job

    for n in range(1000):
        store.add(lambda n=n: job(f"n{n}", state="finished", sparkline=[0.5] * 60), None, "")
    answer = service.client.get("/api/v1/jobs?limit=1000&sort=-name")
    assert (len(answer.json()["jobs"]), answer.json()["total"]) == (1000, 1000)
    assert "config" not in answer.json()["jobs"][0]


def test_a_log_grows_and_ends_with_its_job(service):
    job = service.submit()
    service.until(job["id"], "running")
    log = service.settings.job_folder(job["id"]) / "output.log"
    log.write_text("<script>alert(1)</script>\n")
    service.starter.standings[job["id"]] = Standing(Phase.ENDED, CLAIM, 0)
    answer = service.client.get(f"/api/v1/jobs/{job['id']}/log?follow=1")
    assert answer.text == "<script>alert(1)</script>\n"
    assert answer.headers["content-type"].startswith("text/plain")
    assert service.client.get(f"/api/v1/jobs/{job['id']}/log?offset=7").text == ">alert(1)</script>\n"
    log.write_bytes(b"valid loss 12345.5 \xc3\xa9\n" * 2**17)  # the last part of it begins with a whole line
    assert service.client.get(f"/api/v1/jobs/{job['id']}/log").content.startswith(b"valid loss")
    log.write_bytes(b"x" * 3 * 2**20)
    assert len(service.client.get(f"/api/v1/jobs/{job['id']}/log").content) == 2**20


def test_what_differs_is_compared(service):
    service.submit(overrides={"optimizer.learning_rate": 0.1})
    service.submit(overrides={"optimizer.learning_rate": 0.2})
    found = service.client.get("/api/v1/compare?ids=1,2").json()
    assert found["differs"] == [{"key": "optimizer.learning_rate", "values": [0.1, 0.2]}]
    assert found["metrics"].keys() == {"1", "2"}
    run = service.settings.directory / service.client.get("/api/v1/jobs/1").json()["run_dir"]
    run.mkdir(parents=True)
    (run / "config.toml").write_text(service.client.get("/api/v1/jobs/1").json()["resolved"] or "")
    service.submit(kind="search", arguments=["--try", "train.seed=[1, 2]"], overrides={"optimizer.learning_rate": 0.2})
    found = service.client.get("/api/v1/compare?ids=1,3").json()
    assert [each["key"] for each in found["differs"]] == ["optimizer.learning_rate", "job.kind", "job.arguments"]


def test_a_job_does_not_wait_for_its_turn_to_be_told_that_it_cannot_go_on(service):
    for kind, below in (("train", ""), ("search", "trial-001/")):
        more = {"arguments": ["--try", "train.seed=[1, 2]"]} if kind == "search" else {}
        job = service.submit(kind=kind, **more)
        service.client.post(f"/api/v1/jobs/{job['id']}/stop")
        service.until(job["id"], "stopped")
        run = service.settings.directory / job["run_dir"] / below

        def resume(key, value, number=job["id"]):
            return service.client.post(f"/api/v1/jobs/{number}/resume", json={"overrides": {key: value}})

        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints/step-00000001.h5").touch()
        (run / "config.toml").write_text(as_toml(from_builtins(parse_toml(CONFIG), "config")))
        for key, value in (("model.hidden", [3]), ("data.augment.noise", 0.1), ("optimizer.learning_rate", 0.5)):
            refused = resume(key, value)
            assert refused.status_code == 422, refused.text
            assert refused.json()["errors"][0]["key"] in key
        assert resume("train.epochs", 99).status_code == 202


def test_a_name_stays_as_it_was_written_and_files_have_one_that_is_safe(service):
    job = service.submit(name="Größe 名前 <b>/x")
    assert (job["name"], job["run_dir"]) == ("Größe 名前 <b>/x", "runs/x")
    assert service.client.get(f"/api/v1/jobs/{job['id']}").json()["command"].split()[2].endswith("/x.toml")


def test_the_schema_of_the_form_is_that_of_the_configuration(service):
    schema = service.client.get("/api/v1/config-schema").json()
    assert "$defs" in schema
    json.dumps(schema)
