"""The exponential as plain arithmetic, so that loops over it use whole vectors.

``exp(x) = 2^n exp(r)`` with ``n = round(x / ln 2)``, ``|r| <= ln(2) / 2``, and a Taylor
polynomial for ``exp(r)`` that is long enough for the type. ``ln 2`` is subtracted in two
parts, the first so short that its product with `n` is exact (W. J. Cody, W. Waite, "Software
Manual for the Elementary Functions", 1980, chapter 6). The error is below 2 units in the
last place of a normal result; overflow gives infinity, underflow goes gradually to 0, NaN
stays NaN.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import njit, types

from ddp_mlp.core.kernels.numba_ext.float_bits import as_float, as_integer


class _Format(NamedTuple):
    """Constants of the algorithm for a floating type."""

    real: Any
    integer: Any
    mantissa_bits: int
    bias: int
    degree: int  # of the polynomial: |r|^(degree + 1) / (degree + 1)! is below half a unit
    ln2_short: float
    ln2_rest: float
    lowest: float  # below it, the result rounds to 0
    highest: float  # above it, it is infinite


_SINGLE = _Format(
    types.float32, types.int32, 23, 127, 7, 0x2C5 / 2**10, math.log(2) - 0x2C5 / 2**10, -104.0, 89.0
)  # fmt: skip
# The double nearest to ln 2 falls short of it by 2.3e-17, which counts in the second part.
_DOUBLE = _Format(
    types.float64, types.int64, 52, 1023, 13,
    0xB17217F7 / 2**32, math.log(2) - 0xB17217F7 / 2**32 + 2.3190468138462996e-17, -746.0, 710.0,
)  # fmt: skip


def exponential_of(x):
    """Return the exponential for a type of floats, as `overload` of Numba wants it."""
    return _make(_SINGLE if x == types.float32 else _DOUBLE)


def _make(f: _Format) -> Any:
    real, integer = f.real, f.integer
    log2_e, ln2_short, ln2_rest = 1 / math.log(2), f.ln2_short, f.ln2_rest
    lowest, highest = f.lowest, f.highest
    to_integer = 1.5 * 2.0**f.mantissa_bits  # adding it leaves no room for digits after the point
    bias, shift = f.bias, f.mantissa_bits
    polynomial = _polynomial(real, [1 / math.factorial(k) for k in range(f.degree + 1)])

    def exponential(x):
        clamped = min(max(x, real(lowest)), real(highest))
        n = (clamped * real(log2_e) + real(to_integer)) - real(to_integer)
        r = (clamped - n * real(ln2_short)) - n * real(ln2_rest)
        k = as_integer(n)
        # 2^n in two factors, so that both are normal numbers for every n that can occur.
        half = integer(k >> integer(1))
        rest = integer(k - half)
        scale = as_float(integer((half + integer(bias)) << integer(shift)))
        scale_rest = as_float(integer((rest + integer(bias)) << integer(shift)))
        y = polynomial(r) * scale * scale_rest
        return y if x == x else x

    return exponential


def _polynomial(real: Any, coefficients: list[float]) -> Any:
    """Return a function that evaluates a polynomial by Horner's rule, unrolled."""
    if len(coefficients) == 1:
        (last,) = coefficients

        def constant(r):
            return real(last)

        return _named(constant, real, last)
    first, rest = coefficients[0], _polynomial(real, coefficients[1:])

    def horner(r):
        return rest(r) * r + real(first)

    return _named(horner, real, first)


def _named(function: Any, real: Any, coefficient: float) -> Any:
    # Symbols of compiled code are matched by name: each closure needs one of its own.
    function.__name__ = function.__qualname__ = f"horner_{real}_{coefficient.hex()}".replace(".", "_")
    return njit(nogil=True, error_model="numpy")(function)
