"""The run directory: the files of a run, appended to over restarts.

Whatever is written into it goes through here, where each change is checked first: a job that
hung while another took over its directory must leave it alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

from ddp_mlp.checkpoint.checkpoint import is_checkpoint_name, list_checkpoints
from ddp_mlp.checkpoint.model import is_ensemble
from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.durable import Check, append_lines, refuse_at, remove, unchecked, under_way, write_whole, writing_errors
from ddp_mlp.errors import OutputError, UsageError, printable
from ddp_mlp.plain_files import leads_to_a_stranger, open_own, read_json
from ddp_mlp.run.files.event_file import remove_events

#: Files of a run beside its checkpoints: those that are replaced as a whole, and those that grow.
_REPLACED = ("config.toml", "status.json", "model.h5")
_GROWING = ("log.txt", "metrics.csv", "hashes.csv")
#: States of a run that came to its end.
_OVER = ("finished", "early-stopped", "target-reached")
#: A page about the run, which others write, and which is of no other run.
REPORT = "report.html"
#: Names of files under way to their own, of probes of the lock, and of those that earlier versions wrote.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp|\.now-[0-9a-f]{32}|\.writable-\d+")


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run and how its files grow. Only rank 0 writes, or who speaks when it cannot.

    Attributes
    ----------
    check : callable
        Called directly before each change; raises if it is no longer this run's to make.
    """

    path: Path
    check: Check = unchecked

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
        return os.path.lexists(self.path / "config.toml") or bool(list_checkpoints(self.checkpoints))

    def create(self) -> None:
        """Make the directory, for a lock to be put into it.

        Raises
        ------
        UsageError
            If its name would be more than text in a terminal or a log.
        OutputError
            If it cannot be made.
        """
        if not str(self.path).isprintable():
            raise UsageError(f"--out {str(self.path)!r}: use a name without line breaks and control characters")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to the run directory {self.path}: {error.strerror}") from None

    def prepare(self, last_owner_may_wake: bool = False) -> None:
        """See that a run can be written here, and remove what killed jobs have left; for who holds the lock.

        What grows goes into new files if the last owner may wake up: halfway through a change to them, it changes the
        old ones. The files under way that it would rename are removed in any case.

        Raises
        ------
        OutputError
            If something other than a plain file of this user has the name of one that a run
            writes; or another user's directory is in the place of the checkpoints.
        UsageError
            If it is the directory of an ensemble.
        StorageError
            If what grows cannot be copied.
        """
        if is_ensemble(self.path):
            raise UsageError(f"{self.path} is an ensemble, so no run can be there; choose another --out")
        self._make_checkpoints()
        self._remove_leftovers()
        checkpoints = [path for path in self.checkpoints.iterdir() if is_checkpoint_name(path.name)]
        for path in (*(self.path / name for name in _REPLACED), *checkpoints):
            refuse_at(path)
        for name in _GROWING:
            refuse_at(self.path / name, grows=True)
        if last_owner_may_wake:
            self._renew()

    def _renew(self) -> None:
        """Put the files that grow into new ones."""
        for path in (self.path / name for name in _GROWING):
            if path.exists():
                with writing_errors(path), under_way(path, self.check) as copy:
                    shutil.copy(path, copy)

    def _make_checkpoints(self) -> None:
        """Make the directory of the checkpoints; one of the same user may be in its place, behind a link."""
        try:
            self.check()
            self.checkpoints.mkdir(exist_ok=True)
            is_foreign = leads_to_a_stranger(self.checkpoints)
        except OSError as error:
            reason = "not a directory" if isinstance(error, FileExistsError) else error.strerror
            raise OutputError(f"cannot write checkpoints to {self.checkpoints}: {reason}") from None
        if is_foreign:
            raise OutputError(f"{self.checkpoints} is a link to a directory of another user; remove it")

    def _remove_leftovers(self) -> None:
        for directory in (self.path, self.checkpoints):
            for path in directory.glob(".*"):
                if _TEMPORARY.fullmatch(path.name):
                    with suppress(OSError):  # what is no plain file is none of ours
                        os.close(open_own(path, os.O_RDONLY))
                        remove(path, self.check)

    def check_unused(self) -> None:
        """Raise UsageError if the directory holds a run."""
        if self.holds_run():
            raise UsageError(
                f"{self.path} already holds a run; go on with --resume, choose another --out, or give --overwrite"
            )

    def clear(self) -> None:
        """Remove the files of a run, for another one; others that lie there stay. For who holds the lock.

        The configuration, by which a directory is known to hold a run, goes last.

        Raises
        ------
        OutputError
            If it cannot be removed.
        """
        checkpoints = [path for path in self.checkpoints.iterdir() if is_checkpoint_name(path.name)]
        names = [name for name in (*_REPLACED, *_GROWING, REPORT) if name != "config.toml"]
        try:
            for path in (*checkpoints, *(self.path / name for name in names), self.path / "config.toml"):
                if os.path.lexists(path):
                    remove(path, self.check)
            remove_events(self.path, lambda path: remove(path, self.check))
        except OSError as error:
            raise OutputError(f"cannot remove the run in {self.path}: {error.strerror}") from None

    def write_config(self, text: str) -> None:
        """Keep the resolved configuration."""
        write_whole(self.path / "config.toml", text.encode(), self.check)

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
        write_whole(self.path / "status.json", (json.dumps(status, indent=1) + "\n").encode(), self.check)

    def add_to_status(self, fields: Mapping[str, Any]) -> None:
        """Let the status of a run that is over tell more; when it ended, and where, stays."""
        path = self.path / "status.json"
        status = {**(read_json(path, dict[str, Any]) or {}), **fields}
        write_whole(path, (json.dumps(status, indent=1) + "\n").encode(), self.check)

    def note_failure(self, exit_code: int, reason: str, within_s: float, *, unless_over: bool = False) -> None:
        """Let the status tell how a run failed. It never raises, since the failure is what counts.

        It waits no longer than `within_s`: a file system that is dead may be why the run failed. With `unless_over`
        the result of a run that came to its end stays: a start was refused that has changed nothing of it.
        """

        def write() -> None:
            with suppress(Exception):
                if unless_over and self._is_over():
                    return
                self.write_status("failed", exit_code=exit_code, reason=reason)

        with suppress(RuntimeError):  # where there may be no more threads
            writing = Thread(target=write, daemon=True)
            writing.start()
            writing.join(within_s)

    def _is_over(self) -> bool:
        """Tell whether the status says that the run came to its end."""
        with suppress(OSError):
            return (read_json(self.path / "status.json", dict[str, Any]) or {}).get("state") in _OVER
        return False

    def log(self, line: str) -> None:
        """Append a line with the time to ``log.txt``."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        append_lines(self.path / "log.txt", f"{stamp} {printable(line)}\n", self.check)
