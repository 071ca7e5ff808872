"""Ranks that stay for a whole session (`tests/mpi/waiting.py`), seen from the process that gives them jobs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.inside import clean_environment

#: As many as most layouts need; more are started for the purpose.
N_RANKS = 4


@dataclass(frozen=True)
class Job:
    """What the first `ranks` ranks are to do: call MODULE:FUNCTION, with these arguments and more variables.

    A `fault` is one of `tests/mpi/faulty.py`.
    """

    program: str
    arguments: list[str]
    cwd: str
    ranks: int
    environment: dict[str, str]
    fault: Sequence[str] = ()


class World:
    """Ranks that stay, seen from the process that gives them jobs."""

    def __init__(self) -> None:
        from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
        from ddp_mlp.cluster.launch.launchers import find_launcher

        self._folder = Path(tempfile.mkdtemp(prefix="ddp-mlp-world-"))
        self._n_jobs = 0
        launcher = find_launcher()
        program = ["-m", "tests.mpi.waiting", str(self._folder), str(os.getpid())]
        root = {"PYTHONPATH": str(Path(__file__).parents[1]), "DDP_MLP_PROGRESS": "none"}
        with (self._folder / "launcher").open("wb") as log:
            self._process = subprocess.Popen(
                ranks_command(launcher, N_RANKS, program),
                env=launch_environment(launcher, 1, {**clean_environment(), **root}),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.poll() is None

    def run(self, job: Job, deadline_s: float) -> tuple[int, str, str]:
        """Run a job and return its words, and the worst exit code of a rank, as a launcher does."""
        number, self._n_jobs, ranks = self._n_jobs, self._n_jobs + 1, job.ranks
        partial = self._folder / ".job"
        partial.write_text(json.dumps(asdict(job)))
        partial.rename(self._folder / f"job-{number}.json")
        codes = [self._folder / f"code-{number}-{rank}" for rank in range(ranks)]
        until = time.monotonic() + deadline_s
        while not all(path.exists() for path in codes):
            if not self.is_alive:
                out, err = self._said(number, ranks)
                return self._process.returncode, out, err + (self._folder / "launcher").read_text()
            if time.monotonic() > until:
                self._kill()
                raise subprocess.TimeoutExpired(job.arguments, deadline_s, *self._said(number, ranks))
            time.sleep(0.002)
        out, err = self._said(number, ranks)
        return max(int(path.read_text()) for path in codes), out, err

    def _said(self, number: int, ranks: int) -> list[str]:
        """Return what the ranks have said on standard output, and on standard error."""
        paths = [[self._folder / f"{name}-{number}-{rank}" for rank in range(ranks)] for name in ("out", "err")]
        return ["".join(path.read_text() for path in of_ranks if path.exists()) for of_ranks in paths]

    def end(self) -> None:
        """Let all ranks go, and take its files away."""
        (self._folder / "end").touch()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


_WORLDS: list[World] = []


def the_world() -> World:
    """Return the ranks of this session, which start when they are first asked for, and again when they have died."""
    if not _WORLDS or not _WORLDS[-1].is_alive:
        end_the_world()
        _WORLDS.append(World())
    return _WORLDS[-1]


def end_the_world() -> None:
    """End the ranks that stay, at the end of a session."""
    while _WORLDS:
        _WORLDS.pop().end()
