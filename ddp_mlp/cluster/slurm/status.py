"""The status of a run's job: from Slurm, and from the run itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.cluster.slurm import controller
from ddp_mlp.cluster.slurm.job import limit_seconds
from ddp_mlp.cluster.slurm.record import job_of, read_record, read_status, step_of
from ddp_mlp.errors import MissingInputError, UsageError
from ddp_mlp.plain_files import is_directory, leads_to_a_stranger


@dataclass(frozen=True)
class JobStatus:
    """One line of `slurm status`. Text of Slurm is as Slurm writes it, empty if it knows nothing.

    Attributes
    ----------
    time_left_s : int or None
        Seconds until the limit, while the job runs.
    state : str
        Of the run, from ``status.json``; empty before its first start.
    """

    run_dir: str
    job_id: str
    job_state: str
    reason: str
    restarts: int
    nodes: str
    time_left_s: int | None
    state: str
    epoch: int
    step: int
    updated_utc: str


def job_status(run_directory: Path) -> JobStatus:
    """Return how the job of a run stands."""
    status = read_status(run_directory)
    job_id, job = _newest_job(read_record(run_directory).job_id, job_of(status))
    epoch = status.get("epochs", status.get("epoch", 0))
    return JobStatus(
        run_dir=str(run_directory),
        job_id=job_id,
        job_state=job.get("JobState", ""),
        reason="" if job.get("Reason") in (None, "None") else job["Reason"],
        restarts=int(job["Restarts"]) if re.fullmatch(r"[0-9]{1,9}", job.get("Restarts", "")) else 0,
        nodes="" if job.get("NodeList") in (None, "(null)") else job["NodeList"],
        time_left_s=_time_left(job),
        state=str(status.get("state", "")),
        epoch=epoch if isinstance(epoch, int) else 0,
        step=step_of(status),
        updated_utc=str(status.get("updated_utc", "")),
    )


def _newest_job(submitted: str, ran: str) -> tuple[str, dict[str, str]]:
    """Return id and fields of the job that was submitted last, or of the one that ran last if only that lives."""
    jobs = {job_id: controller.show(job_id) for job_id in (submitted, ran) if job_id}
    known = {job_id: job for job_id, job in jobs.items() if job}
    alive = {job_id: job for job_id, job in known.items() if job.get("JobState") in ("PENDING", "RUNNING")}
    return next(iter([*alive.items(), *known.items(), *jobs.items()]), ("", {}))


def _time_left(job: dict[str, str]) -> int | None:
    if job.get("JobState") != "RUNNING":
        return None
    try:
        limit_s, gone_s = limit_seconds(job["TimeLimit"]), limit_seconds(job["RunTime"])
    except (KeyError, UsageError):
        return None
    return None if limit_s is None or gone_s is None else max(0, limit_s - gone_s)


def statuses(directory: Path) -> list[JobStatus]:
    """Return the status of a run, or of each run of an array.

    Raises
    ------
    MissingInputError
        If there is no run and no job.
    """
    within = sorted(directory.glob("*/status.json")) if is_directory(directory) else []
    runs = [path.parent for path in within if not leads_to_a_stranger(path.parent)]
    if os.path.lexists(directory / "status.json") or (os.path.lexists(directory / "slurm.json") and not runs):
        runs = [directory]
    if not runs:
        raise MissingInputError(f"{directory}: holds no run, and no job was submitted from it")
    return [job_status(run) for run in runs]
