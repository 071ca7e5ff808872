"""The ways to start, find and stop jobs: on the cores of this machine, or by Slurm."""

from __future__ import annotations

import subprocess
import uuid
from typing import Protocol

from ddp_mlp.service.orders.submission import epochs_of, write_config
from ddp_mlp.service.running.claims import revoke
from ddp_mlp.service.running.estimate import memory_of
from ddp_mlp.service.running.local import ask_to_stop, spawn
from ddp_mlp.service.running.scheduling import Room
from ddp_mlp.service.running.standing import Standing, standing_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job


class Starter(Protocol):
    """Starts jobs, and tells how they stand."""

    def room(self) -> Room:
        """Return the cores and the memory that jobs share."""

    def new_token(self) -> str:
        """Return the name of a start that is about to be written down."""

    def start(self, job: Job) -> subprocess.Popen[bytes] | None:
        """Start a job whose start is written down."""

    def standing(self, job: Job) -> Standing:
        """Return how the newest start of a job stands."""

    def revoke(self, job: Job) -> bool:
        """Take a start back that nobody has begun with; return whether that was so."""

    def ask_to_stop(self, job: Job, standing: Standing) -> None:
        """Ask a job to save and leave."""

    def epochs_of(self, job: Job) -> int | None:
        """Return how many epochs a job is to run, if it is a single run."""

    def memory_of(self, job: Job) -> int:
        """Return the bytes that a job will take; this may last."""


class LocalStarter:
    """Starts jobs as processes of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def room(self) -> Room:
        """Return the cores and the memory of the service."""
        return Room(self._settings.cores, self._settings.memory_bytes)

    def new_token(self) -> str:
        """Return a name that no other start has."""
        return uuid.uuid4().hex

    def start(self, job: Job) -> subprocess.Popen[bytes] | None:
        """Start the process of a job, after another look at the files that it names."""
        write_config(job, self._settings)
        return spawn(job, self._settings)

    def standing(self, job: Job) -> Standing:
        """Return how the newest start of a job stands."""
        return standing_of(self._settings.job_folder(job.id), job.token, self._settings.directory / job.run_dir)

    def revoke(self, job: Job) -> bool:
        """Take a start back that no process has claimed."""
        return revoke(self._settings.job_folder(job.id), job.token)

    def ask_to_stop(self, job: Job, standing: Standing) -> None:
        """Ask the process of a job to save and leave."""
        if standing.claim:
            ask_to_stop(standing.claim)

    def epochs_of(self, job: Job) -> int | None:
        """Return how many epochs a job is to run, if it is a single run."""
        return epochs_of(job, self._settings)

    def memory_of(self, job: Job) -> int:
        """Return the bytes that a job will take, after a look at its data."""
        return memory_of(job, self._settings)
