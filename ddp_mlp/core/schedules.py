"""Schedules: the learning rate and the momentum as functions of the step.

A schedule is a pure function ``(config, learning_rate, k) -> rate`` of the number of steps
k since the warm-up, so a resumed run goes on as one that was never stopped. Only `plateau`
looks at the past; what it remembers, one factor, is handed in by the caller. Sources: "Deep
Learning" (2016), equation 8.14 (linear); Loshchilov and Hutter, ICLR 2017, equation 5 (cosine).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from ddp_mlp.config import OptimizerConfig, ScheduleConfig

Schedule = Callable[[ScheduleConfig, float, int], float]


def _constant(config: ScheduleConfig, rate: float, k: int) -> float:  # noqa: ARG001
    return rate


def _progress(config: ScheduleConfig, k: int) -> float:
    """Return ``min(k / tau, 1)``."""
    assert config.steps is not None  # noqa: S101 - resolved before training
    return min(k / config.steps, 1.0)


def _linear(config: ScheduleConfig, rate: float, k: int) -> float:
    """Return ``(1 - k/tau) eta_0 + (k/tau) eta_tau``, constant from step tau on."""
    assert config.final_rate is not None  # noqa: S101
    alpha = _progress(config, k)
    return (1 - alpha) * rate + alpha * config.final_rate


def _step(config: ScheduleConfig, rate: float, k: int) -> float:
    """Return ``eta_0 factor^floor(k / every_steps)``."""
    assert config.factor is not None and config.every_steps is not None  # noqa: S101, PT018
    return float(rate * config.factor ** (k // config.every_steps))


def _exponential(config: ScheduleConfig, rate: float, k: int) -> float:
    """Return ``eta_0 factor^(k / every_steps)``."""
    assert config.factor is not None and config.every_steps is not None  # noqa: S101, PT018
    return float(rate * config.factor ** (k / config.every_steps))


def _cosine(config: ScheduleConfig, rate: float, k: int) -> float:
    """Return ``eta_tau + (eta_0 - eta_tau) (1 + cos(pi k / tau)) / 2``, constant from tau on."""
    assert config.final_rate is not None  # noqa: S101
    return config.final_rate + (rate - config.final_rate) * (1 + math.cos(math.pi * _progress(config, k))) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": _constant,
    "linear": _linear,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "plateau": _constant,
}
#: Schedules that come to an end: at step `steps`, or with the run.
ENDING = ("linear", "cosine")


def resolve_schedule(config: ScheduleConfig, total_steps: int) -> ScheduleConfig:
    """Let a schedule that names no last step end with the run, after `total_steps` steps."""
    if config.steps is not None or config.name not in ENDING:
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
    if plateau_factor < 1:
        assert config.min_rate is not None  # noqa: S101
        learning_rate = max(learning_rate * plateau_factor, min(config.min_rate, learning_rate))
    if step < config.warmup_steps:
        return learning_rate * (step + 1) / config.warmup_steps
    return SCHEDULES[config.name](config, learning_rate, step - config.warmup_steps)


def momentum_at(config: OptimizerConfig, step: int) -> float:
    """Return the momentum of a step: linear from `momentum` to `momentum_final`, then constant."""
    assert config.momentum is not None  # noqa: S101 - resolved by config
    if config.momentum_steps is None or config.momentum_final is None:
        return config.momentum
    alpha = min(step / config.momentum_steps, 1.0)
    return (1 - alpha) * config.momentum + alpha * config.momentum_final
