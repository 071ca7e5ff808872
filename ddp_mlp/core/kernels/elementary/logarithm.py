"""``log(1 + x)`` as plain arithmetic, so that loops over it use whole vectors.

The algorithm is that of `s_log1p.c` of Sun's fdlibm (1993), and of `s_log1pf.c`, in the order of operations of glibc
2.36: its results to the bit, whatever library a machine has. ``1 + x = 2^n (1 + f)`` with ``1 + f`` between the roots
of 1/2 and 2, and ``log(1 + f)`` is ``f - f^2 / 2 + s (f^2 / 2 + R)``, with ``s = f / (2 + f)`` and a polynomial R in
s^2; what was lost in rounding ``1 + x`` is given back. Branches are computed side by side, and chosen from. In float64
products are rounded with the sum that they are part of, as that library does on CPUs which can.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types

from ddp_mlp.core.kernels.numba_ext.float_bits import as_bits, as_float, multiply_add_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops


class _Format(NamedTuple):
    """Constants of the algorithm for a floating type."""

    real: Any
    integer: Any
    mantissa_bits: int
    magic: int  # the bits of 1.5 2^mantissa_bits: whole numbers are added to them as integers
    root: int  # the bits of about the root of 1/2
    p: tuple[float, float, float, float, float, float, float]  # of the polynomial in s^2
    ln2_high: float  # so short that its product with n is exact
    ln2_low: float
    lowest: float  # above it
    highest: float  # and below this f is x itself
    short: float  # the unit in which f is so small that 1 + f is nearly 2^n


_SINGLE = _Format(
    types.float32, types.int32, 23, 0x4B400000, 0x3F3504F7,
    (6.6666668653e-01, 4.0000000596e-01, 2.8571429849e-01, 2.2222198546e-01, 1.8183572590e-01, 1.5313838422e-01,
     1.4798198640e-01),
    6.9313812256e-01, 9.0580006145e-06, -0x95F620 / 2**25, 0xD413D7 / 2**25, 2.0**-23,
)  # fmt: skip
_DOUBLE = _Format(
    types.float64, types.int64, 52, 0x4338000000000000, 0x3FE6A09E00000000,
    (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
     1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01),
    6.93147180369123816490e-01, 1.90821492927058770002e-10, -0x12BEC4 / 2**22, 0x1A827A / 2**22, 2.0**-20,
)  # fmt: skip
#: From here on 1 + x is x, whatever it rounds to.
_HUGE = 2.0**53
#: Below it, the first two terms of the series are enough.
_TINY = 2.0**-29


def log1p_of(x):
    """Return ``log1p`` for a type of floats, as `overload` of Numba wants it."""
    return _make_log1p(_SINGLE if x == types.float32 else _DOUBLE)


def _make_log1p(f: _Format) -> Any:
    real, ln2_high, ln2_low, short = f.real, f.ln2_high, f.ln2_low, f.short
    multiply_add = multiply_add_of(real)
    reduce = in_loops(_make_reduction(f), f"log1p_reduction_{real}")
    polynomial = in_loops(_make_polynomial(f), f"log1p_polynomial_{real}")

    def log1p(x):
        n, r, lost = reduce(x)
        half_square = real(0.5) * r * r
        s = r / (real(2.0) + r)
        part = s * (half_square + polynomial(s * s))
        at_1 = r - (half_square - part)
        rest = multiply_add(n, real(ln2_low), lost)
        is_short = (n != real(0.0)) & (r >= real(-1.5 * short)) & (r < real(short))
        two_terms = half_square * multiply_add(real(-2 / 3), r, real(1.0)) - rest
        below = (two_terms if is_short else half_square - (part + rest)) - r
        y = at_1 if n == real(0.0) else multiply_add(n, real(ln2_high), -below)
        y = multiply_add(real(-0.5), x * x, x) if abs(x) < real(_TINY) else y
        y = y if x > real(-1.0) else real(-math.inf) if x == real(-1.0) else real(math.nan)
        return y if x < real(math.inf) else x

    return log1p


def _make_reduction(f: _Format) -> Any:
    """Return the function that gives n, f and what is to be added to ``n ln 2 + log(1 + f)``."""
    real, integer, shift, magic, root = f.real, f.integer, f.mantissa_bits, f.magic, f.root
    lowest, highest = f.lowest, f.highest

    def reduce(x):
        u = x if x >= real(_HUGE) else real(1.0) + x
        lost = (real(1.0) - (u - x) if u >= real(2.0) else x - (u - real(1.0))) / u
        bits = as_bits(u)
        whole = integer((bits - integer(root)) >> integer(shift))
        n = as_float(integer(whole + integer(magic))) - as_float(integer(magic))
        r = as_float(integer(bits - (whole << integer(shift)))) - real(1.0)
        is_near = (x > real(lowest)) & (x < real(highest))
        return real(0.0) if is_near else n, x if is_near else r, real(0.0) if x >= real(_HUGE) else lost

    return reduce


def _make_polynomial(f: _Format) -> Any:
    """Return R as a function of s^2, in the order of operations of each type."""
    real, (p1, p2, p3, p4, p5, p6, p7) = f.real, f.p
    fused = multiply_add_of(real)

    def horner(z):
        y = real(p4) + z * (real(p5) + z * (real(p6) + z * real(p7)))
        return z * (real(p1) + z * (real(p2) + z * (real(p3) + z * y)))

    def in_pairs(z):
        square = z * z
        fourth = square * square
        y = fused(z, real(p1), square * fused(z, real(p3), real(p2)))
        y = fused(fourth, fused(z, real(p5), real(p4)), y)
        return fused(square * fourth, fused(z, real(p7), real(p6)), y)

    return horner if real == types.float32 else in_pairs
