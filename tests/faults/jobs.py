"""Jobs of several ranks of which one fails on purpose, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.runs import prepare

#: Seconds after which a job is killed and the case fails.
DEADLINE_S = 120
#: `[train] timeout_s` of the jobs.
TIMEOUT_S = 3.0

INJECT = Path(__file__).parent / "inject"
_MARK = "DDP_MLP_TEST_MARK"
_SHARED = Path("/dev/shm")  # noqa: S108 - looked into, not written
_CONFIG = f"""
[data]
train = "moons.h5"
[model]
hidden = [16]
[optimizer]
name = "adam"
learning_rate = 0.1
[train]
epochs = 200000
early_stopping_patience = 0
global_batch_size = 128
micro_batches = 4
timeout_s = {TIMEOUT_S}
"""


@dataclass(frozen=True)
class Ended:
    """What came of a job: `wait_s` are the seconds from the fault to its end."""

    code: int
    out: str
    err: str
    wait_s: float
    status: dict[str, Any]
    leftovers: tuple[str, ...]

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def error_lines(self) -> list[str]:
        """The lines on standard error that report an error."""
        return [line for line in self.err.splitlines() if line.startswith("error")]


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without traces of a launcher."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_COMM", "SLURM_"))}
    return {**kept, "DDP_MLP_PROGRESS": "none", **more}


def make_folder(path: Path) -> Path:
    """Fill a folder with a small data set and the configuration of an endless run."""
    return prepare(path, _CONFIG, "moons", 2000)


def marked_processes(mark: str) -> list[int]:
    """Return the processes of a job, by the mark in their environment; what has ended has none."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{_MARK}={mark}".encode() in (directory / "environ").read_bytes():
                found.append(int(directory.name))
    return found


def _described(process: int) -> str:
    with contextlib.suppress(OSError):
        return f"process {process} {Path(f'/proc/{process}/cmdline').read_bytes()[:60]!r}"
    return f"process {process}"


def kill_marked(mark: str) -> None:
    """Kill all processes of a job."""
    for process in marked_processes(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _mapped() -> str:
    """Return the memory maps of all processes."""
    maps = []
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            maps.append(path.read_text(errors="replace"))
    return "".join(maps)


def left_by_mpi() -> set[str]:
    """Return what MPI libraries have left on this machine.

    What a process uses belongs to a living job, and short names to one without a launcher. Files
    that launchers write for their ranks do not say whose they are, while others are at work.
    """
    mapped = _mapped()
    of_mpi = re.compile(r"mpich_shm_[0-9a-f]{7,8}_\d+|(sm|vader)_segment\..*|ucx_shm.*")
    found = [p for p in _SHARED.glob("*") if of_mpi.fullmatch(p.name) and p.name not in mapped]
    if not any(map(_is_proxy, Path("/proc").glob("[0-9]*"))):
        found += Path("/tmp").glob("hydra_hwloc*")  # noqa: S108
    return {str(path) for path in found}


def _is_proxy(process: Path) -> bool:
    with contextlib.suppress(OSError):
        name, _, fields = (process / "stat").read_text(errors="replace").rpartition(")")
        return "(hydra_pmi_proxy" in name and fields.split()[0] != "Z"
    return False


def leftovers(mark: str, temporary: Path, before: set[str]) -> tuple[str, ...]:
    """Return processes, shared memory and temporary files that stay behind; wait a moment for them to go.

    Jobs of others on this machine come and go, so that what vanishes by itself is not counted.
    """
    until = time.monotonic() + 5
    while True:
        found = [*map(_described, marked_processes(mark)), *sorted(left_by_mpi() - before)]
        found += map(str, temporary.glob("*"))
        if not found or time.monotonic() > until:
            return tuple(found)
        time.sleep(0.1)


class Job:
    """A training job that has been started, with a mark in the environment of all its processes."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str], name: str = "") -> None:
        mark, name = uuid.uuid4().hex, name or f"run-{uuid.uuid4().hex[:8]}"
        self.mark, self.run = mark, folder / name
        self.temporary = folder / f"tmp-{mark[:8]}"
        self.temporary.mkdir()
        self._before = left_by_mpi()
        self._said, self._errors = folder / f"said-{mark[:8]}", folder / f"errors-{mark[:8]}"
        with self._said.open("wb") as said, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "--out", name],
                cwd=folder,
                env=clean_environment(**{_MARK: mark, "TMPDIR": str(self.temporary)}, **environment),
                stdout=said,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def err(self) -> str:
        """What has been said on standard error so far."""
        return self._errors.read_text(errors="replace")

    def wait_for(self, what: str, happened: Callable[[], object]) -> None:
        """Wait until something has happened while the job goes on."""
        until = time.monotonic() + DEADLINE_S
        while not happened():
            assert self.process.poll() is None, f"ended before {what}: {self.err}"
            assert time.monotonic() < until, f"no {what}: {self.err}"
            time.sleep(0.01)

    def stop_rank(self, rank: int) -> None:
        """Stop the process of a rank."""
        for process in marked_processes(self.mark):
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
                if {f"PMI_RANK={rank}".encode(), f"OMPI_COMM_WORLD_RANK={rank}".encode()} & {*environment}:
                    os.kill(process, signal.SIGSTOP)

    def files_left(self) -> tuple[str, ...]:
        """Return what stays behind of a job that has ended."""
        return leftovers(self.mark, self.temporary, self._before)

    def end(self) -> Ended:
        """Wait for the end, and look at what stays behind."""
        self.process.wait(timeout=DEADLINE_S)
        ended = time.time()
        left = self.files_left()
        failed = re.search(r"fault \w+ at ([\d.]+)", self.err)
        status = self.run / "status.json"
        return Ended(
            self.process.returncode,
            self._said.read_text(errors="replace"),
            self.err,
            ended - float(failed[1]) if failed else float("nan"),
            json.loads(status.read_text()) if status.exists() else {},
            left,
        )


@contextmanager
def job(
    folder: Path,
    fault: str,
    *arguments: str,
    ranks: int = 2,
    launch: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[Job]:
    """Start to train on several ranks with a fault as `inject/sitecustomize.py` describes it.

    `launch` are more options of ``ddp-mlp launch``, `arguments` of ``train``. No ranks: without a launcher.
    """
    launcher = ["launch", "-n", str(ranks), *launch] if ranks else []
    command = [sys.executable, "-m", "ddp_mlp", *launcher, "train", "c.toml", *arguments]
    started = Job(folder, command, {"PYTHONPATH": str(INJECT), "DDP_MLP_TEST_FAULT": fault, **environment})
    try:
        yield started
    finally:
        kill_marked(started.mark)
        started.process.wait()


def run_with_fault(folder: Path, fault: str, *arguments: str, **options: Any) -> Ended:
    """Run a `job` to its end."""
    with job(folder, fault, *arguments, **options) as started:
        return started.end()


def start_program(folder: Path, ranks: int, *arguments: str) -> subprocess.Popen[str]:
    """Start ``ddp-mlp ARGUMENTS`` in a session of its own, under `launch` on several ranks."""
    launch = ["launch", "-n", str(ranks)] if ranks > 1 else []
    return subprocess.Popen(
        [sys.executable, "-m", "ddp_mlp", *launch, *arguments],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def finish_program(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a program, no longer than `DEADLINE_S`, and kill what it has left."""
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err
