"""Jobs on the cores of this machine: processes in sessions of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ddp_mlp.comm.launcher import without_rank
from ddp_mlp.config.schema import sections
from ddp_mlp.plain_files import open_own
from ddp_mlp.run.files.lives import boot_id, life_of
from ddp_mlp.service.orders.commands import arguments_of
from ddp_mlp.service.running.claims import Claim
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job


def job_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: keys of the configuration are those that were submitted, and no others."""
    prefixes = tuple(f"DDP_MLP_{section.upper()}_" for section in sections())
    kept = {name: value for name, value in without_rank(environment).items() if not name.startswith(prefixes)}
    return {**kept, "DDP_MLP_PROGRESS": "plain", "NO_COLOR": "1"}


def spawn(job: Job, settings: Settings) -> subprocess.Popen[bytes]:
    """Start the process of a job, whose start is written down; it lives on without this one.

    Raises
    ------
    OSError
        If there is no process to be had.
    """
    folder = settings.job_folder(job.id)
    numbers = [str(number) for number in (job.ranks, job.threads, settings.max_restarts)]
    command = [sys.executable, "-m", "ddp_mlp.service.running.job_process", str(folder), job.token, *numbers]
    output = open_own(output_of(folder), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        return subprocess.Popen(
            [*command, *arguments_of(job, settings)],
            cwd=settings.directory,
            env=job_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)


def output_of(folder: Path) -> Path:
    """Return the file of what a job has printed, over all its starts."""
    return folder / "output.log"


def ask_to_stop(claim: Claim) -> None:
    """Ask the process of a claim to save and leave; nothing happens if it has ended, or its id is another's now."""
    _send(claim, signal.SIGUSR1)


def end_at_once(claim: Claim) -> None:
    """Kill the process of a claim, with which its ranks end; nothing is saved."""
    _send(claim, signal.SIGKILL)


def _send(claim: Claim, number: signal.Signals) -> None:
    with suppress(OSError):
        descriptor = os.pidfd_open(claim.pid)
        try:
            life = life_of(claim.pid)
            if life and life[1] == claim.started and claim.boot == boot_id():
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
