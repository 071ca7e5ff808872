"""A server that is killed in each window of a start: the job runs once, whatever the next server finds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from ddp_mlp.run.files.lives import life_of
from tests.faults.service import CONFIG, Server, make_directory

_HOOKS = Path(__file__).parent / "held_starts"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("data")
    make_directory(folder)
    return (folder / "spirals.h5").read_bytes()


@dataclass
class Held:
    """A service of which the first job is held in its start."""

    folder: Path
    gate: Path
    server: Server

    def begin(self) -> int:
        """Submit a job and return the process that is held."""
        self.server.start()
        self.submit()
        until(lambda: os.path.lexists(self.gate / "reached"))
        return int(str((self.gate / "reached").readlink()))

    def submit(self) -> None:
        self.server.client.ask("POST", "/api/v1/jobs", {"config": CONFIG.format(epochs=2, seed=0), "name": "job"})

    def go_on(self) -> None:
        (self.gate / "open").touch()

    def finish(self, number: int) -> None:
        until(lambda: self.server.jobs()[number - 1]["state"] not in ("queued", "running"))

    def pids(self) -> list[int]:
        """Return who has claimed the starts of the first job: 0 for one that was taken back."""
        claims = (self.folder / ".service" / "jobs" / "1").glob("start-*.json")
        return sorted(msgspec.json.decode(claim.read_bytes())["pid"] for claim in claims)

    def check_once(self, pids: list[int], ends: int = 1) -> None:
        """Check that the first job was run once, and who has claimed its starts."""
        job = self.server.jobs()[0]
        assert (job["state"], job["exit_code"], job["restarts"]) == ("finished", 0, 0), job
        files = self.folder / ".service" / "jobs" / "1"
        assert len(list(files.glob("end-*.json"))) == ends
        assert (files / "output.log").read_text().count("data: ") == 1
        log = (self.folder / job["run_dir"] / "log.txt").read_text()
        assert "took over" not in log
        assert "going on from" not in log
        assert self.pids() == pids


@contextmanager
def held(tmp_path: Path, data: bytes, where: str) -> Iterator[Held]:
    folder, gate = tmp_path.resolve() / "served", tmp_path / "gate"
    folder.mkdir(), gate.mkdir()
    (folder / "spirals.h5").write_bytes(data)
    hooks = f"{_HOOKS}:{os.environ.get('PYTHONPATH', '')}"
    server = Server(
        folder, "--cores", "2", PYTHONPATH=hooks, DDP_MLP_TEST_HOLD=where, DDP_MLP_TEST_GATE=str(gate)
    )  # fmt: skip
    try:
        yield Held(folder, gate, server)
    finally:
        (gate / "open").touch()
        server.kill()
        if os.path.lexists(gate / "reached"):
            pid = int(str((gate / "reached").readlink()))
            until(lambda: is_gone(pid))


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    life = life_of(pid)
    return life is None or life[0] in "ZX"


def test_written_down_and_not_spawned(tmp_path: Path, data: bytes):
    with held(tmp_path, data, "spawn") as service:
        service.begin()
        service.server.kill()
        service.server.start()
        service.finish(1)
        service.check_once([0, service.pids()[-1]])


def test_spawned_and_late_to_claim(tmp_path: Path, data: bytes):
    with held(tmp_path, data, "claim") as service:
        late = service.begin()
        service.server.kill()
        service.server.start()
        service.finish(1)
        service.go_on()
        until(lambda: is_gone(late))
        assert late not in service.pids()
        service.check_once([0, service.pids()[-1]])


def test_spawned_and_late_for_its_own_server(tmp_path: Path, data: bytes):
    with held(tmp_path, data, "claim") as service:
        late = service.begin()
        service.submit()
        service.finish(2)  # so the server has looked at the first one many times
        service.go_on()
        service.finish(1)
        service.check_once([late])


@pytest.mark.parametrize("where", ["claimed", "end"])
def test_claimed_and_not_yet_running_or_not_yet_over(tmp_path: Path, data: bytes, where: str):
    with held(tmp_path, data, where) as service:
        pid = service.begin()
        service.server.kill()
        service.server.start()
        service.submit()
        service.finish(2)
        assert service.server.jobs()[0]["state"] == "running"
        service.go_on()
        service.finish(1)
        service.check_once([pid])


def test_over_while_no_server_was_there(tmp_path: Path, data: bytes):
    with held(tmp_path, data, "end") as service:
        pid = service.begin()
        service.server.kill()
        service.go_on()
        until(lambda: is_gone(pid))
        service.server.start()
        service.finish(1)
        service.check_once([pid])


def test_killed_after_its_run_and_before_its_end_is_written(tmp_path: Path, data: bytes):
    with held(tmp_path, data, "end") as service:
        pid = service.begin()
        service.server.kill()
        os.kill(pid, signal.SIGKILL)
        until(lambda: is_gone(pid))
        service.server.start()
        service.finish(1)
        service.check_once([pid], ends=0)
