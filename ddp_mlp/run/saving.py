"""Checks and writes after every report, on all ranks alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.comm import Communicator, agreed, is_agreed
from ddp_mlp.comm.liveness.rank_times import KINDS, RankTimes
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats
from ddp_mlp.run.files.writer import RunWriter
from ddp_mlp.run.rank_checks import check_finite, check_replicas
from ddp_mlp.run.recorder import Recorder
from ddp_mlp.run.save_schedule import SaveSchedule
from ddp_mlp.run.snapshot import Snapshot
from ddp_mlp.training.divergence import likeliest_cure
from ddp_mlp.training.epoch_stats import status_of
from ddp_mlp.training.problem import Problem
from ddp_mlp.training.report import Report


class Saving:
    """Saves one run while it is open. What waits is written before an error leaves that all ranks know.

    Attributes
    ----------
    periods : list of int
        Steps, of whose multiples `after` must hear.
    """

    def __init__(
        self,
        config: Config,
        comm: Communicator,
        problem: Problem,
        state: TrainState,
        writer: RunWriter | None,
        first_rest_s: float = 0.0,
    ) -> None:
        """`writer` is that of rank 0, and None elsewhere; for `first_rest_s` see `Recorder`."""
        self._config = config
        self._cure = partial(likeliest_cure, config, problem, config.optimizer.first_rate)
        self._comm = comm
        self._layout = problem.network.layout
        self._state = state
        self._schedule = SaveSchedule(config.checkpoint, comm)
        self._recorder = Recorder(writer, config.checkpoint.keep, first_rest_s) if writer else None
        self._times = RankTimes(comm.rank_status) if comm.world_size > 1 else None
        self._check_every = config.train.check_ranks_every if len(comm.node_sizes) > 1 else 0
        self.periods = [period for period in (config.checkpoint.every_steps, self._check_every) if period]

    def __enter__(self) -> Self:
        if self._times:
            self._times.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._times:
            self._times.__exit__(kind, error, trace)
        if self._recorder:
            self._recorder.close(abandon=error is not None and not is_agreed(error))

    def after(self, report: Report, copy_moments: Callable[[], Floats | None]) -> None:
        """Collective. Check and save after a report; the end of a run is waited for.

        Parameters
        ----------
        copy_moments : callable
            Collective; returns the whole moments (n_moments, P) on rank 0.

        Raises
        ------
        LaunchError, NonFiniteError
            If the state is not worth saving.
        StorageError, DataError, OutputError
            If what ends the run could not be written, or the run directory is no longer ours.
        """
        progress = self._state.progress
        ends_epoch = report.finished_epoch is not None
        ends_run = report.stop or bool(status_of(progress, self._config))
        due = self._schedule.is_due(progress, ends_epoch=ends_epoch) or ends_run
        if due or (self._check_every and report.step % self._check_every == 0):
            check_replicas(self._comm, self._layout, self._state, with_moments=due)
        if due:
            check_finite(self._comm, self._state, self._cure)
        if due or ends_epoch:
            self._comm.rank_status.at(f"while saving step {report.step}")
            moments = copy_moments() if due else None
            times = self._gather_times() if due else None
            with agreed(self._comm):
                self._hand_over(moments, times, ends_epoch=ends_epoch, ends_run=ends_run)

    def _gather_times(self) -> NDArray[np.float64] | None:
        """Collective. Return the seconds of each rank by kind, shape (ranks, kinds); None for one that is alone."""
        if self._times is None:
            return None
        world_size = self._comm.world_size
        table = np.zeros((world_size, len(KINDS)))
        table[self._comm.rank] = self._times.seconds
        self._comm.gather_rows(table, [1] * world_size)
        return table

    def _hand_over(
        self, moments: Floats | None, times: NDArray[np.float64] | None, *, ends_epoch: bool, ends_run: bool
    ) -> None:
        if self._recorder:
            snapshot = Snapshot.of(self._state, moments, ends_epoch=ends_epoch, rank_times=times)
            (self._recorder.finish if ends_run else self._recorder.record)(snapshot)
