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
    loss_sum, n_samples, weight_sum, norm_sum
        Sums over the done part of the epoch: losses, samples, their weights, gradient norms.
    best_loss, best_epoch
        Lowest validation loss so far (training loss without validation), and after how
        many epochs; infinite and 0 before the first.
    penalty_sum, layer_norm_sums
        Likewise: penalties times samples, and the gradient norm of each weight.
    plateau_factor, plateau_wait
        What plateaus have left of the learning rate, and for how many epochs nothing
        became better since the last one.
    n_skipped, n_skipped_total : int
        Steps whose update was left out: of the epoch, and of the whole run.
    is_stuck : bool
        A line search found no decrease.
    last_row, best_row : dict
        Rows of ``metrics.csv`` of the last finished epoch and of the best one; empty before.
    history_sha256 : str
        Hash of the rows of all finished epochs, see `history`; empty before the first.
    """

    epoch: int = 0
    position: int = 0
    step: int = 0
    loss_sum: float = 0.0
    n_samples: int = 0
    weight_sum: float = 0.0
    norm_sum: float = 0.0
    best_loss: float = float("inf")
    best_epoch: int = 0
    penalty_sum: float = 0.0
    layer_norm_sums: list[float] = field(default_factory=list)
    plateau_factor: float = 1.0
    plateau_wait: int = 0
    is_stuck: bool = False
    n_skipped: int = 0
    n_skipped_total: int = 0
    last_row: dict[str, Any] = field(default_factory=dict)
    best_row: dict[str, Any] = field(default_factory=dict)
    history_sha256: str = ""


@dataclass
class TrainState:
    """Everything a checkpoint keeps of a run.

    `best` are the parameters after the best epoch; None before the first, and on all ranks
    of a node but one.
    """

    parameters: Floats  # (P,)
    moments: Floats  # (n_moments, P)
    progress: Progress
    best: Floats | None = None  # (P,)
