"""What the service costs a job on all cores: alone, and beside a server whose page somebody looks at, in turns.

python -m benchmarks service [--rounds 5] [--seconds 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

from benchmarks.endless import CONFIG, epochs_of
from benchmarks.machine import Watch, description
from benchmarks.reporting import markdown, save
from benchmarks.saving import make_rows
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.service.client.client import Client
from ddp_mlp.service.client.finding import Server, find_server

KINDS = ("alone", "beside a server without a viewer", "beside a server with one viewer")
#: Seconds until a server that has started is at rest.
_SETTLE_S = 3.0


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Serve a folder meanwhile; jobs live on."""
    command = [sys.executable, "-m", "ddp_mlp", "serve", ".", "--port", "0"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        until, found = monotonic() + 60, None
        while not (found := _answering(folder)):
            if monotonic() > until or process.poll() is not None:
                raise SystemExit("the server does not answer")
            sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait()


def _answering(folder: Path) -> Server | None:
    with suppress(DdpMlpError):
        found = find_server(str(folder), {}, folder)
        Client(lambda: found).ask("GET", "/api/v1/session")
        return found
    return None


@contextmanager
def viewed(server: Server, job: int) -> Iterator[None]:
    """Read the news of a server meanwhile, as the page of a run does."""
    Client(lambda: server).ask("GET", f"/api/v1/jobs/{job}/metrics?thin=true&limit=2000")
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {server.token}"})
    events = connection.getresponse()

    def read() -> None:
        with suppress(OSError, HTTPException):  # it ends when the server does
            while events.readline():
                pass

    threading.Thread(target=read, daemon=True).start()
    yield


def measure(folder: Path, job: int, kind: str, seconds: float) -> float:
    """Return the mean seconds of an epoch of the job meanwhile."""
    with ExitStack() as stack:
        server = stack.enter_context(served(folder)) if kind != KINDS[0] else None
        if server and kind == KINDS[2]:
            stack.enter_context(viewed(server, job))
        sleep(_SETTLE_S)
        first = len(epochs_of(folder / "runs/job"))
        sleep(seconds)
        return statistics.fmean(epochs_of(folder / "runs/job")[first + 1 :])


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each kind in each round")
    options = parser.parse_args(arguments)
    watch, taken = Watch(), dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        make_rows(folder)
        with served(folder) as server:
            body = {"config": CONFIG, "name": "job", "ranks": len(os.sched_getaffinity(0))}
            job = int(Client(lambda: server).ask("POST", "/api/v1/jobs", body)["id"])
            while not (folder / "runs/job/model.h5").exists():
                sleep(0.5)
        try:
            for turn in range(options.rounds):
                for kind in KINDS if turn % 2 == 0 else reversed(KINDS):
                    taken.setdefault(kind, []).append(measure(folder, job, kind, options.seconds))
        finally:
            _end(folder, job)
    head = ["training", "ms an epoch", "of alone in the same round [range]"]
    text = "\n".join([description(), watch.verdict(), "", markdown(head, _rows(taken))])
    save("service", text, {"seconds": taken})


def _rows(taken: dict[str, list[float]]) -> list[list[str]]:
    rows = []
    for kind in KINDS:
        ratios = [mean / alone for mean, alone in zip(taken[kind], taken[KINDS[0]], strict=True)]
        middle = f"{statistics.median(ratios):.4f} [{min(ratios):.4f}..{max(ratios):.4f}]"
        rows.append([kind, f"{statistics.median(taken[kind]) * 1e3:.2f}", middle])
    return rows


def _end(folder: Path, job: int) -> None:
    """Stop the job, and wait until it has left."""
    with served(folder) as server:
        client = Client(lambda: server)
        client.ask("POST", f"/api/v1/jobs/{job}/stop")
        while client.ask("GET", f"/api/v1/jobs/{job}")["state"] == "stopping":
            sleep(0.2)
