"""A run in a few words: the result of ``train --json``, and lines of its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from ddp_mlp.catalog.keys import Settings
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Layout, digest
from ddp_mlp.core.sampling import global_batch_size, steps_per_epoch
from ddp_mlp.core.schedules import patience_of
from ddp_mlp.errors import counted, literal
from ddp_mlp.run.pausing import PAUSED, is_paused
from ddp_mlp.training.epoch_stats import final_row, status_of, takes_last
from ddp_mlp.training.problem import Problem

#: Steps that a line lists one by one.
_SHOWN = 5


def summarize(state: TrainState, config: Config, layout: Layout, until_epoch: int | None = None) -> dict[str, Any]:
    """Return the result of a run; it is the same on any ranks.

    Parameters
    ----------
    until_epoch : int or None
        After how many epochs the run was to pause.
    """
    progress = state.progress
    last = final_row(progress, config)
    return {
        "status": PAUSED if is_paused(progress, config, until_epoch) else status_of(progress, config) or "stopped",
        "epochs": progress.epoch,
        "steps": progress.step,
        "train_loss": last.get("train_loss"),
        **{name: value for name, value in last.items() if name == "penalty"},
        **{name: value if value != "" else None for name, value in last.items() if name.startswith("valid_")},
        **({"skipped_steps": progress.n_skipped_total} if config.train.on_nonfinite == "skip" else {}),
        "best_epoch": progress.best_epoch,
        **_best(progress.best_row),
        "weights_sha256": digest(state.parameters),
        "model_sha256": None if state.best is None else digest(state.best),
        "samples_per_s": round(last.get("samples_per_s", 0.0), 1),
        "n_parameters": layout.n_parameters,
    }


def _best(row: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of the epoch whose weights are the model: of validation, or the training loss without it."""
    valid = {f"best_{name}": value for name, value in row.items() if name.startswith("valid_") and value != ""}
    return valid or ({"best_train_loss": row["train_loss"]} if row else {})


def loss_unit(problem: Problem, config: Config) -> str:
    """Return the unit of the loss that chooses the best epoch: losses of two runs compare if it is the same.

    The training loss, which counts where no rows validate, is that of smoothed labels and weighted samples.
    """
    unit, entry = problem.network.loss, LOSSES[problem.network.loss]
    settings = "".join(f"{key} {getattr(config.loss, key):g}, " for key in entry.keys)
    if settings and not entry.is_for_training:
        unit += f" ({settings.rstrip(', ')})"
    if problem.target_normalization is not None:
        scales = 1 / problem.target_normalization.scale
        digits = sha256(np.ascontiguousarray(scales).tobytes()).hexdigest()[:12]
        unit += (
            f" in units of {scales[0]:.6g}" if scales.size == 1 else f" in {scales.size} units of their own ({digits})"
        )
    if not problem.valid_ids.size:
        unit += f" in training, {settings}class_weights {literal(config.loss.class_weights)}"
    return unit


def settings_texts(config: Config, n_train: int) -> Iterator[str]:
    """Yield a line about each setting that does not do what it is there for, in a run of so few rows and steps."""
    size = config.train.global_batch_size
    if isinstance(size, int) and size > n_train:
        yield (
            f"[train] global_batch_size = {size} is more than the {counted(n_train, 'row')} that train"
            + "s" * (n_train == 1)
            + ": each step takes all of them, so an epoch is one step"
        )
    n_steps = config.train.epochs * steps_per_epoch(n_train, global_batch_size(config, n_train))
    if line := _schedule_text(config.schedule, n_steps, patience_of(config)):
        yield f"warning: [schedule] {line}"


def _schedule_text(schedule: Settings, n_steps: int, stopping: int) -> str:
    """Return why the rate does not go as the schedule says in a run of so many steps; empty where it does."""
    in_all = f"and the run has {counted(n_steps, 'step')} in all"
    if schedule.warmup_steps > n_steps:
        most = n_steps / schedule.warmup_steps
        return (
            f"warmup_steps = {schedule.warmup_steps} {in_all}: the rate comes to {most:.2g} of its value, not further"
        )
    if schedule.name == "step" and schedule.every_steps + schedule.warmup_steps >= n_steps:
        return f"every_steps = {schedule.every_steps} {in_all}: the rate never falls"
    if schedule.name == "plateau" and 0 < stopping <= schedule.patience + 1:  # as the rate would fall, the run ends
        early = f"[train] early_stopping_patience = {stopping}"
        return f"patience = {schedule.patience}, and {early} ends the run before the rate would fall"
    return ""


def ending_text(progress: Progress, config: Config) -> str:
    """Return a line about how training ended: whether the loss was still falling, and which epoch is the model."""
    status, best, last = status_of(progress, config), progress.best_row, progress.last_row
    if not status or not last:
        return ""
    name = "train_loss" if last.get("valid_loss", "") == "" else "valid_loss"
    loss = "training" if name == "train_loss" else "validation"
    if not best:
        return f"warning: {never_finite_text(loss, progress.epoch)}"
    if takes_last(config):
        return ""
    if progress.best_epoch == progress.epoch:
        if status != "finished" or progress.epoch < 2:
            return ""
        return (
            f"the {loss} loss was still falling when the epochs were over ({last[name]:.5g} after epoch "
            f"{progress.epoch}, the lowest): more [train] epochs may give a better model"
        )
    return (
        f"the model is that of epoch {progress.best_epoch}, the best ({loss} loss {best[name]:.5g}); after epoch "
        f"{progress.epoch}, the last, it was {last[name]:.5g}{_patience_text(progress, config)}"
    )


def never_finite_text(loss: str, epochs: int) -> str:
    """Return why a run has come to its end without a model; `loss` is the one that chooses the best epoch."""
    return (
        f"the {loss} loss was non-finite after each of {counted(epochs, 'epoch')}, so none is the best and there is no "
        "model: its rows may hold values far from those of training, see ddp-mlp data inspect"
    )


def _patience_text(progress: Progress, config: Config) -> str:
    patience = patience_of(config)
    if not 0 < patience <= progress.epoch - progress.best_epoch:
        return ""
    return f"; [train] early_stopping_patience = {patience} ended the run"


def skipped_text(steps: Sequence[int]) -> str:
    """Return a line about steps whose update was left out."""
    listed = ", ".join(map(str, steps[:_SHOWN])) + (", ..." if len(steps) > _SHOWN else "")
    return f"no update at step {listed}: its loss or gradient was not finite"
