"""The learning rate of a step: warm-up, then a schedule of `ddp_mlp.catalog.schedules`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ddp_mlp.catalog.keys import Settings
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config import Config, ScheduleConfig
from ddp_mlp.config.defaults import patience_beside


def ends_with_run(config: ScheduleConfig) -> bool:
    """Tell whether a schedule has a last step, and it is that of the run."""
    settings: Settings = config
    return SCHEDULES[config.name].ends and settings.steps is None


def patience_of(config: Config) -> int:
    """Return the epochs in a row without a lower loss that end a run; 0 for never."""
    patience = config.train.early_stopping_patience
    return patience_beside(config.schedule.name) if isinstance(patience, str) else patience


def resolve_schedule(config: ScheduleConfig, total_steps: int) -> ScheduleConfig:
    """Let a schedule that names no last step end with the run, after `total_steps` steps."""
    if not ends_with_run(config):
        return config
    return msgspec.structs.replace(config, steps=max(1, total_steps - config.warmup_steps))


def learning_rate_at(config: ScheduleConfig, learning_rate: float, step: int, plateau_factor: float = 1.0) -> float:
    """Return the learning rate of a step, counted from 0 over all epochs.

    During the first `warmup_steps` steps the rate grows linearly, ``eta_0 (step + 1) / W``;
    then the schedule begins with its step 0.

    Parameters
    ----------
    learning_rate : float
        The rate eta_0 that the schedule starts from.
    plateau_factor : float
        What the plateaus so far have left of the rate; at most 1.
    """
    schedule = SCHEDULES[config.name]
    if plateau_factor < 1 and schedule.plateau:
        learning_rate = schedule.plateau.lowered(config, learning_rate, plateau_factor)
    if step < config.warmup_steps:
        return learning_rate * (step + 1) / config.warmup_steps
    return schedule.rate(config, learning_rate, step - config.warmup_steps)


def learning_rates(
    config: ScheduleConfig, learning_rate: float, steps: Sequence[int], plateau_factor: float = 1.0
) -> list[float]:
    """Return the learning rate of each of some steps between two plateaus; as `learning_rate_at`."""
    if config.warmup_steps == 0 and SCHEDULES[config.name].rate is SCHEDULES["constant"].rate:
        return [learning_rate_at(config, learning_rate, 0, plateau_factor)] * len(steps)
    return [learning_rate_at(config, learning_rate, step, plateau_factor) for step in steps]
