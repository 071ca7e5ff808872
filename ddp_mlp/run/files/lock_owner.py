"""Who holds a run directory, as its lock file tells."""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.errors import printable
from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.lives import boot_id, start_of

#: Characters of an owner in a message; a lock file may hold anything.
_LONGEST = 200


@dataclass(frozen=True)
class Owner:
    """Who holds a run directory, as written in its lock file.

    Attributes
    ----------
    token : str
        Differs for every process that ever held a lock.
    job, restarts : str
        Slurm's job id and how often it was requeued; empty outside Slurm.
    boot : str
        Id of this start of the machine's kernel.
    pid, started : int
        Process id, and when it started in ticks since boot: ids are used again.
    """

    token: str
    job: str
    restarts: str
    host: str
    boot: str
    pid: int
    started: int
    since_utc: str

    def __str__(self) -> str:
        job = f"job {self.job} on " if self.job else ""
        return printable(f"{job}{self.host}, pid {self.pid}, since {self.since_utc}")[:_LONGEST]


def this_process() -> Owner:
    """Return this process as an owner."""
    return Owner(
        token=uuid.uuid4().hex,
        job=slurm_job_id(os.environ),
        restarts=os.environ.get("SLURM_RESTART_COUNT", ""),
        host=socket.gethostname(),
        boot=boot_id(),
        pid=os.getpid(),
        started=start_of(os.getpid()) or 0,
        since_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read_owner(path: Path) -> Owner | None:
    """Return the owner that a lock file names; None if it is not there, empty or cut short.

    Raises
    ------
    OSError
        If it cannot be read, so that there may be one.
    """
    with suppress(FileNotFoundError):
        return read_json(path, Owner)
    return None
