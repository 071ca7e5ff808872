"""Schedules: the learning rate as a function of the step, and the keys that it takes.

A new schedule is a function and an entry in `SCHEDULES`. Source: "Deep Learning" (2016), section
8.3.1 (linear); Loshchilov and Hutter, ICLR 2017 (cosine).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ddp_mlp.catalog.keys import Count, Entry, Factor, Key, NonNegativeFloat, Settings, Steps


@dataclass(frozen=True)
class Plateau:
    """The falls of a rate while the watched loss stays as it is.

    Attributes
    ----------
    factor : callable
        ``factor(settings, n_epochs)`` after so many epochs without a better one: by which the rate falls then, 1 for
        not yet.
    lowered : callable
        ``lowered(settings, learning_rate, factor)``: the rate after all falls so far, by `factor` together.
    """

    factor: Callable[[Settings, int], float]
    lowered: Callable[[Settings, float, float], float]


@dataclass(frozen=True)
class Schedule(Entry):
    """One schedule.

    Attributes
    ----------
    rate : callable
        ``rate(settings, learning_rate, k)``: the rate of step `k`, counted from 0 at the end of the warm-up.
        `settings` are those of ``[schedule]``.
    ends : bool
        Whether it has a last step, the key `steps`, by default that of the run.
    plateau : Plateau, optional
        Given for a rate that also follows the watched loss.
    """

    rate: Callable[[Settings, float, int], float]
    ends: bool = False
    plateau: Plateau | None = None


def _constant(settings: Settings, learning_rate: float, k: int) -> float:
    return learning_rate


def _progress(settings: Settings, k: int) -> float:
    """Return ``min(k / tau, 1)``."""
    return float(min(k / settings.steps, 1.0))


def _linear(settings: Settings, learning_rate: float, k: int) -> float:
    """Return ``(1 - k/tau) eta_0 + (k/tau) eta_tau``, constant from step tau on."""
    alpha = _progress(settings, k)
    return float((1 - alpha) * learning_rate + alpha * settings.final_rate)


def _step(settings: Settings, learning_rate: float, k: int) -> float:
    """Return ``eta_0 factor^floor(k / every_steps)``."""
    return float(learning_rate * settings.factor ** (k // settings.every_steps))


def _exponential(settings: Settings, learning_rate: float, k: int) -> float:
    """Return ``eta_0 factor^(k / every_steps)``."""
    return float(learning_rate * settings.factor ** (k / settings.every_steps))


def _cosine(settings: Settings, learning_rate: float, k: int) -> float:
    """Return ``eta_tau + (eta_0 - eta_tau) (1 + cos(pi k / tau)) / 2``, constant from tau on."""
    final: float = settings.final_rate
    return final + (learning_rate - final) * (1 + math.cos(math.pi * _progress(settings, k))) / 2


def _plateau_factor(settings: Settings, n_epochs: int) -> float:
    return float(settings.factor) if n_epochs > settings.patience else 1.0


def _lowered(settings: Settings, learning_rate: float, factor: float) -> float:
    """Return ``max(factor eta_0, min_rate)``, and at most ``eta_0``."""
    least: float = min(settings.min_rate, learning_rate)
    return max(learning_rate * factor, least)


_STEPS = {"steps": Key(Steps, "Steps until the last rate is reached; by default those of all epochs.")}
_EVERY = {"every_steps": Key(Steps, "Steps between two changes of the rate.", is_needed=True)}
_LAST = "The last rate."


def _factor(default: float) -> dict[str, Key]:
    return {"factor": Key(Factor, "The number by which the rate is multiplied at a change.", default)}


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant),
    "linear": Schedule(
        _linear, ends=True, keys=_STEPS | {"final_rate": Key(NonNegativeFloat, _LAST, part_of_rate=0.01)}
    ),
    "step": Schedule(_step, keys=_EVERY | _factor(0.1)),
    "exponential": Schedule(_exponential, keys=_EVERY | _factor(0.5)),
    "cosine": Schedule(_cosine, ends=True, keys=_STEPS | {"final_rate": Key(NonNegativeFloat, _LAST, 0.0)}),
    "plateau": Schedule(
        _constant, plateau=Plateau(_plateau_factor, _lowered),
        keys=_factor(0.1) | {
            "patience": Key(Count, "Epochs without a better loss that plateau waits for.", 5),
            "min_rate": Key(NonNegativeFloat, "Rate below which plateau does not go.", 0.0),
        },
    ),
}  # fmt: skip
