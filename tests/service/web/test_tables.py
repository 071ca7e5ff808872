"""Tables that are sent, and models that are handed out: the way of a user, with commands of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.service.settings import Settings
from tests.service.served import served

CSV = "a,b,y\n" + "".join(f"{i % 7},{i % 3},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(200))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("tables")) as one:
        yield one


def uploads(settings: Settings) -> list[Path]:
    return list(settings.uploads.iterdir())


def test_a_table_becomes_data_is_trained_on_and_answered(service):
    options = '{"target": ["y"], "name": "../../t"}'
    sent = service.client.post("/api/v1/data", files={"file": ("../x.csv", CSV)}, data={"options": options})
    assert (sent.status_code, sent.json()["path"]) == (201, "data/t.h5")
    again = service.client.post("/api/v1/data", files={"file": ("x.csv", CSV)}, data={"options": options})
    assert again.json()["path"] == "data/t-2.h5"
    assert [one["path"] for one in service.client.get("/api/v1/data").json()] == ["data/t-2.h5", "data/t.h5"]
    config = '[data]\ntrain = "data/t.h5"\n[model]\nhidden = [4]\n[train]\nepochs = 2\n'
    checked = service.client.post("/api/v1/check", json={"config": config}).json()
    assert "data.task = binary" in checked["understood"]
    job = service.submit(config)
    _train(service, job)
    url = f"/api/v1/jobs/{job['id']}"
    found = service.client.post(f"{url}/predict", files={"file": ("n.csv", CSV)}).json()
    assert (found["n_rows"], len(found["rows"]), found["columns"][0]) == (200, 100, "class")
    whole = service.client.post(f"{url}/predict", files={"file": ("n.csv", CSV)}, headers={"Accept": "text/csv"})
    assert len(whole.text.splitlines()) == 201
    wrong = service.client.post(f"{url}/predict", files={"file": ("my.csv", "q\n1\n")})
    assert (wrong.status_code, wrong.json()["exit_code"]) == (422, 65)
    assert wrong.json()["detail"].startswith("my.csv: ")
    assert service.client.get(f"{url}/export?format=npz").content[:2] == b"PK"
    page = service.client.get(f"{url}/report")
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "connect-src" not in page.headers["content-security-policy"]
    assert service.client.get(f"{url}/health").json()["reason"] == "the run is not over yet"
    assert uploads(service.settings) == []


def _train(service, job) -> None:
    from tests.inside import clean_environment
    from tests.runs import ddp_mlp

    folder = service.settings.directory
    config = folder / ".service" / "jobs" / str(job["id"]) / f"{job['name']}.toml"
    assert clean_environment()
    assert ddp_mlp("train", config, "--out", job["run_dir"], cwd=folder).code == 0


@pytest.mark.parametrize(
    ("files", "data", "status"),
    [({"file": ("a.csv", b"")}, {}, 422), ({"other": ("a.csv", b"x")}, {}, 422),
     ({"file": ("a.csv", CSV)}, {"options": "{"}, 400), ({"file": ("a.csv", CSV)}, {"options": '{"out": "/x"}'}, 422),

     ({"file": ("a.csv", CSV)}, {"options": '{"like": "/x"}'}, 422),
     ({"file": ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 900)}, {}, 422),
     ({"file": ("a.csv.gz", b"\x1f\x8bxx")}, {}, 422),

     ({"file": ("a.csv", CSV)}, {"options": '{"target": ["--out=/x"]}'}, 422)],
)  # fmt: skip
def test_what_is_no_table_is_told_and_leaves_nothing(files, data, status: int, service):
    answer = service.client.post("/api/v1/data", files=files, data=data)
    assert answer.status_code == status, answer.text
    assert ".service" not in answer.json()["detail"]
    assert uploads(service.settings) == []


def test_a_model_that_is_not_there_yet_is_told(service):
    job = service.submit()
    for path in ("export?format=onnx", "files/model.h5"):
        assert service.client.get(f"/api/v1/jobs/{job['id']}/{path}").status_code == 404
    answer = service.client.post(f"/api/v1/jobs/{job['id']}/predict", files={"file": ("a.csv", CSV)})
    assert answer.status_code == 404
    assert service.client.get(f"/api/v1/jobs/{job['id']}/export?format=exe").status_code == 422
