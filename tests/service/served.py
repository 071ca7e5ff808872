"""A service within the test's process, whose jobs are none: a test says how they stand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from ddp_mlp.service.running.claims import Claim
from ddp_mlp.service.running.scheduling import Room
from ddp_mlp.service.running.standing import Phase, Standing
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job
from ddp_mlp.service.web.app import make_app

CONFIG = '[data]\ntrain = "moons.h5"\nvalid_fraction = 0.2\n[train]\nepochs = 3\n'
URL = "http://127.0.0.1:8765"


@dataclass
class Pretended:
    """Starts nothing, and tells what it was told."""

    settings: Settings
    standings: dict[int, Standing] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def room(self) -> Room:
        return Room(self.settings.cores, self.settings.memory_bytes)

    def new_token(self) -> str:
        return f"token-{len(self.started)}"

    def start(self, job: Job) -> subprocess.Popen[bytes] | None:
        self.started.append(job.id)
        self.standings[job.id] = Standing(Phase.RUNNING, Claim(1, 1, "", ""))
        return None

    def standing(self, job: Job) -> Standing:
        return self.standings.get(job.id, Standing(Phase.UNCLAIMED))

    def revoke(self, _job: Job) -> bool:
        return True

    def ask_to_stop(self, job: Job, standing: Standing) -> None:
        self.asked.append(job.id)
        self.standings[job.id] = Standing(Phase.ENDED, standing.claim, 75)

    def epochs_of(self, _job: Job) -> int | None:
        return 3

    def memory_of(self, _job: Job) -> int:
        return 2**20


@dataclass
class Served:
    """A service and a client that it lets in."""

    client: TestClient
    starter: Pretended
    settings: Settings
    token: str

    def submit(self, config: str = CONFIG, **fields: Any) -> dict[str, Any]:
        answer = self.client.post("/api/v1/jobs", json={"config": config, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def job(self, number: int) -> dict[str, Any]:
        return self.client.get(f"/api/v1/jobs/{number}").json()

    def until(self, number: int, *states: str) -> dict[str, Any]:
        return self.once(number, lambda job: job["state"] in states)

    def once(self, number: int, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(400):
            job = self.job(number)
            if is_so(job):
                return job
            self.client.portal.call(_sleep)
        raise AssertionError(job)


async def _sleep() -> None:
    import anyio

    await anyio.sleep(0.02)


@contextmanager
def served(directory: Path, **settings: Any) -> Iterator[Served]:
    """Provide a service of a directory."""
    chosen = Settings(directory.resolve(), **{"cores": 2, **settings})
    starter = Pretended(chosen)
    app = make_app(chosen, print, starter)
    token = (chosen.folder / "token").read_text().strip()
    with TestClient(app, base_url=URL) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield Served(client, starter, chosen, token)
