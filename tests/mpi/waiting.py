"""Ranks that stay: a program for the launcher, python -m tests.mpi.waiting FOLDER PARENT.

Starting ranks takes seconds, mostly of imports; what a test wants of them takes less than one. So
these wait for jobs, ``job-0.json``, ``job-1.json``, ... in FOLDER, each a command line for the first
so many of them, or a module with its arguments, which is then run on a communicator of just those.
They go when PARENT is gone.

What ends a rank for good ends this world; whoever asked then sees how, and starts another.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import ddp_mlp.comm.mpi.communicator as communicator
import ddp_mlp.comm.mpi.job as job_of_ranks
import ddp_mlp.run.run  # so that no job waits for it  # noqa: F401
from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.comm import SingleProcess
from ddp_mlp.engine.compilation import ready_kernels
from tests.inside import exit_code, set_up_like_a_process
from tests.mpi.faulty import with_fault

MPI = communicator.MPI
#: How often they look for the next job at first, and when none has come for a while.
LOOK_EVERY_S, SELDOM_S = 0.003, 0.03


class SomeRanks:
    """The module `mpi4py.MPI`, of whose world only the first ranks are there, and which goes on after its end."""

    def __init__(self, n_ranks: int) -> None:
        group = MPI.COMM_WORLD.Get_group().Incl(range(n_ranks))
        self.COMM_WORLD = MPI.COMM_WORLD.Create_group(group)
        self.COMM_WORLD.Set_errhandler(MPI.ERRORS_RETURN)

    def Finalize(self) -> None:
        self.COMM_WORLD.Free()

    def __getattr__(self, name: str) -> Any:
        return getattr(MPI, name)


def run_job(folder: Path, number: int, rank: int, job: dict[str, Any]) -> None:
    """Run a job on this rank, and leave what it says, and then its exit code."""
    communicator.MPI = job_of_ranks.MPI = SomeRanks(job["ranks"])  # type: ignore[assignment]
    size = "OMPI_COMM_WORLD_SIZE" if "OMPI_COMM_WORLD_SIZE" in os.environ else "PMI_SIZE"
    environment = {**os.environ, **job["environment"], size: str(job["ranks"])}
    paths = [folder / f"{name}-{number}-{rank}" for name in ("out", "err")]
    module, _, function = job["program"].partition(":")
    with set_up_like_a_process(job["arguments"], Path(job["cwd"]), environment, *paths), with_fault(job["fault"], rank):
        code = exit_code(getattr(importlib.import_module(module), function))
    partial = folder / f".code-{number}-{rank}"
    partial.write_text(str(code))
    partial.rename(folder / f"code-{number}-{rank}")


def wait_for_job(folder: Path, number: int, parent: int) -> dict[str, Any] | None:
    """Return the next job, or nothing when there will be none."""
    path, pause_s = folder / f"job-{number}.json", LOOK_EVERY_S
    while not path.exists():
        if (folder / "end").exists():
            return None
        if not Path(f"/proc/{parent}").exists():
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
        time.sleep(pause_s)
        pause_s = min(1.1 * pause_s, SELDOM_S)
    job: dict[str, Any] = json.loads(path.read_text())
    return job


def main() -> None:
    """Do jobs until there are no more, or PARENT is gone."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    is_concurrent = job_of_ranks._start_mpi()
    job_of_ranks._start_mpi = lambda: is_concurrent
    job_of_ranks._end_mpi = lambda: job_of_ranks.MPI.Finalize()
    communicator.unlink_shared_memory()
    rank = MPI.COMM_WORLD.rank
    for dtype in DTYPES:
        ready_kernels(dtype, SingleProcess(), print)
    for number in itertools.count():
        job = wait_for_job(folder, number, parent)
        if job is None:
            break
        if rank < job["ranks"]:
            run_job(folder, number, rank, job)
    MPI.Finalize()


if __name__ == "__main__":
    main()
