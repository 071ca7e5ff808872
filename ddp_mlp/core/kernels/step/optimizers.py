"""Optimiser updates: one fused pass over a block of the parameter vector.

An update reads the mean gradient of a block and changes parameters and moments in place.
`c` holds the coefficients of the step in the dtype of training; what they mean stands in
each docstring. They are read before the loop, since an array might change under it, and
then the compiler could not use whole vectors. The other half of an optimiser, which
computes them, is its entry in `ddp_mlp.core.optimizers`.

Sources: "Deep Learning" (2016), section 8.3 (SGD, momentum, Nesterov) and algorithms 8.4
(AdaGrad), 8.5 (RMSProp), 8.7 (Adam); Loshchilov and Hutter, ICLR 2019, algorithm 2 (AdamW);
You et al., ICLR 2020, algorithm 2 (LAMB).
"""

from __future__ import annotations

import math
from typing import Any

from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit, like

#: Most coefficients any update takes.
COEFFICIENTS = 10


@jit
def _sgd(theta, g, moments, start, c, is_weight):
    """``theta <- theta - c0 g``."""
    rate = c[0]
    for i in range(g.shape[0]):
        theta[i] -= rate * g[i]


@jit
def _momentum(theta, g, moments, start, c, is_weight):
    """``v <- c1 v - c0 g``; ``theta <- theta + v``."""
    v = moments[0, start : start + g.shape[0]]
    rate, mu = c[0], c[1]
    for i in range(g.shape[0]):
        step = mu * v[i] - rate * g[i]
        v[i] = step
        theta[i] += step


@jit
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


@jit
def _adagrad(theta, g, moments, start, c, is_weight):
    """``r <- r + g^2``; ``theta <- theta - c0 g / (c1 + sqrt(r))``."""
    r = moments[0, start : start + g.shape[0]]
    rate, eps = c[0], c[1]
    for i in range(g.shape[0]):
        squares = r[i] + g[i] * g[i]
        r[i] = squares
        theta[i] -= rate * g[i] / (eps + math.sqrt(squares))


@jit
def _rmsprop(theta, g, moments, start, c, is_weight):
    """``r <- c1 r + c2 g^2``; ``theta <- theta - c0 g / sqrt(c3 + r)``."""
    r = moments[0, start : start + g.shape[0]]
    rate, keep, take, eps = c[0], c[1], c[2], c[3]
    for i in range(g.shape[0]):
        squares = keep * r[i] + take * g[i] * g[i]
        r[i] = squares
        theta[i] -= rate * g[i] / math.sqrt(eps + squares)


@jit
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


@jit
def _lamb(theta, g, moments, start, c, is_weight):
    """``g <- c7 s / (c5 sqrt(r) + c6) + c8 theta`` with s, r of Adam; biases do not decay.

    Theta stays: the length of the step depends on norms over a whole layer.
    """
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


@jit
def _hold(theta, g, moments, start, c, is_weight):
    """Leave theta to a line search, which needs nothing but the gradient."""


UPDATES = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _momentum,  # the difference is where the gradient is taken, see `look_ahead`
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "lamb": _lamb,
    "line_search": _hold,
}
UPDATE_CODES = {name: code for code, name in enumerate(UPDATES)}
NESTEROV, LAMB = UPDATE_CODES["nesterov"], UPDATE_CODES["lamb"]


@inlined
def _unknown_update(code, theta, g, moments, start, c, is_weight):
    raise ValueError("unknown optimiser code")


def _update_of(code: int, name: str, otherwise: Any) -> Any:
    kernel = UPDATES[name]

    def update(optimizer, theta, g, moments, start, c, is_weight):
        if optimizer != code:
            otherwise(optimizer, theta, g, moments, start, c, is_weight)
            return
        kernel(theta, g, moments, start, c, is_weight)

    return (inlined if code else jit)(update, f"update_{name}")


def _chain() -> Any:
    chained = _unknown_update
    for name, code in reversed(UPDATE_CODES.items()):
        chained = _update_of(code, name, chained)
    return chained


#: ``update(code, theta, mean_gradient, moments, start, coefficients, is_weight)``: `theta` and the
#: gradient are views of one block, of a weight or of a bias, `moments` (n_moments, P) are whole,
#: and the block begins at `start`.
update = _chain()


@jit
def scale(values, factor):
    """``values *= factor``."""
    for i in range(values.shape[0]):
        values[i] *= factor


@jit
def look_ahead(theta, v, mu, out):
    """``out = theta + mu v``: where Nesterov's next gradient is taken."""
    for i in range(theta.shape[0]):
        out[i] = theta[i] + mu * v[i]


@jit
def descend(theta, direction, factor):
    """``theta <- theta - factor direction``."""
    for i in range(theta.shape[0]):
        theta[i] -= factor * direction[i]
