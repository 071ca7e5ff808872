"""Optimisers: what each keeps, and the coefficients of a step.

An optimiser is plain data: the names of its moments (vectors like the parameters) and a
function from the step to the coefficients of its kernel in `core.kernels.updates`, which
does the arithmetic. Sources: "Deep Learning" (2016), sections 8.3 and 8.5; Loshchilov and
Hutter, "Decoupled weight decay regularization", ICLR 2019; You et al., "Large batch
optimization for deep learning", ICLR 2020, algorithm 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ddp_mlp.config import Config, OptimizerConfig
from ddp_mlp.core.schedules import momentum_at


class Optimizer(NamedTuple):
    """One optimiser.

    ``coefficients(config, learning_rate, step)`` takes the number of the step counted
    from 0 and returns what the docstring of its kernel calls ``c``.
    """

    moments: tuple[str, ...]
    coefficients: Callable[[OptimizerConfig, float, int], tuple[float, ...]]


@dataclass(frozen=True)
class UpdateRules:
    """What an update does beside the optimiser.

    Attributes
    ----------
    clip_norm : float
        Largest norm of the mean gradient; 0 for no limit.
    l1, l2, lq, q : float
        Penalty ``l1 sum |w| + l2/2 sum w^2 + lq sum |w|^q`` over all weights.
    layer_norms : bool
        Whether to report the norm of the mean gradient of each weight.
    """

    clip_norm: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    lq: float = 0.0
    q: float = 1.0
    layer_norms: bool = False

    @property
    def has_penalty(self) -> bool:
        """Whether there is a penalty at all."""
        return self.l1 > 0 or self.l2 > 0 or self.lq > 0


def keeps_gradient(optimizer: str, rules: UpdateRules) -> bool:
    """Tell whether an update needs the whole mean gradient before it begins, and so keeps it."""
    return rules.clip_norm > 0 or optimizer in ("lamb", "line_search")


def update_rules(config: Config) -> UpdateRules:
    """Collect what a configuration says about the update beside the optimiser."""
    loss, train = config.loss, config.train
    q = 1.0 if loss.q is None else loss.q
    return UpdateRules(train.clip_norm, loss.l1, loss.l2, loss.lq, q, train.log_layer_norms)


def _sgd(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:  # noqa: ARG001
    return (learning_rate,)


def _momentum(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    return (learning_rate, momentum_at(config, step))


def _nesterov(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return rate and momentum of the step, and the momentum that the next one looks ahead with."""
    return (learning_rate, momentum_at(config, step), momentum_at(config, step + 1))


def _adagrad(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:  # noqa: ARG001
    assert config.eps is not None  # noqa: S101 - resolved by config
    return (learning_rate, config.eps)


def _rmsprop(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:  # noqa: ARG001
    assert config.rho is not None and config.eps is not None  # noqa: S101, PT018
    return (learning_rate, config.rho, 1 - config.rho, config.eps)


def _adam(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return the coefficients of algorithm 8.7, with both bias corrections folded in."""
    beta1, beta2, eps = config.beta1, config.beta2, config.eps
    assert beta1 is not None and beta2 is not None and eps is not None  # noqa: S101, PT018
    correction1, correction2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    return (learning_rate / correction1, beta1, 1 - beta1, beta2, 1 - beta2, 1 / math.sqrt(correction2), eps)


def _adamw(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return those of Adam, and the decay by which the first makes ``eta weight_decay``."""
    assert config.beta1 is not None and config.weight_decay is not None  # noqa: S101, PT018
    decay = config.weight_decay * (1 - config.beta1 ** (step + 1))
    return (*_adam(config, learning_rate, step), decay)


def _lamb(config: OptimizerConfig, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return the rate alone, the rest of Adam's, the correction of the first moment, the decay."""
    assert config.beta1 is not None and config.weight_decay is not None  # noqa: S101, PT018
    shared = _adam(config, learning_rate, step)[1:]
    return (learning_rate, *shared, 1 / (1 - config.beta1 ** (step + 1)), config.weight_decay)


OPTIMIZERS = {
    "sgd": Optimizer((), _sgd),
    "momentum": Optimizer(("velocity",), _momentum),
    "nesterov": Optimizer(("velocity",), _nesterov),
    "adagrad": Optimizer(("squares",), _adagrad),
    "rmsprop": Optimizer(("mean_squares",), _rmsprop),
    "adam": Optimizer(("first_moment", "second_moment"), _adam),
    "adamw": Optimizer(("first_moment", "second_moment"), _adamw),
    "lamb": Optimizer(("first_moment", "second_moment"), _lamb),
    "line_search": Optimizer((), _sgd),
}
