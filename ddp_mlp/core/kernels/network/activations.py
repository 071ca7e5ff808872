"""The activations of `ddp_mlp.catalog.activations` over whole layers: each value beside its derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ddp_mlp.core.kernels.arrays import Float, Floats1
from ddp_mlp.core.kernels.entries import of_entry
from ddp_mlp.core.kernels.network.codes import FUNCTIONS
from ddp_mlp.core.kernels.network.column_sums import add_columns
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops, inlined, jit
from ddp_mlp.core.kernels.vector_ops import copy


def _forward_of(code: int, function: Callable[..., Any], otherwise: Any) -> Any:
    value = of_entry(function, in_loops)

    def activate(chosen, values, bias, p):
        if chosen == code:
            n_columns = bias.shape[0]
            for start in range(0, values.shape[0], n_columns):
                row = values[start : start + n_columns]
                for c in range(row.shape[0]):
                    row[c] = value(row[c] + bias[c], p)
        else:
            otherwise(chosen, values, bias, p)

    return inlined(activate, f"activate_{code}")


def _backward_of(code: int, function: Callable[..., Any], otherwise: Any) -> Any:
    derivative = of_entry(function, in_loops)

    def descend(chosen, delta, h, p):
        if chosen == code:
            for i in range(delta.shape[0]):
                delta[i] *= derivative(h[i], p)
        else:
            otherwise(chosen, delta, h, p)

    return inlined(descend, f"descend_{code}")


@inlined
def _no_forward(chosen, values, bias, p):
    raise ValueError("unknown activation code")


@inlined
def _no_backward(chosen, delta, h, p):
    raise ValueError("unknown activation code")


def _chain() -> tuple[Any, Any]:
    forward, backward = _no_forward, _no_backward
    for code, (value, derivative) in reversed(list(enumerate(FUNCTIONS))):
        forward = _forward_of(code, value, forward)
        backward = _backward_of(code, derivative, backward)
    return forward, backward


_activate, _descend = _chain()

#: Values whose derivatives are taken before their columns are added up: few enough to stay in
#: the first-level cache, enough to make the choice among activations free.
_AT_ONCE = 4096


#: Values of a bias, one after the other for some rows.
_BIASES = 512


@jit
def bias_activate(chosen, values, bias, p):
    """Turn the products (B * O,) of a layer into activations in place: ``h = g(z + b)``."""
    # Of narrow layers many rows are taken as one: a loop that begins anew for each takes longer than its values.
    n_rows = min(max(_BIASES // bias.shape[0], 1), values.shape[0] // bias.shape[0])
    if n_rows > 1:
        biases = np.empty(n_rows * bias.shape[0], bias.dtype)
        for start in range(0, biases.shape[0], bias.shape[0]):
            copy(bias, biases[start : start + bias.shape[0]])
        _activate(chosen, values, biases, p)
    else:
        _activate(chosen, values, bias, p)


@jit
def times_derivative(chosen: int, delta: Floats1, h: Floats1, total: Floats1, p: Float) -> bool:
    """Multiply deltas (B * O,) by ``g'(a)`` in place, and add their column sums to `total` (O,).

    Return whether any of them is large then, see `is_large`.
    """
    four = 4 * total.shape[0]  # rows, which are added together
    size, found = max(_AT_ONCE // four, 1) * four, False
    for start in range(0, delta.shape[0], size):
        rows = delta[start : start + size]
        _descend(chosen, rows, h[start : start + size], p)
        if add_columns(rows, total):
            found = True
    return found
