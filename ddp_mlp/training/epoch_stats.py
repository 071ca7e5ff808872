"""The statistics of an epoch: sums over its steps, and their use at its end.

All of it is plain arithmetic on `Progress`, the same on every rank, so that ranks decide
alike and a resumed run decides as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.checkpoint.history import cells_of, extended
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.config import Config
from ddp_mlp.core.schedules import patience_of
from ddp_mlp.engine.engine import StepReport


def account(progress: Progress, reports: Sequence[StepReport]) -> None:
    """Add steps to the books, one after the other, so that their sums have the same bits however they are reported."""
    loss_sum, weight_sum = progress.loss_sum, progress.weight_sum
    norm_sum, penalty_sum, layer_sums = progress.norm_sum, progress.penalty_sum, progress.layer_norm_sums
    for report in reports:
        loss_sum += report.loss_sum
        weight_sum += report.weight_sum
        norm_sum += report.grad_norm
        penalty_sum += report.penalty * report.n_samples
        if report.layer_norms:
            sums = layer_sums or [0.0] * len(report.layer_norms)
            layer_sums = [total + norm for total, norm in zip(sums, report.layer_norms, strict=True)]
    progress.loss_sum, progress.weight_sum = loss_sum, weight_sum
    progress.norm_sum, progress.penalty_sum, progress.layer_norm_sums = norm_sum, penalty_sum, layer_sums
    progress.n_samples += sum([report.n_samples for report in reports])
    progress.position += len(reports)
    progress.step += len(reports)


def account_skipped(progress: Progress) -> None:
    """Add to the books a step whose update was left out: it counts as a step, its sums do not."""
    progress.position += 1
    progress.step += 1
    progress.n_skipped += 1
    progress.n_skipped_total += 1


def close_epoch(progress: Progress, row: dict[str, Any], *, improved: bool) -> None:
    """Count the epoch that ended with its row of ``metrics.csv``, and start the sums anew."""
    progress.last_row = row
    if improved:
        progress.best_row = row
    progress.history_sha256 = extended(progress.history_sha256, cells_of(row))
    progress.epoch += 1
    progress.position = 0
    progress.loss_sum = progress.norm_sum = progress.penalty_sum = 0.0
    progress.layer_norm_sums = []
    progress.n_samples = progress.n_skipped = 0
    progress.weight_sum = 0.0


def norm_columns(progress: Progress, names: Sequence[str]) -> dict[str, float]:
    """Return the mean norm over the steps of the epoch: of the whole gradient, and of each of `names`."""
    n_steps = progress.position - progress.n_skipped
    columns = {"grad_norm": progress.norm_sum / n_steps}
    for name, total in zip(names, progress.layer_norm_sums, strict=False):
        columns[f"grad_norm_{name}"] = total / n_steps
    return columns


def takes_last(config: Config) -> bool:
    """Tell whether the model is that of the last epoch: where all rows train for epochs that were chosen before.

    No row is left there to say which epoch is the best, and the training loss is lowest for what overfits most.
    """
    return config.data.all_rows and not patience_of(config)


def note_validation(progress: Progress, watched: float, config: Config) -> bool:
    """Remember the best epoch and steer the plateau schedule; tell whether this epoch is the best.

    Parameters
    ----------
    watched : float
        Validation loss of the epoch that ends, or its training loss without validation.
    config : Config
        Which says how plateaus count, and whether the newest epoch is the best whatever its loss.
    """
    schedule, newest, improved = config.schedule, takes_last(config), watched < progress.best_loss
    if improved or newest:
        progress.best_epoch = progress.epoch + 1
    if improved:
        progress.best_loss = watched
        progress.plateau_wait = 0
    else:
        progress.plateau_wait += 1
    plateau = SCHEDULES[schedule.name].plateau
    if plateau and (factor := plateau.factor(schedule, progress.plateau_wait)) < 1:
        progress.plateau_factor *= factor
        progress.plateau_wait = 0
    return improved or newest


def status_of(progress: Progress, config: Config) -> str:
    """Return why the run is over, as `train --json` says it, or nothing while it goes on.

    It depends on where the run stands and the configuration alone. Epochs that are done stay
    done: of stopping rules that would have ended the run before, `endings` tells.
    """
    train = config.train
    if progress.last_row and progress.last_row["train_loss"] <= train.target_loss and train.target_loss > 0:
        return "target-reached"
    if progress.is_stuck:
        return "early-stopped"
    if 0 < patience_of(config) <= progress.epoch - progress.best_epoch:
        return "early-stopped"
    return "finished" if progress.epoch >= train.epochs else ""


def final_row(progress: Progress, config: Config) -> dict[str, Any]:
    """Return the row of ``metrics.csv`` that belongs to the weights that a run ends with.

    With early stopping these are the best ones, whichever rule ended the run. Before the end
    of the first epoch there is none, and the row is empty.
    """
    if patience_of(config) and progress.best_epoch and status_of(progress, config):
        return progress.best_row
    return progress.last_row
