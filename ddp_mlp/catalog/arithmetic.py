"""Arithmetic for the kernels of entries, in plain Python: Numba compiles the same functions, see `core.kernels`.

A kernel is written for float32 and float64 alike, so constants take the type of a value: see `like`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Functions that kernels of entries call, to be compiled with them; and whether as part of the loops that call them.
HELPERS: list[tuple[Callable[..., Any], bool]] = []


def helper(function: _Function) -> _Function:
    """Mark a function that kernels of entries call, and return it as it is."""
    HELPERS.append((function, False))
    return function


def helper_in_loops(function: _Function) -> _Function:
    """Mark one of numbers, so that loops which call it use whole vectors."""
    HELPERS.append((function, True))
    return function


def like(value: Any, constant: float) -> Any:
    """Return `constant` in the floating type of `value`, a number or an array, so that float32 stays float32."""
    kind = value.dtype.type if hasattr(value, "dtype") else type(value)
    return kind(constant)


def room_like(values: Any, size: int) -> Any:
    """Return a new array of `size` values of the type of `values`, which may be anything."""
    import numpy as np  # late: a configuration is read before it is known which code NumPy may use

    return np.empty(size, values.dtype)


def atan(x: Any) -> Any:
    """Return ``atan(x)`` in the type of `x`; compiled, it is that of `core.kernels.elementary.circular`."""
    return type(x)(math.atan(x))


def cos(x: Any) -> Any:
    """Return ``cos(x)`` in the type of `x`, of magnitude below 120; beyond it is NaN in float32, compiled as `atan`."""
    return type(x)(math.cos(x))


def exp(x: Any) -> Any:
    """Return ``exp(x)`` in the type of `x`; compiled, it is that of `core.kernels.elementary.exponential`."""
    return type(x)(math.exp(x))


def expm1(x: Any) -> Any:
    """Return ``exp(x) - 1`` in the type of `x`; compiled, it is that of `core.kernels.elementary.hyperbolic`."""
    return type(x)(math.expm1(x))


def log1p(x: Any) -> Any:
    """Return ``log(1 + x)`` in the type of `x`; compiled, it is that of `core.kernels.elementary.logarithm`."""
    return type(x)(math.log1p(x))


def tanh(x: Any) -> Any:
    """Return ``tanh(x)`` in the type of `x`; compiled, it is that of `core.kernels.elementary.hyperbolic`."""
    return type(x)(math.tanh(x))


@helper_in_loops
def logistic(a: Any) -> Any:
    """Return ``1 / (1 + exp(-a))`` without overflow for any finite `a`."""
    e = exp(-abs(a))
    return (like(a, 1.0) if a >= like(a, 0.0) else e) / (like(a, 1.0) + e)


@helper_in_loops
def softplus(a: Any) -> Any:
    """Return ``log(1 + exp(a))`` without overflow."""
    return max(a, like(a, 0.0)) + log1p(exp(-abs(a)))
