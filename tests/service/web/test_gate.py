"""The gate: who has no token, comes from elsewhere, or sends too much, does not pass, whatever the path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from ddp_mlp.service.web.app import routes
from ddp_mlp.service.web.gate import MOST_JSON_BYTES
from tests.service.served import CONFIG, URL, served

PATHS = sorted(
    {route.path.replace("{id}", "1").replace("{name}", "model.h5") for route in routes() if isinstance(route, Route)}
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    with served(tmp_path_factory.mktemp("gate"), most_upload_bytes=2**20) as one:
        yield one


@pytest.fixture
def stranger(service):
    token = service.client.headers.pop("Authorization")
    service.client.cookies.clear()
    yield service.client
    service.client.cookies.clear()
    service.client.headers["Authorization"] = token


def visit(client, token: str):
    return client.get("/", params={"token": token, "tab": "x"}, follow_redirects=False)


@pytest.mark.parametrize("path", [*PATHS, "/static/index.html", "/nonsense", "/api/v1/jobs/1/../../../x"])
def test_each_path_asks_for_the_token(path: str, stranger):
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "jobs" not in answer.json()
    assert stranger.post(path).status_code == 401
    assert stranger.delete(path).status_code == 401


def test_a_link_is_used_once_and_leaves_the_address(service, stranger):
    answer = visit(stranger, service.token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?tab=x")
    cookie = answer.headers["set-cookie"]
    assert service.token not in cookie
    assert re.search("HttpOnly", cookie)
    assert re.search("SameSite=strict", cookie, re.I)
    assert stranger.get("/api/v1/session").status_code == 200


def test_the_token_counts_at_the_first_visit_and_in_the_header_only(service, stranger):
    assert stranger.get("/api/v1/jobs", params={"token": service.token}).status_code == 401
    assert stranger.get("/api/v1/jobs", headers={"Authorization": f"Basic {service.token}"}).status_code == 401
    assert stranger.get("/api/v1/jobs", headers={"Cookie": f"token={service.token}"}).status_code == 401


@pytest.mark.parametrize("cookie", ["", "a", "a.b", ".", "é.b", "x" * 5000])
def test_made_up_cookies_are_none(cookie: str, service, stranger):
    name = visit(stranger, service.token).headers["set-cookie"].partition("=")[0]
    stranger.cookies.clear()
    header = f"{name}={cookie}".encode("latin-1", "replace")
    assert stranger.get("/api/v1/jobs", headers={"Cookie": header}).status_code == 401


def test_a_session_that_changes_anything_sends_its_csrf_token(service, stranger):
    visit(stranger, service.token)
    body = {"config": CONFIG}
    assert stranger.post("/api/v1/jobs", json=body).status_code == 403
    assert stranger.post("/api/v1/jobs", json=body, headers={"X-CSRF-Token": "é".encode()}).status_code == 403
    csrf = stranger.get("/api/v1/session").json()["csrf"]
    assert stranger.post("/api/v1/jobs", json=body, headers={"X-CSRF-Token": csrf}).status_code == 201
    visit(stranger, service.token)  # another session
    assert stranger.post("/api/v1/jobs", json=body, headers={"X-CSRF-Token": csrf}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:8765", "", "a@127.0.0.1", "127.0.0.1:8765/x"]
)
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str, service):
    for path in ("/", "/api/v1/jobs", "/static/index.html", f"/?token={service.token}"):
        assert service.client.get(path, headers={"Host": host}, follow_redirects=False).status_code == 403


def test_own_names_pass(service):
    for host in ("localhost:1", "127.0.0.1", "[::1]:8765", "LOCALHOST", "192.168.3.4:8765"):
        assert service.client.get("/api/v1/session", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "file://"},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_pages_of_others_change_and_read_nothing(headers: dict[str, str], service):
    before = service.client.get("/api/v1/jobs").json()["total"]
    assert service.client.post("/api/v1/jobs", json={"config": CONFIG}, headers=headers).status_code == 403
    assert service.client.get("/api/v1/jobs", headers=headers).status_code == 403
    assert service.client.get("/api/v1/jobs").json()["total"] == before


def test_the_page_itself_passes(service):
    headers = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    assert service.client.post("/api/v1/check", json={"config": ""}, headers=headers).status_code == 422


def test_wrong_tokens_have_to_wait(tmp_path: Path):
    with served(tmp_path) as service:
        client, right = service.client, service.client.headers.pop("Authorization")
        assert client.get("/api/v1/jobs", headers={"Authorization": right}).status_code == 200
        codes = [client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(14)]
        assert codes[:10] == [401] * 10
        assert 429 in codes[10:]
        answer = client.get("/api/v1/jobs", headers={"Authorization": "Bearer x"})
        assert int(answer.headers["retry-after"]) >= 1
        assert visit(client, "guess").status_code == 429
        assert client.get("/api/v1/jobs", headers={"Authorization": right}).status_code == 200, "its owner never waits"


@pytest.mark.parametrize("path", ["/", "/api/v1/session", "/nonsense", "/static/nonsense"])
def test_every_answer_carries_the_policy(path: str, service):
    headers = service.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_bodies_are_bounded(service):
    post = service.client.post
    assert post("/api/v1/jobs", content=b"x" * (MOST_JSON_BYTES + 1)).status_code == 413
    pieces = (b"x" * 2**16 for _ in range(MOST_JSON_BYTES // 2**16 + 2))  # without saying how many
    assert post("/api/v1/jobs", content=pieces).status_code == 413
    assert post("/api/v1/data", files={"file": ("a.csv", b"x" * 2**21)}).status_code == 413
    assert post("/api/v1/jobs", content=b"{}", headers={"Content-Length": "-1"}).status_code == 413
    assert list(service.settings.uploads.iterdir()) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_forms_are_no_json(kind: str, service):
    body = b'{"config": ""}'
    assert service.client.post("/api/v1/jobs", content=body, headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO"])
def test_other_methods_are_unknown(method: str, service):
    assert service.client.request(method, "/api/v1/jobs").status_code == 405


def test_read_only_is_that(tmp_path: Path):
    with served(tmp_path, read_only=True) as service:
        client = service.client
        assert client.get("/api/v1/jobs").status_code == 200
        for path in (
            "/api/v1/jobs",
            "/api/v1/jobs/1/stop",
            "/api/v1/jobs/1/resume",
            "/api/v1/data",
            "/api/v1/jobs/1/predict",
        ):
            assert client.post(path).status_code == 403
        assert client.delete("/api/v1/jobs/1").status_code == 403
        assert client.post("/api/v1/check", json={"config": ""}).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["/static/../gate.py", "/static/%2e%2e/settings.py", "/static//etc/passwd", "/static/..%2fsettings.py",
     "/static/%2e%2e%2f%2e%2e%2f__init__.py", "/api/v1/jobs/1/files/..%2f..%2f.service%2ftoken",
     "/api/v1/jobs/1/files/%2fproc%2fself%2froot%2fetc%2fpasswd", "/api/v1/jobs/1/files/model.h5%00.txt",
     "/api/v1/jobs/1/files/.lock", "/api/v1/jobs/..%2f..%2fx", "/static/index.html%00"],
)  # fmt: skip
def test_paths_stay_below(path: str, service):
    answer = service.client.get(path)
    assert answer.status_code in (404, 405)
    assert "root:" not in answer.text


def test_links_in_a_run_directory_lead_nowhere(service):
    job = service.submit()
    run = service.settings.directory / job["run_dir"]
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.txt").symlink_to("/etc/passwd")
    (run / "model.h5").symlink_to(service.settings.folder / "token")
    for name in ("log.txt", "model.h5"):
        assert service.client.get(f"/api/v1/jobs/{job['id']}/files/{name}").status_code == 404


def test_a_browser_that_is_not_let_in_gets_a_page(stranger):
    answer = stranger.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "ddp-mlp serve" in answer.text
    assert answer.headers["content-security-policy"]
