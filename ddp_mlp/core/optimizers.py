"""Optimisers: what each keeps, and the coefficients of a step.

An optimiser is plain data: the names of its moments (vectors like the parameters) and a
function from the step to the coefficients of its kernel in `core.kernels.updates`, which
does the arithmetic. Sources: "Deep Learning" (2016), sections 8.3 and 8.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ddp_mlp.config import OptimizerConfig


class Optimizer(NamedTuple):
    """One optimiser.

    ``coefficients(config, learning_rate, step)`` takes the number of the step counted
    from 0 and returns what the docstring of its kernel calls ``c``.
    """

    moments: tuple[str, ...]
    coefficients: Callable[[OptimizerConfig, float, int], tuple[float, ...]]


def _sgd(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:  # noqa: ARG001
    return (learning_rate,)


def _momentum(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:  # noqa: ARG001
    assert config.momentum is not None  # noqa: S101 - resolved by config
    return (learning_rate, config.momentum)


def _adam(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return the coefficients of algorithm 8.7, with both bias corrections folded in."""
    beta1, beta2, eps = config.beta1, config.beta2, config.eps
    assert beta1 is not None and beta2 is not None and eps is not None  # noqa: S101, PT018
    correction1, correction2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    return (learning_rate / correction1, beta1, 1 - beta1, beta2, 1 - beta2, 1 / math.sqrt(correction2), eps)


OPTIMIZERS = {
    "sgd": Optimizer((), _sgd),
    "momentum": Optimizer(("velocity",), _momentum),
    "adam": Optimizer(("first_moment", "second_moment"), _adam),
}
