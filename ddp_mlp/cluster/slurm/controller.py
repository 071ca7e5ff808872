"""Asking Slurm: submit, show and requeue jobs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ddp_mlp.errors import LaunchError, UsageError, literal


def submit(script: Path) -> int:
    """Submit a job script and return the number of the job.

    Raises
    ------
    UsageError
        If Slurm refuses it.
    LaunchError
        If there is no Slurm here, or none that answers as it should.
    """
    done = _call(["sbatch", "--parsable", str(script)])
    if done.returncode != 0:
        raise UsageError(f"sbatch refused {script}: {_last_line(done.stderr)}")
    number = done.stdout.strip().partition(";")[0]
    if not re.fullmatch(r"[0-9]{1,18}", number):
        raise LaunchError(f"sbatch answered {literal(done.stdout)} where the number of a job should be; see: squeue")
    return int(number)


def show(job_id: str) -> dict[str, str]:
    """Return the fields of a job, by Slurm's own names; empty if it knows none."""
    try:
        done = _call(["scontrol", "show", "job", "--oneliner", job_id])
    except LaunchError:
        return {}
    return parse_job(done.stdout) if done.returncode == 0 else {}


def parse_job(text: str) -> dict[str, str]:
    """Return the fields of the first job in the answer of ``scontrol show job -o``.

    Examples
    --------
    >>> parse_job("JobId=7 JobName=a b JobState=RUNNING Command=/x/y z")["JobName"]
    'a b'
    """
    first = text.splitlines()[0] if text else ""
    return {key: value.strip() for key, value in re.findall(r"([A-Za-z/:_]+)=(.*?)(?=\s+[A-Za-z/:_]+=|$)", first)}


def requeue(job_id: str) -> str:
    """Put a job back into the queue; return why that was not possible, or nothing."""
    try:
        done = _call(["scontrol", "requeue", job_id])
    except LaunchError as error:
        return str(error)
    return _last_line(done.stderr) if done.returncode != 0 else ""


def live_jobs() -> dict[str, tuple[str, str]]:
    """Return the state and the name of each job of this user that waits or runs, by its number.

    Raises
    ------
    LaunchError
        If Slurm does not answer.
    """
    done = _call(["squeue", "--me", "--noheader", "--format=%i|%T|%j"])
    if done.returncode != 0:
        raise LaunchError(f"squeue: {_last_line(done.stderr)}")
    rows = [line.split("|", 2) for line in done.stdout.splitlines()]
    return {row[0].strip(): (row[1].strip(), row[2].strip()) for row in rows if len(row) == 3}


def cancel(job_id: str) -> None:
    """Take a job out of the queue, or end it at once."""
    _call(["scancel", job_id])


def stop(job_id: str) -> None:
    """Ask the batch shell of a job to stop, for good: it is not to put itself back into the queue."""
    _call(["scontrol", "update", f"JobId={job_id}", "Requeue=0"])
    _call(["scancel", "--signal=USR1", "--batch", job_id])


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    except FileNotFoundError:
        raise LaunchError(f"{command[0]} is not on PATH; run this on a login node of a cluster with Slurm") from None
    except OSError as error:
        raise LaunchError(f"{command[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise LaunchError(f"{command[0]} did not answer within 60 s; see: scontrol ping") from None


def _last_line(text: str) -> str:
    last = (text.strip().splitlines() or ["it did not say why"])[-1]
    return last.removeprefix("sbatch: error: ").removeprefix("scontrol: error: ")
