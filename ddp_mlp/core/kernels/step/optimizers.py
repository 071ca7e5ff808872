"""The optimisers of `ddp_mlp.catalog.optimizers` over blocks of the vector, and the further steps of some of them."""

from __future__ import annotations

from typing import Any

from ddp_mlp.core.kernels.entries import of_entry
from ddp_mlp.core.kernels.network.codes import UPDATES
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops, inlined, jit


@inlined
def _unknown_update(code, theta, g, moments, start, c, is_weight):
    raise ValueError("unknown optimiser code")


def _update_of(code: int, function: Any, otherwise: Any) -> Any:
    kernel = of_entry(function, in_loops)

    def update(optimizer, theta, g, moments, start, c, is_weight):
        if optimizer != code:
            otherwise(optimizer, theta, g, moments, start, c, is_weight)
            return
        kernel(theta, g, moments, start, c, is_weight)

    return (inlined if code else in_loops)(update, f"update_{code}")


def _chain() -> Any:
    chained = _unknown_update
    for code, function in reversed(list(enumerate(UPDATES))):
        chained = _update_of(code, function, chained)
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
    """``out = theta + mu v``: where the next gradient is taken."""
    for i in range(theta.shape[0]):
        out[i] = theta[i] + mu * v[i]


@jit
def descend(theta, direction, factor):
    """``theta <- theta - factor direction``."""
    for i in range(theta.shape[0]):
        theta[i] -= factor * direction[i]
