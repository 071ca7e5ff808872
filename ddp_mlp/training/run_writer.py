"""Turning snapshots into the files of a run directory, and saying so when that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from ddp_mlp.errors import DdpMlpError
from ddp_mlp.training.run_directory import RunDirectory
from ddp_mlp.training.snapshot import Imprint, Snapshot

#: Seconds between two writes of ``status.json`` that no checkpoint calls for.
STATUS_EVERY_S = 1.0


class RunWriter:
    """Writes for one run. Nothing is told of before it is durable.

    Attributes
    ----------
    last_good : str
        Name of the newest checkpoint that is known to be on disk; empty before the first.
    """

    def __init__(self, directory: RunDirectory, imprint: Imprint, tell: Callable[[str], None], last_good: str) -> None:
        self.last_good = last_good
        self._directory = directory
        self._imprint = imprint
        self._tell = tell
        self._metrics: list[dict[str, Any]] = []
        self._hashes: list[dict[str, Any]] = []
        self._n_known = 0
        self._status_at = monotonic()
        self._is_failing = False

    def tabulate(self, snapshots: Sequence[Snapshot]) -> None:
        """Append to the tables what the snapshots add to them; what cannot be written now comes the next time."""
        self._metrics += snapshots[-1].history[self._n_known :]
        self._n_known = snapshots[-1].n_rows
        self._hashes += [self._imprint.hashes(snapshot) for snapshot in snapshots if snapshot.ends_epoch]
        self._directory.append_metrics(self._metrics)
        self._metrics = []
        self._directory.append_hashes(self._hashes)
        self._hashes = []
        if monotonic() - self._status_at >= STATUS_EVERY_S:
            self._write_status(snapshots[-1])

    def save(self, snapshot: Snapshot | None, best: Snapshot | None) -> None:
        """Make a checkpoint of one snapshot and a model of another durable.

        Raises
        ------
        StorageError, DataError
            If one of them could not be written, or does not read back.
        OutputError
            If another job has taken over the run directory.
        """
        if snapshot:
            keep, image = self._imprint.config.checkpoint.keep, self._imprint.checkpoint(snapshot)
            self.last_good = self._directory.save_checkpoint(image, snapshot.step, keep).name
            self._write_status(snapshot)
            self._directory.log(f"saved {self.last_good}")
        if best:
            self._directory.write_model(self._imprint.model(best))
        if snapshot and self._is_failing:
            self._is_failing = False
            self._tell("files of the run can be written again")

    def warn(self, error: DdpMlpError) -> None:
        """Tell of a failure that training survives; once, until something can be written again."""
        if not self._is_failing:
            self._is_failing = True
            good = f"last good checkpoint: {self.last_good}" if self.last_good else "no checkpoint yet"
            self._tell(f"warning: {error}; {good}; training goes on and tries again at the next save")

    def _write_status(self, snapshot: Snapshot) -> None:
        progress = snapshot.progress
        self._directory.write_status(
            "running", epoch=progress.epoch, step=progress.step, checkpoint=self.last_good or None
        )
        self._status_at = monotonic()
