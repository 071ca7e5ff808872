"""Optimisers: the update of a block, the coefficients of a step, and the keys that it takes.

An update reads the mean gradient `g` (n,) of a block and changes the parameters `theta` (n,) and
the moments (n_moments, P) in place; the block begins at `start` of the moments. `c` holds the
coefficients of the step in the dtype of training; what they mean stands in each docstring. They
are read before the loop, since an array might change under it, and then the compiler could not
use whole vectors. A new optimiser is an update, a function that gives its coefficients, and an
entry in `OPTIMIZERS`.

Sources: "Deep Learning" (2016), section 8.3 (SGD, momentum, Nesterov) and algorithms 8.4
(AdaGrad), 8.5 (RMSProp), 8.7 (Adam); Loshchilov and Hutter, ICLR 2019, algorithm 2 (AdamW);
You et al., ICLR 2020, algorithm 2 (LAMB).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.catalog.keys import ClosedFraction, Entry, Key, NonNegativeFloat, PositiveFloat, Settings, Steps

#: Most coefficients any update takes.
COEFFICIENTS = 10


@dataclass(frozen=True)
class Optimizer(Entry):
    """One optimiser.

    Attributes
    ----------
    update : callable
        ``update(theta, g, moments, start, c, is_weight)``, the update of a block of a weight or of a bias.
    coefficients : callable
        ``coefficients(settings, learning_rate, step)`` returns `c`: at most `COEFFICIENTS` numbers. `settings` are
        those of ``[optimizer]``; steps are counted from 0.
    rate : float
        Learning rate that "auto" takes, chosen by measuring on tables of classes and of quantities.
    moments : tuple of str
        Vectors like the parameters that it keeps; they begin as zeros and are in every checkpoint.
    looks_ahead_by : int, optional
        If given, gradients are taken at ``theta + c[looks_ahead_by] moments[0]``, with the `c` of the step before.
    scales_layers : bool
        Whether the update turns `g` into a direction and leaves `theta`; then the step of each weight and bias is
        ``theta <- theta - c[0] (|theta| / |g|) g``, with the norms of the whole of it.
    searches_line : bool
        Whether the length of each step is found by trials; then the update leaves `theta`.
    """

    update: Callable[..., None]
    coefficients: Callable[[Settings, float, int], tuple[float, ...]]
    rate: float
    moments: tuple[str, ...] = ()
    looks_ahead_by: int | None = None
    scales_layers: bool = False
    searches_line: bool = False

    def look_ahead(self, settings: Settings, step: int) -> float:
        """Return by how much of ``moments[0]`` the gradient of a step is taken ahead of the parameters."""
        if self.looks_ahead_by is None or step == 0:  # the moments are zeros then
            return 0.0
        return self.coefficients(settings, 1.0, step - 1)[self.looks_ahead_by]

    @property
    def needs_whole_gradient(self) -> bool:
        """Whether an update needs the mean gradient of all parameters before it begins."""
        return self.scales_layers or self.searches_line


def _sgd(theta, g, moments, start, c, is_weight):
    """``theta <- theta - c0 g``."""
    rate = c[0]
    for i in range(g.shape[0]):
        theta[i] -= rate * g[i]


def _sgd_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    return (learning_rate,)


def _momentum(theta, g, moments, start, c, is_weight):
    """``v <- c1 v - c0 g``; ``theta <- theta + v``."""
    v = moments[0, start : start + g.shape[0]]
    rate, mu = c[0], c[1]
    for i in range(g.shape[0]):
        step = mu * v[i] - rate * g[i]
        v[i] = step
        theta[i] += step


def momentum_at(settings: Settings, step: int) -> float:
    """Return the momentum of a step: linear from `momentum` to `momentum_final`, then constant."""
    first: float = settings.momentum
    if settings.momentum_steps is None or settings.momentum_final is None:
        return first
    alpha = min(step / settings.momentum_steps, 1.0)
    return float((1 - alpha) * first + alpha * settings.momentum_final)


def _momentum_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    return (learning_rate, momentum_at(settings, step))


def _nesterov_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return rate and momentum of the step, and the momentum that the next one looks ahead with."""
    return (learning_rate, momentum_at(settings, step), momentum_at(settings, step + 1))


def _adagrad(theta, g, moments, start, c, is_weight):
    """``r <- r + g^2``; ``theta <- theta - c0 g / (c1 + sqrt(r))``."""
    r = moments[0, start : start + g.shape[0]]
    rate, eps = c[0], c[1]
    for i in range(g.shape[0]):
        squares = r[i] + g[i] * g[i]
        r[i] = squares
        theta[i] -= rate * g[i] / (eps + math.sqrt(squares))


def _adagrad_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    return (learning_rate, settings.eps)


def _rmsprop(theta, g, moments, start, c, is_weight):
    """``r <- c1 r + c2 g^2``; ``theta <- theta - c0 g / sqrt(c3 + r)``."""
    r = moments[0, start : start + g.shape[0]]
    rate, keep, take, eps = c[0], c[1], c[2], c[3]
    for i in range(g.shape[0]):
        squares = keep * r[i] + take * g[i] * g[i]
        r[i] = squares
        theta[i] -= rate * g[i] / math.sqrt(eps + squares)


def _rmsprop_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    return (learning_rate, settings.rho, 1 - settings.rho, settings.eps)


def _adam(theta, g, moments, start, c, is_weight):
    """``s <- c1 s + c2 g``; ``r <- c3 r + c4 g^2``; ``theta <- theta - c0 s / (c5 sqrt(r) + c6)``."""
    s = moments[0, start : start + g.shape[0]]
    r = moments[1, start : start + g.shape[0]]
    rate, keep_s, take_s, keep_r, take_r, correction, eps = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    for i in range(g.shape[0]):
        first = keep_s * s[i] + take_s * g[i]
        second = keep_r * r[i] + take_r * g[i] * g[i]
        s[i] = first
        r[i] = second
        theta[i] -= rate * first / (correction * math.sqrt(second) + eps)


def _adam_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return the coefficients of algorithm 8.7, with both bias corrections folded in."""
    beta1, beta2 = settings.beta1, settings.beta2
    correction1, correction2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    return (learning_rate / correction1, beta1, 1 - beta1, beta2, 1 - beta2, 1 / math.sqrt(correction2), settings.eps)


def _adamw(theta, g, moments, start, c, is_weight):
    """``theta <- theta - c0 (s / (c5 sqrt(r) + c6) + c7 theta)`` with s, r of Adam; biases do not decay."""
    s = moments[0, start : start + g.shape[0]]
    r = moments[1, start : start + g.shape[0]]
    rate, keep_s, take_s, keep_r, take_r, correction, eps = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    decay = c[7] if is_weight else like(c, 0.0)
    for i in range(g.shape[0]):
        first = keep_s * s[i] + take_s * g[i]
        second = keep_r * r[i] + take_r * g[i] * g[i]
        s[i] = first
        r[i] = second
        theta[i] -= rate * (first / (correction * math.sqrt(second) + eps) + decay * theta[i])


def _adamw_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return those of Adam, and the decay by which the first makes ``eta weight_decay``."""
    decay = settings.weight_decay * (1 - settings.beta1 ** (step + 1))
    return (*_adam_coefficients(settings, learning_rate, step), decay)


def _lamb(theta, g, moments, start, c, is_weight):
    """``g <- c7 s / (c5 sqrt(r) + c6) + c8 theta`` with s, r of Adam; biases do not decay."""
    s = moments[0, start : start + g.shape[0]]
    r = moments[1, start : start + g.shape[0]]
    keep_s, take_s, keep_r, take_r, correction, eps = c[1], c[2], c[3], c[4], c[5], c[6]
    unbias = c[7]
    decay = c[8] if is_weight else like(c, 0.0)
    for i in range(g.shape[0]):
        first = keep_s * s[i] + take_s * g[i]
        second = keep_r * r[i] + take_r * g[i] * g[i]
        s[i] = first
        r[i] = second
        g[i] = unbias * first / (correction * math.sqrt(second) + eps) + decay * theta[i]


def _lamb_coefficients(settings: Settings, learning_rate: float, step: int) -> tuple[float, ...]:
    """Return the rate alone, the rest of Adam's, the correction of the first moment, the decay."""
    shared = _adam_coefficients(settings, learning_rate, step)[1:]
    return (learning_rate, *shared, 1 / (1 - settings.beta1 ** (step + 1)), settings.weight_decay)


def _hold(theta, g, moments, start, c, is_weight):
    """Leave `theta` to the line search, which needs the gradient alone."""


_MOMENTUM = {
    "momentum": Key(ClosedFraction, "Part of the last step that is kept in the next one.", 0.9),
    "momentum_final": Key(ClosedFraction, "Momentum that is reached after momentum_steps.", goes_with="momentum_steps"),
    "momentum_steps": Key(Steps, "Steps over which momentum goes to momentum_final.", goes_with="momentum_final"),
}
_BETAS = {
    "beta1": Key(ClosedFraction, "Decay of the mean of gradients.", 0.9),
    "beta2": Key(ClosedFraction, "Decay of the mean of squared gradients.", 0.999),
}
_RHO = {"rho": Key(ClosedFraction, "Decay of the mean of squared gradients.", 0.9)}
_DECAY = {"weight_decay": Key(NonNegativeFloat, "Part of the weights that a step of rate 1 takes away.", 0.01)}
_MOMENTS = ("first_moment", "second_moment")


def _eps(default: float) -> dict[str, Key]:
    return {"eps": Key(PositiveFloat, "A small number that is added to the root of squared gradients.", default)}


#: The optimiser of whoever wants gradients and moves the parameters himself.
HOLDS = "line_search"

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_sgd, _sgd_coefficients, 0.03),
    "momentum": Optimizer(_momentum, _momentum_coefficients, 0.01, ("velocity",), keys=_MOMENTUM),
    # The difference is where the gradient is taken.
    "nesterov": Optimizer(_momentum, _nesterov_coefficients, 0.01, ("velocity",), looks_ahead_by=2, keys=_MOMENTUM),
    "adagrad": Optimizer(_adagrad, _adagrad_coefficients, 0.01, ("squares",), keys=_eps(1e-7)),
    "rmsprop": Optimizer(
        _rmsprop, _rmsprop_coefficients, 0.001, ("mean_squares",),
        keys=_RHO | _eps(1e-6),
    ),
    "adam": Optimizer(_adam, _adam_coefficients, 0.001, _MOMENTS, keys=_BETAS | _eps(1e-8)),
    "adamw": Optimizer(_adamw, _adamw_coefficients, 0.001, _MOMENTS, keys=_BETAS | _eps(1e-8) | _DECAY),
    "lamb": Optimizer(
        _lamb, _lamb_coefficients, 0.003, _MOMENTS, scales_layers=True,
        keys=_BETAS | _eps(1e-6) | _DECAY,
    ),
    HOLDS: Optimizer(_hold, _sgd_coefficients, 1.0, searches_line=True),
}  # fmt: skip
