"""Sums and copies of vectors, each with a fixed order of additions."""

from __future__ import annotations

import numpy as np

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit


@jit
def add_into(left, right):
    """``left += right``, element by element."""
    for i in range(left.shape[0]):
        left[i] += right[i]


@jit
def copy(source, target):
    """``target[:] = source``; a loop compiles ten times faster than Numba's assignment of slices."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@jit
def tree_sum(values, size):
    """Return the sum of ``values[:size]``, added in a fixed tree; `values` (BLOCK,) is overwritten.

    The values, with zeros up to a power of two, are halved, and the halves added, until one
    is left: all loops run over whole vectors, and the rounding error grows with the
    logarithm of the size only.
    """
    width = 1
    while width < size:
        width *= 2
    for i in range(size, width):
        values[i] = like(values, 0.0)
    half = width // 2
    while half > 0:
        upper = values[half : 2 * half]
        for i in range(half):
            values[i] += upper[i]
        half //= 2
    return np.float64(values[0])


@jit
def square_sum(values, scratch):
    """Return ``sum(values^2)`` of at most `BLOCK` values, by `tree_sum`; `scratch` is (BLOCK,)."""
    for i in range(values.shape[0]):
        scratch[i] = values[i] * values[i]
    return tree_sum(scratch, values.shape[0])


@jit
def wide_square_sum(values):
    """Return ``sum(values^2)``, first to last in float64, for values whose squares float32 cannot hold."""
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@jit
def sum_of(values):
    """Return the sum of `values`, first to last."""
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total
