"""When a checkpoint is due; every rank asks, and all get the same answer."""

from __future__ import annotations

from time import monotonic

import numpy as np

from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.comm import Communicator
from ddp_mlp.config import CheckpointConfig


class SaveSchedule:
    """The rules of ``[checkpoint]``: by epochs, by steps, by the clock of rank 0.

    Epochs and steps are counted from the start of the run, so a resume changes nothing.
    """

    def __init__(self, rules: CheckpointConfig, comm: Communicator) -> None:
        self._rules = rules
        self._comm = comm
        self._last_s = monotonic()

    def is_due(self, progress: Progress, *, ends_epoch: bool) -> bool:
        """Collective. Tell whether to save the state that training has come to."""
        epochs, steps = self._rules.every_epochs, self._rules.every_steps
        by_epochs = epochs is not None and ends_epoch and progress.epoch % epochs == 0
        by_steps = steps is not None and progress.step % steps == 0
        by_clock = self._rules.every_minutes is not None and self._is_time(60 * self._rules.every_minutes)
        return by_epochs or by_steps or by_clock

    def _is_time(self, period_s: float) -> bool:
        """Collective. Ask the clock of rank 0, and start it anew where the time has come."""
        due = np.array([monotonic() - self._last_s >= period_s])
        self._comm.broadcast(due)
        if due[0]:
            self._last_s = monotonic()
        return bool(due[0])
