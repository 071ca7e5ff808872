"""The run directory: what a run leaves behind, appended to over restarts."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.errors import OutputError, StorageError, UsageError
from ddp_mlp.training.checkpoint import list_checkpoints
from ddp_mlp.training.sealed import write_atomically

#: Names of files under way to their own: of `write_atomically`, of the lock, and of `create`.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp|\.now-[0-9a-f]{32}|\.writable-\d+")


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run and how its files grow. Only rank 0 writes."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The best model."""
        return self.path / "model.h5"

    @property
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def hashes(self) -> Path:
        """Hashes of the weights and of each layer, one row an epoch."""
        return self.path / "hashes.csv"

    def holds_run(self) -> bool:
        """Tell whether a run has begun here."""
        return (self.path / "config.toml").exists() or bool(list_checkpoints(self.checkpoints))

    def create(self) -> None:
        """Make the directory, and see that files can be written into it.

        Raises
        ------
        UsageError
            If its name would be more than text in a terminal or a log.
        OutputError
            If it cannot be made or written to.
        """
        if not str(self.path).isprintable():
            raise UsageError(f"--out {str(self.path)!r}: use a name without line breaks and control characters")
        probe = self.path / f".writable-{os.getpid()}"
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise OutputError(f"cannot write to the run directory {self.path}: {error.strerror}") from None

    def remove_leftovers(self) -> None:
        """Remove the temporary files of jobs that were killed; for who holds the directory's lock."""
        for directory in (self.path, self.checkpoints):
            for path in directory.glob(".*"):
                if _TEMPORARY.fullmatch(path.name):
                    with suppress(OSError):  # a directory of that name is none of ours
                        path.unlink()

    def check_unused(self) -> None:
        """Raise UsageError if the directory holds a run."""
        if self.holds_run():
            raise UsageError(f"{self.path} already holds a run; go on with --resume, or choose another --out")

    def write_config(self, text: str) -> None:
        """Keep the resolved configuration."""
        write_atomically(self.path / "config.toml", text.encode())

    def write_status(self, state: str, **fields: Any) -> None:
        """Replace ``status.json``: state, who and when, and what else is given."""
        status = {
            **fields,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "slurm_job_id": slurm_job_id(os.environ),
            "updated_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(self.path / "status.json", (json.dumps(status, indent=1) + "\n").encode())

    def log(self, line: str) -> None:
        """Append a line with the time to ``log.txt``."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            with (self.path / "log.txt").open("a") as file:
                file.write(f"{stamp} {line}\n")
        except OSError as error:
            raise StorageError(f"{self.path / 'log.txt'}: cannot write: {error.strerror}") from None
