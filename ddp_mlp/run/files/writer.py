"""Turning snapshots into the files of a run directory, and saying so when that fails.

The order of a save is the promise: rows to the tables, the checkpoint, the model, and only then
the word that it is saved. Whatever cuts it short, the checkpoint that a start goes on from holds
all that the other files need, and `begin` puts them right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from ddp_mlp.checkpoint.checkpoint import Checkpoint, prune_checkpoints, save_checkpoint
from ddp_mlp.checkpoint.history import Cells, cells_of
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm.liveness.rank_times import KINDS
from ddp_mlp.config import as_toml
from ddp_mlp.errors import DdpMlpError, StorageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.epoch_table import EpochTable
from ddp_mlp.run.files.event_file import EventFile
from ddp_mlp.run.files.model_file import ModelFile
from ddp_mlp.run.snapshot import Imprint, Snapshot

#: Seconds between two writes of ``status.json`` that no checkpoint calls for.
STATUS_EVERY_S = 1.0


class RunWriter:
    """Writes for one run. Nothing is told of before it is durable.

    Attributes
    ----------
    last_good : str
        Name of the newest checkpoint that was told of; empty before the first.
    ranks : dict of str to list of float
        Seconds of each rank by kind, since the start; empty where one is alone.
    """

    def __init__(self, directory: RunDirectory, imprint: Imprint, tell: Callable[[str], None]) -> None:
        self.last_good = ""
        self.ranks: dict[str, list[float]] = {}
        self._directory = directory
        self._imprint = imprint
        self._tell = tell
        self._model = ModelFile(directory.model, imprint, tell, directory.check)
        self._metrics = EpochTable(directory.metrics, tell, check=directory.check)
        self._hashes = EpochTable(directory.hashes, tell, check=directory.check)
        self._events: EventFile | None = None
        self._newest_step = self._told_step = 0
        self._status_at = monotonic()
        self._is_failing = False

    def begin(self, state: TrainState, checkpoint: Checkpoint | None) -> None:
        """Bring all files to the state that the run goes on from.

        Raises
        ------
        StorageError, DataError
            If they cannot be written.
        OutputError
            If another job has taken over the run directory.
        """
        if self._imprint.config.train.tensorboard:
            self._events = EventFile(self._directory.path, state.progress.step, self._directory.check)
        self._directory.write_config(as_toml(self._imprint.config))
        if checkpoint:
            self.last_good = checkpoint.path.name
            self._restore_tables(checkpoint)
        self._newest_step = self._told_step = state.progress.step
        self._model.restore(state.progress, state.best)
        self._write_status(state.progress)

    def tabulate(self, snapshots: Sequence[Snapshot]) -> None:
        """Append to the tables what the snapshots add to them; what cannot be written now comes the next time."""
        ended = [each for each in snapshots if each.ends_epoch]
        hashes = [self._imprint.hashes(each.progress.last_row, each.parameters) for each in ended]
        try:
            self._append([cells_of(each.progress.last_row) for each in ended], hashes)
        finally:
            if self._events:
                self._events.append([each.progress.last_row for each in ended])
        if snapshots and monotonic() - self._status_at >= STATUS_EVERY_S:
            self._write_status(snapshots[-1].progress)

    def save(self, snapshot: Snapshot) -> None:
        """Make a checkpoint of a snapshot durable, and all that is told of with it.

        Raises
        ------
        StorageError, DataError
            If any of it could not be written, or does not read back.
        OutputError
            If another job has taken over the run directory.
        """
        with suppress(StorageError):  # the checkpoint carries the rows that the tables lack
            self._sync()
        epoch = snapshot.progress.epoch
        image = self._imprint.checkpoint(snapshot, self._metrics.waiting(epoch), self._hashes.waiting(epoch))
        path = save_checkpoint(self._directory.checkpoints, image, snapshot.step, self._directory.check)
        self._newest_step = max(self._newest_step, snapshot.step)
        try:
            if snapshot.step >= self._told_step:  # else a newer one has been told of, with its model
                self._model.keep(snapshot.progress, snapshot.best)
                self.ranks = _by_kind(snapshot)
                self._write_status(snapshot.progress, path.name)
                self._told_step = snapshot.step
            self._directory.log(f"saved {path.name}")
        finally:
            keep = self._imprint.config.checkpoint.keep
            prune_checkpoints(
                self._directory.checkpoints, keep, self._newest_step, self.last_good, self._directory.check
            )
        self._sync()
        if self._is_failing:
            self._is_failing = False
            self._tell("files of the run can be written again")

    def end(self) -> None:
        """Cut the tables to the rows that the run has come to.

        Raises
        ------
        StorageError
            If one of them cannot be written.
        OutputError
            If another job has taken over the run directory.
        """
        self._metrics.cut()
        self._hashes.cut()

    def warn(self, error: DdpMlpError) -> None:
        """Tell of a failure that training survives; once, until something can be written again."""
        if not self._is_failing:
            self._is_failing = True
            good = f"last good checkpoint: {self.last_good}" if self.last_good else "no checkpoint yet"
            self._tell(f"warning: {error}; {good}; training goes on and tries again at the next save")

    def _restore_tables(self, checkpoint: Checkpoint) -> None:
        """Let the tables go on from a checkpoint, with the rows that it knows should they lack them."""
        state, progress = checkpoint.state, checkpoint.state.progress
        metrics, hashes = [*checkpoint.metrics], [*checkpoint.hashes]
        metrics += [cells_of(row) for row in (progress.best_row, progress.last_row) if row]
        if state.best is not None:
            hashes.append(self._imprint.hashes(progress.best_row, state.best))
        if progress.position == 0 < progress.epoch:
            hashes.append(self._imprint.hashes(progress.last_row, state.parameters))
        self._metrics = EpochTable(
            self._directory.metrics, self._tell,
            epoch=progress.epoch, known=_in_order(metrics), history_sha256=progress.history_sha256,
            check=self._directory.check,
        )  # fmt: skip
        self._hashes = EpochTable(
            self._directory.hashes, self._tell,
            epoch=progress.epoch, known=_in_order(hashes), check=self._directory.check,
        )  # fmt: skip
        try:
            self._sync()
        except StorageError as error:
            self.warn(error)

    def _append(self, metrics: Sequence[Cells] = (), hashes: Sequence[Cells] = ()) -> None:
        """Append to both tables, also if the first one fails."""
        try:
            self._metrics.append(metrics)
        finally:
            self._hashes.append(hashes)

    def _sync(self) -> None:
        self._append()
        self._metrics.sync()
        self._hashes.sync()
        if self._events:
            self._events.sync()

    def _write_status(self, progress: Progress, checkpoint: str = "") -> None:
        told = checkpoint or self.last_good
        position = {"epoch": progress.epoch, "step": progress.step}
        ranks: dict[str, Any] = {"ranks": self.ranks} if self.ranks else {}
        self._directory.write_status("running", **position, checkpoint=told or None, **ranks)
        self.last_good = told
        self._status_at = monotonic()


def _by_kind(snapshot: Snapshot) -> dict[str, list[float]]:
    """Return the seconds of each rank by kind."""
    times = snapshot.rank_times
    return {} if times is None else {f"{k}_s": times[:, i].round(3).tolist() for i, k in enumerate(KINDS)}


def _in_order(rows: Sequence[Cells]) -> list[Cells]:
    """Return rows by epoch, each epoch once."""
    by_epoch = {int(row["epoch"]): row for row in rows}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]
