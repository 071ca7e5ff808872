"""The record of its jobs in a run directory: ``slurm.json``."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import msgspec

from ddp_mlp.durable import write_whole
from ddp_mlp.errors import OutputError
from ddp_mlp.plain_files import read_json

#: Numbers of jobs and tasks as Slurm writes them; what is none is not shown to it.
_JOB = re.compile(r"[0-9]{1,20}(_[0-9]{1,20})?")
#: Beyond any step that a run comes to.
_MOST_STEPS = 2**53


class Record(msgspec.Struct, frozen=True):
    """The job of a run, and at which steps it was put back into the queue."""

    job_id: str = ""
    requeued_at_steps: tuple[int, ...] = ()


def read_record(run_directory: Path) -> Record:
    """Return the record of a run; an empty one if there is none that can be read."""
    with suppress(OSError):
        found = read_json(run_directory / "slurm.json", Record)
        if found and _JOB.fullmatch(found.job_id):
            return found
    return Record()


def write_record(run_directory: Path, record: Record) -> None:
    """Keep the record of a run.

    Raises
    ------
    OutputError, StorageError
        If it cannot be written.
    """
    try:
        run_directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {run_directory / 'slurm.json'}: {error.strerror}") from None
    write_whole(run_directory / "slurm.json", msgspec.json.encode(record) + b"\n")


def read_status(run_directory: Path) -> dict[str, object]:
    """Return the fields of ``status.json``; empty if it is absent or unreadable."""
    with suppress(OSError):
        return read_json(run_directory / "status.json", dict[str, object]) or {}
    return {}


def ended_in(directory: Path, job_id: str) -> bool:
    """Tell whether the study of a directory has come to its end in a job."""
    with suppress(OSError):
        told = read_json(directory / "study.json", dict[str, object]) or {}
        return bool(job_id) and told.get("ended_in") == job_id
    return False


def steps_in(directory: Path) -> int:
    """Return the step of a run, or of a study the steps of all its runs."""
    if status := read_status(directory):
        return step_of(status)
    within = [*directory.glob("*/status.json"), *directory.glob("*/fold-*/status.json")]
    return sum(step_of(read_status(path.parent)) for path in within)


def job_of(status: dict[str, object]) -> str:
    """Return the Slurm job that ``status.json`` tells; empty outside Slurm."""
    job = status.get("slurm_job_id")
    return job if isinstance(job, str) and _JOB.fullmatch(job) else ""


def step_of(status: dict[str, object]) -> int:
    """Return the step that ``status.json`` tells: of the last epoch, or of the end."""
    step = status.get("steps", status.get("step", 0))
    return step if isinstance(step, int) and 0 <= step < _MOST_STEPS else 0
