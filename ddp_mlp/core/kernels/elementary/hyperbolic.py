"""``exp(x) - 1`` and the hyperbolic tangent as plain arithmetic, so that loops over them use whole vectors.

The algorithm is that of `s_expm1.c` and `s_tanh.c` of Sun's fdlibm (1993), and of `s_expm1f.c` and `s_tanhf.c`, in
the order of operations of glibc 2.36: its results to the bit, whatever library a machine has. Its branches are
computed side by side, and chosen from. ``expm1(x)`` is ``2^n (exp(r) - 1) + (2^n - 1)`` with ``|r| <= ln(2) / 2``, and
``exp(r) - 1`` a quotient of polynomials; ``tanh(x) = 1 - 2 / (expm1(2x) + 2)``. In float64 products are rounded with
the sum that they are part of, as that library does on CPUs which can; in float32 by themselves, as it does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types

from ddp_mlp.core.kernels.numba_ext.float_bits import as_bits, as_float, fused, multiply_add_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops


class _Format(NamedTuple):
    """Constants of the algorithm for a floating type; those of ``ln 2`` are where its branches begin."""

    real: Any
    integer: Any
    mantissa_bits: int
    bias: int
    q: tuple[float, float, float, float, float]  # of the polynomial in r^2 / 2
    ln2_high: float  # so short that its product with n is exact
    ln2_low: float
    inverse_ln2: float
    half_ln2: float  # below it n is 0,
    three_halves_ln2: float  # and below this 1 or -1
    lowest: float  # below it, the result rounds to -1
    highest: float  # above it, it is infinite
    whole: int  # from this n on, 1 - 2^-n may have too many digits

    @property
    def to_integer(self) -> float:
        """Return a number that leaves no room for digits after the point where it is added."""
        return 1.5 * 2.0**self.mantissa_bits


_SINGLE = _Format(
    types.float32, types.int32, 23, 127,
    (-3.3333335072e-02, 1.5873016091e-03, -7.9365076090e-05, 4.0082177293e-06, -2.0109921195e-07),
    6.9313812256e-01, 9.0580006145e-06, 1.4426950216e00,
    0xB17219 / 2**25, 0x851592 / 2**23, -40.0, 0xB17217 / 2**17, 23,
)  # fmt: skip
_DOUBLE = _Format(
    types.float64, types.int64, 52, 1023,
    (-3.33333333333331316428e-02, 1.58730158725481460165e-03, -7.93650757867487942473e-05,
     4.00821782732936239552e-06, -2.01099218183624371326e-07),
    6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e00,
    0x162E43 / 2**22, 0x10A2B2 / 2**20, -60.0, 7.09782712893383973096e02, 20,
)  # fmt: skip


def expm1_of(x):
    """Return ``expm1`` for a type of floats, as `overload` of Numba wants it."""
    return _make_expm1(_SINGLE if x == types.float32 else _DOUBLE)


def tanh_of(x):
    """Return ``tanh`` for a type of floats, as `overload` of Numba wants it."""
    f = _SINGLE if x == types.float32 else _DOUBLE
    real, expm1 = f.real, in_loops(_make_expm1(f), f"expm1_{f.real}")

    def tanh(x):
        a = min(abs(x), real(22.0))  # beyond it the result rounds to 1
        t = expm1(real(2.0) * a if a >= real(1.0) else real(-2.0) * a)
        quotient = (real(2.0) if a >= real(1.0) else -t) / (t + real(2.0))
        magnitude = real(1.0) - quotient if a >= real(1.0) else quotient
        return math.copysign(magnitude, x) if x == x else x

    return tanh


def _make_expm1(f: _Format) -> Any:
    real, lowest, highest = f.real, f.lowest, f.highest
    multiply_add, polynomial = multiply_add_of(real), in_loops(_make_polynomial(f), f"expm1_polynomial_{real}")
    reduce = in_loops(_make_reduction(f, multiply_add), f"expm1_reduction_{f.real}")
    scale = in_loops(_make_scaling(f), f"expm1_scaling_{f.real}")

    def expm1(x):
        n, r, rest = reduce(min(max(x, real(lowest)), real(highest)))
        half = real(0.5) * r
        square = r * half
        p = polynomial(square)
        t = multiply_add(-p, half, real(3.0))
        e = square * ((p - t) / multiply_add(-r, t, real(6.0)))
        at_0 = r - multiply_add(r, e, -square)
        y = at_0 if n == real(0.0) else scale(n, r, multiply_add(r, e - rest, -rest) - square)
        y = y if x <= real(highest) else real(math.inf)
        return math.copysign(y, x) if x == x else x

    return expm1


def _make_reduction(f: _Format, multiply_add: Any) -> Any:
    """Return the function that splits x into ``n ln 2 + r + rest``."""
    real, half_ln2, three_halves_ln2, inverse_ln2 = f.real, f.half_ln2, f.three_halves_ln2, f.inverse_ln2
    ln2_high, ln2_low, to_integer = f.ln2_high, f.ln2_low, f.to_integer

    def reduce(x):
        a = abs(x)
        up = a * real(inverse_ln2) + real(0.5)
        near = (up + real(to_integer)) - real(to_integer)
        n = near - real(1.0) if near > up else near
        n = real(0.0) if a < real(half_ln2) else real(1.0) if a < real(three_halves_ln2) else n
        n = n if x > real(0.0) else -n
        high, low = multiply_add(-n, real(ln2_high), x), n * real(ln2_low)
        r = high - low
        return n, r, (high - r) - low

    return reduce


def _make_scaling(f: _Format) -> Any:
    """Return the function that gives ``2^n (1 + r - e) - 1``, for an n that is not 0."""
    real, integer, bias, shift, whole, to_integer = f.real, f.integer, f.bias, f.mantissa_bits, f.whole, f.to_integer

    def scale(n, r, e):
        difference = r - e
        at_1 = real(2.0) * ((r + real(0.5)) - e) if r < real(-0.25) else real(1.0) + real(2.0) * difference
        at_minus_1 = real(0.5) * difference - real(0.5)
        # 2^(n - 1), since 2^n can be too large, and 2^-n
        power = as_float(integer((as_bits(n + real(to_integer)) + integer(bias - 1)) << integer(shift)))
        inverse = as_float(integer((as_bits(real(to_integer) - n) + integer(bias)) << integer(shift)))
        small = inverse if n <= real(56.0) else real(0.0)
        y = ((real(1.0) - inverse) if n > real(0.0) else real(1.0)) + difference
        y = (r - (e + small)) + real(1.0) if n >= real(whole) else y
        y = (y + y) * power
        y = y - real(1.0) if n < real(0.0) else y
        return at_1 if n == real(1.0) else at_minus_1 if n == real(-1.0) else y

    return scale


def _make_polynomial(f: _Format) -> Any:
    """Return the polynomial in r^2 / 2, in the order of operations of each type."""
    real, (q1, q2, q3, q4, q5) = f.real, f.q

    def horner(z):
        p = real(q3) + z * (real(q4) + z * real(q5))
        return real(1.0) + z * (real(q1) + z * (real(q2) + z * p))

    def in_pairs(z):
        square = z * z
        p = fused(square, fused(z, real(q3), real(q2)), fused(z, real(q1), real(1.0)))
        return fused(square * square, fused(z, real(q5), real(q4)), p)

    return horner if real == types.float32 else in_pairs
