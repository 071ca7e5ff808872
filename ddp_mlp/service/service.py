"""The service for those who ask: submit, stop, resume and remove jobs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from ddp_mlp.errors import UsageError
from ddp_mlp.service.orders.configuration import check_config
from ddp_mlp.service.orders.going_on import require_the_same_run
from ddp_mlp.service.orders.submission import Request, check_request, new_job, write_config
from ddp_mlp.service.running.claims import read_claim, revoke
from ddp_mlp.service.running.local import end_at_once
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import ACTIVE, LIVE, Job
from ddp_mlp.service.store.store import Store
from ddp_mlp.service.times import now_utc


class ConflictError(UsageError):
    """A request that a job in its state cannot follow."""


@dataclass(frozen=True)
class Service:
    """A service.

    Attributes
    ----------
    wake : callable
        Has the supervisor look at once.
    """

    settings: Settings
    store: Store
    wake: Callable[[], None]

    def submit(self, request: Request, key: str | None, body: bytes) -> tuple[Job, bool]:
        """Add a job, unless the same request has made one; return it, and whether it is new.

        Raises
        ------
        RefusedError
            If it is impossible.
        UsageError
            If the key was used for another request.
        """
        checked = check_request(request, self.settings, self.store)
        job, is_new = self.store.add(
            lambda: new_job(request, checked, self.settings, self.store), key, sha256(body).hexdigest()
        )
        if is_new:
            write_config(job, self.settings)
            self.wake()
        return job, is_new

    def stop(self, job_id: int, *, force: bool = False) -> Job:
        """Ask a job to stop: one that waits stops at once, one that runs saves first; with `force` it is killed.

        Raises
        ------
        LookupError, ConflictError
            If there is none, or it is over.
        UsageError
            If it is to be killed, and runs on other machines.
        """
        job = self.store.get(job_id)
        if force and self.settings.slurm:
            raise UsageError("a job of Slurm is ended at once by scancel; without force it saves first")
        stopped = self.store.change(
            job_id, ("queued",), state="stopped", reason="stopped while it waited", waits_for="", ended_utc=now_utc()
        ) or self.store.change(job_id, ("running",), state="stopping")
        if force:
            self._end_at_once(self.store.get(job_id))
        self.wake()
        if stopped:
            return stopped
        if job.state == "stopping":
            return job
        raise ConflictError(f"job {job_id} is {job.state}; only one that waits or runs can be stopped")

    def _end_at_once(self, job: Job) -> None:
        """Kill the process of a job that was asked to stop; one that has not begun cannot begin any more."""
        folder = self.settings.job_folder(job.id)
        if job.state == "stopping" and not revoke(folder, job.token) and (claim := read_claim(folder, job.token)):
            end_at_once(claim)

    def resume(self, job_id: int, overrides: Mapping[str, Any]) -> Job:
        """Put a job that is over into the queue, to go on from its newest checkpoint.

        Raises
        ------
        LookupError, ConflictError
            If there is none, or it waits or runs.
        RefusedError
            If a value is impossible, or one that what was computed does not go on with.
        """
        job = self.store.get(job_id)
        if job.state in LIVE:
            raise ConflictError(f"job {job_id} is {job.state}; stop it first, or submit another one")
        merged = {**job.overrides, **overrides}
        checked = check_config(job.config, merged, self.settings)
        require_the_same_run(self.settings.directory / job.run_dir, overrides, checked.config)
        queued = self.store.change(
            job_id, (job.state,), state="queued", overrides=merged, resumes=job.attempts > 0, vain=0, passed=0,
            memory_bytes=0,
            reason="", exit_code=None, ended_utc=None, after=_still(job.after, self.store),
        )  # fmt: skip
        if queued is None:
            raise ConflictError(f"job {job_id} has changed meanwhile; look at it again")
        self.wake()
        return queued

    def remove(self, job_id: int, *, files: bool) -> None:
        """Forget a job that is over; with `files` its run directory too.

        Raises
        ------
        LookupError, ConflictError
            If there is none, or it runs.
        """
        job = self.store.get(job_id)
        if job.state == "queued":
            job = self.stop(job_id)
        if job.state in ACTIVE:
            raise ConflictError(f"job {job_id} is {job.state}; stop it first")
        self.store.remove(job_id)
        with suppress(OSError):
            shutil.rmtree(self.settings.job_folder(job_id))
        run_dir = self.settings.directory / job.run_dir
        if files and run_dir.parent == self.settings.runs and not run_dir.is_symlink():
            shutil.rmtree(run_dir, ignore_errors=True)
        self.wake()


def _still(after: list[int], store: Store) -> list[int]:
    """Return the jobs that a resumed one still has to wait for: those that can finish."""
    states = store.states_of(after)
    return [number for number in after if states.get(number) in (*LIVE, "finished")]


def decoded(body: bytes) -> Request:
    """Return the request for a job in a body."""
    return msgspec.json.decode(body, type=Request)
