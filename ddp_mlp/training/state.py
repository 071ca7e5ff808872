"""Where a run stands: all that the next step depends on, and no rank in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ddp_mlp.core.layout import Floats


@dataclass
class Progress:
    """Position and running sums of a run; plain numbers.

    Attributes
    ----------
    epoch : int
        Epoch that the next step belongs to, counted from 0.
    position : int
        Steps of that epoch that are done.
    step : int
        Steps done in all.
    loss_sum, n_samples, norm_sum
        Sums over the done part of the epoch: losses, samples, gradient norms.
    best_loss, best_epoch
        Lowest validation loss so far (training loss without validation), and after how
        many epochs; infinite and 0 before the first.
    history : list of dict
        One row for each finished epoch.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    loss_sum: float = 0.0
    n_samples: int = 0
    norm_sum: float = 0.0
    best_loss: float = float("inf")
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class TrainState:
    """Everything a checkpoint keeps of a run."""

    parameters: Floats  # (P,)
    moments: Floats  # (n_moments, P)
    progress: Progress
