"""Matrix products of what a step multiplies: numbers as they are, or rounded to bfloat16."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from ddp_mlp.core.kernels.arrays import Factors1
from ddp_mlp.core.kernels.gemm.gemm import Matrix, multiply
from ddp_mlp.core.kernels.gemm.pairs import multiply_pairs
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit


def _multiply(factors: Any, *_: Any) -> None:
    raise NotImplementedError


@overload(_multiply, inline="always")
def _multiply_of(factors, a, b, transposed, c, m, n, k, adds):
    kernel = multiply_pairs if factors.dtype == types.uint16 else multiply
    return lambda factors, a, b, transposed, c, m, n, k, adds: kernel(a, b, transposed, c, m, n, k, adds)


@jit
def product(
    factors: Factors1, a: Matrix, b: Matrix, transposed: bool, c: Matrix, m: int, n: int, k: int, adds: bool
) -> None:  # fmt: skip
    """Compute the product of `gemm.multiply`; `factors` is an array of the dtype that factors are rounded to."""
    _multiply(factors, a, b, transposed, c, m, n, k, adds)
