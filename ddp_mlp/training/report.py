"""The report of training between steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """Where the run stands after some steps.

    Attributes
    ----------
    epoch, step : int
        Epochs finished and steps done in all.
    steps_left : int
        Steps to the end of the last epoch.
    learning_rate : float
        Of the last step.
    epochs : int
        The last epoch that there may be.
    finished_epoch : dict or None
        The row of ``metrics.csv`` if an epoch has just ended.
    stop : bool
        A rank asked to stop: this is the last report.
    skipped : tuple of int
        Steps since the last report whose update was left out.
    """

    epoch: int
    step: int
    steps_left: int
    learning_rate: float
    epochs: int
    finished_epoch: dict[str, Any] | None = None
    stop: bool = False
    skipped: tuple[int, ...] = ()
