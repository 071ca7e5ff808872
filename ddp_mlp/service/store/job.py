"""A job of the service: the row of the store, and the object that the API shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KINDS = ("train", "search", "cross-validate", "ensemble")
STATES = ("queued", "running", "stopping", "stopped", "finished", "failed")
#: States of jobs that wait or run.
LIVE = ("queued", "running", "stopping")
#: States of jobs that have a process, or are about to.
ACTIVE = ("running", "stopping")

#: Fields that nobody outside the service needs.
INTERNAL = (
    "config", "overrides", "arguments", "key", "key_sha256", "token", "attempts", "resumes", "vain", "reached",
    "passed", "memory_bytes", "slurm_job",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes
    ----------
    config : str
        TOML text as submitted.
    overrides : dict
        Values above it, by ``SECTION.KEY``.
    arguments : list of str
        Options of the command beside them.
    key, key_sha256 : str or None
        Of the request that made it, so that the same request makes no second one.
    token : str
        Of the newest start; empty before the first. Whoever holds it may start the job.
    attempts, restarts : int
        Starts, and those among them after a death.
    resumes : bool
        Whether the next start goes on from a checkpoint.
    vain, reached : int
        Deaths in a row without a new checkpoint, and when the newest one was written, in nanoseconds.
    passed : int
        Later jobs that have started while it waited.
    progress, latest, best, sparkline
        What the run directory told when it was last looked at.
    version : int
        Number of the event that told of its newest change: of two answers the one with the larger is newer.
    """

    id: int
    name: str
    kind: str
    state: str
    ranks: int
    threads: int
    priority: int
    after: list[int]
    created_utc: str
    run_dir: str
    config: str
    started_utc: str | None = None
    ended_utc: str | None = None
    restarts: int = 0
    exit_code: int | None = None
    reason: str = ""
    waits_for: str = ""
    progress: dict[str, Any] | None = None
    latest: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    sparkline: list[float] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    key: str | None = None
    key_sha256: str | None = None
    token: str = ""
    attempts: int = 0
    resumes: bool = False
    vain: int = 0
    reached: int = -1
    passed: int = 0
    memory_bytes: int = 0
    slurm_job: str = ""
    version: int = 0

    @property
    def cores(self) -> int:
        """Cores that it works on."""
        return self.ranks * self.threads


def public(job: Job) -> dict[str, Any]:
    """Return a job as the API shows it in lists and events."""
    return {name: value for name, value in vars(job).items() if name not in INTERNAL}
