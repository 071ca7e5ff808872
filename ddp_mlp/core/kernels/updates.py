"""Optimiser updates: one fused pass over a block of the parameter vector.

An update reads the mean gradient of a block and changes parameters and moments in place.
`c` holds the coefficients of the step in the dtype of training; what they mean stands in
each docstring. They are read before the loop, since an array might change under it, and
then the compiler could not use whole vectors. The other half of an optimiser, which computes them, is its entry in
`ddp_mlp.core.optimizers`.

Sources: "Deep Learning" (2016), section 8.3 (SGD, momentum) and 8.5 (Adam).
"""

from __future__ import annotations

import math
from typing import Any

from ddp_mlp.core.kernels.intrinsics import jit

#: Most coefficients any update takes.
COEFFICIENTS = 8


@jit
def _sgd(theta, g, moments, start, c):
    """``theta <- theta - c0 g``."""
    rate = c[0]
    for i in range(g.shape[0]):
        theta[i] -= rate * g[i]


@jit
def _momentum(theta, g, moments, start, c):
    """``v <- c1 v - c0 g``; ``theta <- theta + v``."""
    v = moments[0, start : start + g.shape[0]]
    rate, mu = c[0], c[1]
    for i in range(g.shape[0]):
        step = mu * v[i] - rate * g[i]
        v[i] = step
        theta[i] += step


@jit
def _adam(theta, g, moments, start, c):
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


UPDATES = {"sgd": _sgd, "momentum": _momentum, "adam": _adam}
UPDATE_CODES = {name: code for code, name in enumerate(UPDATES)}


@jit
def _unknown_update(code, theta, g, moments, start, c):
    raise ValueError("unknown optimiser code")


def _update_of(code: int, name: str, otherwise: Any) -> Any:
    kernel = UPDATES[name]

    def update(optimizer, theta, g, moments, start, c):
        if optimizer != code:
            otherwise(optimizer, theta, g, moments, start, c)
            return
        kernel(theta, g, moments, start, c)

    return jit(update, f"update_{name}")


def _chain() -> Any:
    chained = _unknown_update
    for name, code in reversed(UPDATE_CODES.items()):
        chained = _update_of(code, name, chained)
    return chained


#: ``update(code, theta, mean_gradient, moments, start, coefficients)``: `theta` and the gradient
#: are views of one block, `moments` (n_moments, P) are whole, and the block begins at `start`.
update = _chain()


@jit
def scale(values, factor):
    """``values *= factor``."""
    for i in range(values.shape[0]):
        values[i] *= factor
