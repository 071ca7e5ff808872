"""Optimiser updates: one fused pass over a block of the parameter vector.

An update reads the mean gradient of a block and changes parameters and moments in place.
`c` holds the coefficients of the step in the dtype of training; what they mean stands in
each docstring. The other half of an optimiser, which computes them, is its entry in
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
def _sgd(theta, g, moments, c):
    """``theta <- theta - c0 g``."""
    for i in range(g.shape[0]):
        theta[i] -= c[0] * g[i]


@jit
def _momentum(theta, g, moments, c):
    """``v <- c1 v - c0 g``; ``theta <- theta + v``."""
    v = moments[0]
    for i in range(g.shape[0]):
        v[i] = c[1] * v[i] - c[0] * g[i]
        theta[i] += v[i]


@jit
def _adam(theta, g, moments, c):
    """``s <- c1 s + c2 g``; ``r <- c3 r + c4 g^2``; ``theta <- theta - c0 s / (c5 sqrt(r) + c6)``."""
    s, r = moments[0], moments[1]
    for i in range(g.shape[0]):
        s[i] = c[1] * s[i] + c[2] * g[i]
        r[i] = c[3] * r[i] + c[4] * g[i] * g[i]
        theta[i] -= c[0] * s[i] / (c[5] * math.sqrt(r[i]) + c[6])


UPDATES = {"sgd": _sgd, "momentum": _momentum, "adam": _adam}
UPDATE_CODES = {name: code for code, name in enumerate(UPDATES)}


@jit
def _unknown_update(code, theta, g, moments, c):
    raise ValueError("unknown optimiser code")


def _update_of(code: int, name: str, otherwise: Any) -> Any:
    kernel = UPDATES[name]

    def update(optimizer, theta, g, moments, c):
        if optimizer != code:
            otherwise(optimizer, theta, g, moments, c)
            return
        kernel(theta, g, moments, c)

    return jit(update, f"update_{name}")


def _chain() -> Any:
    chained = _unknown_update
    for name, code in reversed(UPDATE_CODES.items()):
        chained = _update_of(code, name, chained)
    return chained


#: ``update(code, theta, mean_gradient, moments, coefficients)`` on views of one block.
update = _chain()


@jit
def scale(values, factor):
    """``values *= factor``."""
    for i in range(values.shape[0]):
        values[i] *= factor
