"""A service as users start it: killed and started again while a job runs, asked by the command line, over HTTPS."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ddp_mlp.errors import DdpMlpError, MissingInputError
from ddp_mlp.service.client.client import AwayError, Client
from ddp_mlp.service.client.finding import Server as Found
from ddp_mlp.service.client.finding import find_server
from tests.faults.service import CONFIG, Server, make_directory
from tests.inside import clean_environment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served").resolve()
    make_directory(path)
    (path / "c.toml").write_text(CONFIG.format(epochs=100_000, seed=0))
    return path


@pytest.fixture
def server(folder: Path):
    one = Server(folder, "--cores", "2")
    one.start()
    yield one
    for job in one.jobs():
        if job["state"] in ("queued", "running"):
            one.client.ask("POST", f"/api/v1/jobs/{job['id']}/stop")
    deadline = time.monotonic() + 60
    while any(job["state"] in ("queued", "running", "stopping") for job in one.jobs()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert one.stop() == 0


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ddp_mlp", *words], cwd=folder, env=clean_environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def until(server: Server, number: int, *states: str, epoch: int = 0) -> dict[str, object]:
    deadline = time.monotonic() + 100
    while True:
        job = server.client.ask("GET", f"/api/v1/jobs/{number}")
        if job["state"] in states and (job["progress"] or {}).get("epoch", 0) >= epoch:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def test_who_waits_for_a_job_outlives_the_server(server: Server, folder: Path):
    waiting = command(folder, "submit", "c.toml", "--name", "waited", "--wait")
    deadline = time.monotonic() + 60
    while not server.jobs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    number = server.jobs()[-1]["id"]
    until(server, number, "running", epoch=5)
    server.kill()
    time.sleep(0.5)
    server.start()  # at another port
    job = until(server, number, "running", epoch=10)
    assert job["restarts"] == 0
    server.client.ask("POST", f"/api/v1/jobs/{number}/stop")
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 75, err
    assert "stopped by SIGUSR1" in err
    assert err.count("data: ") == 1, "no part of the log is shown twice"
    assert out == ""


def test_a_job_whose_processes_are_killed_goes_on(server: Server, folder: Path):
    from tests.faults.service import _processes_of_jobs

    number = server.client.ask("POST", "/api/v1/jobs", {"config": (folder / "c.toml").read_text(), "name": "killed"})[
        "id"
    ]
    saved = folder / str(until(server, number, "running", epoch=20)["run_dir"]) / "checkpoints"
    deadline = time.monotonic() + 60
    while not list(saved.glob("step-*.h5")):  # a crash in the first half second costs that much
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(_processes_of_jobs(folder)[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while not (job := server.client.ask("GET", f"/api/v1/jobs/{number}"))["restarts"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    until(server, number, "running", epoch=int(job["progress"]["epoch"]) + 5)
    assert "going on from" in (folder / job["run_dir"] / "log.txt").read_text()


def test_a_directory_has_one_server(server: Server, folder: Path):
    second = command(folder, "serve", "--port", "0")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "is served already at http://127.0.0.1" in err
    assert "Traceback" not in err


def test_the_token_is_in_no_file_but_its_own(server: Server, folder: Path):
    token = (folder / ".service" / "token").read_text().strip()
    assert (folder / ".service" / "token").stat().st_mode & 0o777 == 0o600
    assert (folder / ".service").stat().st_mode & 0o777 == 0o700
    server.client.ask("GET", "/api/v1/jobs")
    holding = [
        path.name for path in (folder / ".service").rglob("*") if path.is_file() and token.encode() in path.read_bytes()
    ]
    assert holding == ["token"]


def test_slow_clients_are_let_go_and_others_are_served(server: Server):
    host, port = server.client.server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(100)]
    try:
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nHost: 127")
        began = time.monotonic()
        assert server.client.ask("GET", "/api/v1/session")
        assert time.monotonic() - began < 5
    finally:
        for one in slow:
            one.close()


def test_no_service_is_one_line(tmp_path: Path):
    with pytest.raises(MissingInputError, match="start one with `ddp-mlp serve`"):
        find_server(None, {}, tmp_path)
    with pytest.raises(DdpMlpError, match="no token for it"):
        find_server("http://127.0.0.1:1", {}, tmp_path)
    with pytest.raises(DdpMlpError, match="write http://HOST:PORT"):
        find_server("ftp://x", {}, tmp_path)
    found = find_server("http://127.0.0.1:1/?token=abc", {}, tmp_path)
    assert found == Found("http://127.0.0.1:1", "abc")
    with pytest.raises(AwayError, match=r"no service answers at http://127.0.0.1:1"):
        Client(lambda: found).ask("GET", "/api/v1/jobs")


def test_https(folder: Path, tmp_path: Path):
    certificate = _certificate(tmp_path)
    server = Server(folder, "--certificate", str(certificate))
    server.start()
    try:
        assert server.client.server.url.startswith("https://")
        assert server.client.ask("GET", "/api/v1/session")["directory"] == str(folder)
    finally:
        server.stop()


def _certificate(folder: Path) -> Path:
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ddp-mlp test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(address, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / "both.pem"
    path.write_bytes(text + built.public_bytes(serialization.Encoding.PEM))
    return path
