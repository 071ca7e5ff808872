"""What a run directory keeps of its jobs: ``slurm.json``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ddp_mlp.errors import OutputError
from ddp_mlp.training.sealed import write_atomically


class Record(msgspec.Struct, frozen=True):
    """The job of a run, and at which steps it was put back into the queue."""

    job_id: str = ""
    requeued_at_steps: tuple[int, ...] = ()


def read_record(run_directory: Path) -> Record:
    """Return the record of a run; an empty one if there is none that can be read."""
    try:
        return msgspec.json.decode((run_directory / "slurm.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return Record()


def write_record(run_directory: Path, record: Record) -> None:
    """Keep the record of a run.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        run_directory.mkdir(parents=True, exist_ok=True)
        write_atomically(run_directory / "slurm.json", msgspec.json.encode(record) + b"\n")
    except OSError as error:
        raise OutputError(f"cannot write {run_directory / 'slurm.json'}: {error.strerror}") from None


def read_status(run_directory: Path) -> dict[str, object]:
    """Return what ``status.json`` says; empty if it is not there or cannot be read."""
    try:
        status = msgspec.json.decode((run_directory / "status.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return status if isinstance(status, dict) else {}


def step_of(status: dict[str, object]) -> int:
    """Return the step that ``status.json`` tells: of the last epoch, or of the end."""
    step = status.get("steps", status.get("step", 0))
    return step if isinstance(step, int) else 0
