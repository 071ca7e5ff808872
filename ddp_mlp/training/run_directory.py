"""The run directory: what a run leaves behind, appended to over restarts."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddp_mlp.errors import OutputError, StorageError, UsageError
from ddp_mlp.training.checkpoint import list_checkpoints
from ddp_mlp.training.sealed import write_atomically


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

    def create(self, *, resume: bool) -> None:
        """Make the directory, and see that files can be written into it.

        Raises
        ------
        UsageError
            If it holds a run and `resume` is False.
        OutputError
            If it cannot be made or written to.
        """
        if not resume and self.holds_run():
            raise UsageError(f"{self.path} already holds a run; go on with --resume, or choose another --out")
        probe = self.path / f".writable-{os.getpid()}"
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise OutputError(f"cannot write to the run directory {self.path}: {error.strerror}") from None

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
            "updated_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(self.path / "status.json", (json.dumps(status, indent=1) + "\n").encode())

    def append_metrics(self, history: list[dict[str, Any]]) -> None:
        """Append the rows of epochs that ``metrics.csv`` does not have yet."""
        _append_epochs(self.metrics, [_readable(row) for row in history])

    def append_hashes(self, rows: list[dict[str, Any]]) -> None:
        """Append the rows of epochs that ``hashes.csv`` does not have yet."""
        _append_epochs(self.hashes, rows)

    def log(self, line: str) -> None:
        """Append a line with the time to ``log.txt``."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            with (self.path / "log.txt").open("a") as file:
                file.write(f"{stamp} {line}\n")
        except OSError as error:
            raise StorageError(f"{self.path / 'log.txt'}: cannot write: {error.strerror}") from None


def _append_epochs(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append those rows to a table whose epochs it does not have yet.

    An epoch that was computed twice because a job was killed before its checkpoint has
    the same numbers both times, so the first row stays.
    """
    try:
        known = _epochs_in(path)
        new = [row for row in rows if row["epoch"] not in known]
        if not new:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(new[0]), lineterminator="\n")
        if not path.exists() or path.stat().st_size == 0:
            writer.writeheader()
        writer.writerows(new)
        with path.open("a") as file:
            file.write(_line_end_missing(path) + text.getvalue())
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None


def _line_end_missing(path: Path) -> str:
    """Return the line end that a row cut short by a crash or a full disk lacks."""
    content = path.read_bytes() if path.exists() else b""
    return "\n" if content and not content.endswith(b"\n") else ""


def _epochs_in(path: Path) -> set[int]:
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        # A row with fewer cells than the header was cut short and does not count.
        whole = [row for row in csv.DictReader(file) if None not in row.values()]
        return {int(row["epoch"]) for row in whole if row["epoch"].isdigit()}


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten measured times; numbers that training computed keep all their digits."""
    return {k: f"{v:.6g}" if isinstance(v, float) and k.endswith("_s") else v for k, v in row.items()}
