"""The place of a run that keeps no files: a directory and a lock that are never there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddp_mlp.comm import Communicator
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.lock import RunLock


class NoLock:
    """The lock of a directory that nobody else can want."""

    last_owner_may_wake = False

    def acquire(self) -> None:
        """Return at once."""

    def share(self, comm: Communicator) -> None:
        """Return at once."""

    def check(self) -> None:
        """Return at once."""

    def release(self) -> None:
        """Return at once."""


class NoDirectory:
    """A run directory in which all is forgotten."""

    path = checkpoints = metrics = Path()

    def holds_run(self) -> bool:
        """Return False."""
        return False

    def create(self) -> None:
        """Return at once."""

    def prepare(self, last_owner_may_wake: bool = False) -> None:
        """Return at once."""

    def check_unused(self) -> None:
        """Return at once."""

    def clear(self) -> None:
        """Return at once."""

    def write_status(self, state: str, **fields: Any) -> None:
        """Return at once."""

    def note_failure(self, exit_code: int, reason: str, within_s: float, *, unless_over: bool = False) -> None:
        """Return at once."""

    def log(self, line: str) -> None:
        """Return at once."""


def place_of_run(
    directory: Path | None, tell: Callable[[str], None]
) -> tuple[RunDirectory | NoDirectory, RunLock | NoLock]:
    """Return the directory of a run and its lock; those of a run that keeps no files where none is given."""
    if directory is None:
        return NoDirectory(), NoLock()
    lock = RunLock(directory, tell)
    return RunDirectory(directory, lock.check), lock
