"""A service that is killed at random moments while jobs pass through it, and jobs that are killed likewise."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.files.lives import life_of
from ddp_mlp.service.address import read_address
from ddp_mlp.service.client.client import Client
from ddp_mlp.service.client.finding import find_server
from ddp_mlp.service.settings import FOLDER
from tests.faults.table import Row
from tests.inside import clean_environment

_DEADLINE_S = 900.0
_SLOW_STARTS = Path(__file__).parent / "slow_starts"
CONFIG = """
[data]
train = "spirals.h5"
valid_fraction = 0.1
[model]
hidden = [16]
[train]
epochs = {epochs}
seed = {seed}
early_stopping_patience = 0
[checkpoint]
every_epochs = 5
"""


class Server:
    """A service that can be killed and started again."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self.directory = directory
        self._environment = {**clean_environment(), **environment}
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Client | None = None

    def start(self, *, waits: bool = True) -> None:
        with (self.directory / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ddp_mlp", "serve", str(self.directory), "--port", "0", *self._options],
                stdout=log, stderr=log, env=self._environment, start_new_session=True,
            )  # fmt: skip
        if waits:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            address = read_address(self.directory / FOLDER)
            if address and address.pid == self._process.pid:
                with contextlib.suppress(DdpMlpError):
                    self.client = Client(lambda: find_server(str(self.directory), {}, self.directory), 20.0)
                    self.client.ask("GET", "/api/v1/session")
                    return
            if self._process.poll() is not None:
                raise RuntimeError((self.directory / "serve.log").read_text()[-2000:])
            time.sleep(0.02)
        raise RuntimeError("the service did not answer within 60 s")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def jobs(self) -> list[dict[str, Any]]:
        assert self.client is not None
        found: list[dict[str, Any]] = self.client.ask("GET", "/api/v1/jobs?limit=1000&sort=id")["jobs"]
        return found


def make_directory(folder: Path) -> None:
    """Put data for the jobs into a folder."""
    command = [sys.executable, "-m", "ddp_mlp", "data", "make", "spirals", "--samples", "200", "--out", "spirals.h5"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=clean_environment())


def _solo(folder: Path, epochs: int, seed: int) -> str:
    """Return the weights of a run of its own."""
    (folder / f"solo-{seed}.toml").write_text(CONFIG.format(epochs=epochs, seed=seed))
    done = subprocess.run(
        [sys.executable, "-m", "ddp_mlp", "train", f"solo-{seed}.toml", "--out", f"solo-{seed}", "--json"],
        cwd=folder, check=True, capture_output=True, text=True, env=clean_environment(),
    )  # fmt: skip
    weights: str = json.loads(done.stdout)["weights_sha256"]
    return weights


def _submit(server: Server, jobs: int, epochs: int, seeds: int) -> None:
    assert server.client is not None
    for n in range(jobs):
        body = {"config": CONFIG.format(epochs=epochs, seed=n % seeds), "name": f"job{n}"}
        server.client.ask("POST", "/api/v1/jobs", body, {"Idempotency-Key": f"job{n}"})


def _check(row: Row, server: Server, jobs: int, expected: list[str], *, restarts: bool) -> None:
    """Check that each job ran to its end once, with the bits of its run alone."""
    found = server.jobs()
    row.check(good=len(found) == jobs, otherwise=f"{len(found)} jobs instead of {jobs}")
    for job in found:
        run = server.directory / job["run_dir"]
        status = msgspec.json.decode((run / "status.json").read_bytes()) if (run / "status.json").exists() else {}
        row.check(good=job["state"] == "finished", otherwise=f"job {job['id']} is {job['state']}: {job['reason']}")
        right = expected[int(job["name"].removeprefix("job")) % len(expected)]
        row.check(good=status.get("weights_sha256") == right, otherwise=f"job {job['id']} has other bits")
        row.check(good=restarts or job["restarts"] == 0, otherwise=f"job {job['id']} was started again")
        log = (run / "log.txt").read_text() if (run / "log.txt").exists() else ""
        taken = sum("took over" in line for line in log.splitlines())
        row.check(good=restarts or taken == 0, otherwise=f"job {job['id']} was run twice")


def _ends(folder: Path) -> int:
    """Return how many starts came to their end."""
    return len(list((folder / FOLDER / "jobs").glob("*/end-*.json")))


def killed_services(kills: int, jobs: int, seed: int) -> Row:
    """Kill a service at random moments while jobs pass through it; each of them runs once, to the bits of its own."""
    row, rng = Row("service killed while jobs pass", note=f"{jobs} jobs, seed {seed}"), random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = Path(name).resolve()
        make_directory(folder)
        epochs, seeds = 60, min(jobs, 3)
        expected = [_solo(folder, epochs, n) for n in range(seeds)]
        server = Server(folder, "--cores", "2", PYTHONPATH=f"{_SLOW_STARTS}:{os.environ.get('PYTHONPATH', '')}")
        server.start()
        began = time.monotonic()
        sent = 0
        for _ in range(kills):
            if sent < jobs and rng.random() < 2 * jobs / kills:
                with contextlib.suppress(DdpMlpError):
                    _submit(server, min(sent + 1, jobs), epochs, seeds)
                    sent += 1
            time.sleep(rng.random() * 0.3)
            server.kill()
            row.trials += 1
            server.start(waits=sent < jobs)
            time.sleep(rng.random() * (1.2 if sent >= jobs else 0.0))  # also in the middle of a start
        server.kill()
        server.start()
        _submit(server, jobs, epochs, seeds)
        _until_over(server, jobs)
        row.seconds.append(time.monotonic() - began)
        _check(row, server, jobs, expected, restarts=False)
        row.check(good=_ends(folder) == jobs, otherwise=f"{_ends(folder)} ends of {jobs} jobs")
        row.check(good=server.stop() == 0, otherwise="the service did not end in order")
    return row


def _until_over(server: Server, jobs: int) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        found = server.jobs()
        if len(found) == jobs and all(job["state"] in ("finished", "failed", "stopped") for job in found):
            return
        time.sleep(0.2)
    raise RuntimeError(f"jobs that do not end: {[job for job in server.jobs() if job['state'] != 'finished'][:3]}")


def killed_jobs_of_services(kills: int, seed: int) -> Row:
    """Kill processes of jobs at random; the service lets them go on, to the same bits."""
    row, rng = Row("jobs of a service killed", note=f"seed {seed}"), random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = Path(name).resolve()
        make_directory(folder)
        epochs, jobs = 60 + 800 * kills, 2
        expected = [_solo(folder, epochs, n) for n in range(jobs)]
        server = Server(folder, "--cores", "2", "--max-restarts", str(kills))
        server.start()
        _submit(server, jobs, epochs, jobs)
        began = time.monotonic()
        while row.trials < kills:
            time.sleep(0.3 + rng.random())
            pids = _processes_of_jobs(folder)
            if not pids and all(job["state"] == "finished" for job in server.jobs()):
                break
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(pids), signal.SIGKILL)
                    row.trials += 1
        _until_over(server, jobs)
        row.seconds.append(time.monotonic() - began)
        _check(row, server, jobs, expected, restarts=True)
        server.stop()
    return row


def _processes_of_jobs(folder: Path) -> list[int]:
    """Return the processes of the newest starts of jobs, and those of their commands."""
    found = []
    for claim in (folder / FOLDER / "jobs").glob("*/start-*.json"):
        told = msgspec.json.decode(claim.read_bytes())
        life = life_of(told["pid"])
        if told["pid"] and life and life[0] not in "ZX" and life[1] == told["started"]:
            found.append(told["pid"])
            children = Path(f"/proc/{told['pid']}/task/{told['pid']}/children")
            with contextlib.suppress(OSError):
                found += [int(word) for word in children.read_text().split()][:1]
    return found
