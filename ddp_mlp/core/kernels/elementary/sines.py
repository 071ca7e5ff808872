"""Sine and cosine of an angle in float64 as plain arithmetic, so that loops over them use whole vectors.

The algorithm is that of IBM's accurate library in the order of operations of glibc 2.36, on CPUs which round a product
and a sum once: its results to the bit, whatever library a machine has. An angle is brought into a quarter of a turn
about 0, as a sum of two numbers; its sine and cosine are those of the nearest multiple of 1/128, from a table, turned
by what is left. Branches are computed side by side, and chosen from.
"""

from __future__ import annotations

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from ddp_mlp.core.kernels.numba_ext.float_bits import as_bits, fused
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops

#: Multiples in the table, which end beyond an eighth of a turn.
_MULTIPLES = 110
#: Of the integers by which it is computed.
_ONE = 2**220
#: Added to a number, it leaves the multiple of 1/128.
_TO_128TH = 1.5 * 2.0**45
#: Added to a number, it leaves no digits after the point.
_TO_INTEGER = 1.5 * 2.0**52
#: Below it, the series alone gives the sine.
_SERIES_BELOW = 0.126
#: Below the first bound an angle is taken as it is, below the second from a quarter of a turn.
_SMALL, _MIDDLE = 0.85546875, float.fromhex("0x1.368fdp1")
#: A quarter of a turn in two parts, and in four of which the first two are so short that small multiples are exact.
_QUARTER = (float.fromhex("0x1.921fb54442d18p0"), float.fromhex("0x1.1a62633145c07p-54"))
_QUARTERS = tuple(float.fromhex(q) for q in (
    "0x1.921fb58p0", "-0x1.dde973cp-27", "-0x1.cb3b398p-55", "-0x1.d747f23e32ed7p-83",
))  # fmt: skip
_INVERSE_QUARTER = float.fromhex("0x1.45f306dc9c883p-1")
#: Of the series, from the last.
_SERIES = tuple(float.fromhex(s) for s in (
    "-0x1.addffc2fcdf59p-26", "0x1.71de27b9a7ed9p-19", "-0x1.a01a019db08b8p-13", "0x1.1111111110ecep-7",
    "-0x1.5555555555555p-3",
))  # fmt: skip
#: Of ``sin(x)`` and ``1 - cos(x)`` for what is left.
_SIN = tuple(float.fromhex(s) for s in ("-0x1.5555555555515p-3", "0x1.11110e829872fp-7"))
_COS = tuple(float.fromhex(c) for c in ("0x1.0p-1", "-0x1.5555555555535p-5", "0x1.6c16bedd9e239p-10"))


def _exact(k: int) -> tuple[int, int]:
    """Return sine and cosine of k / 128 as multiples of ``1 / _ONE``, by their series."""
    terms = [_ONE]
    while terms[-1] > 0:
        terms.append(terms[-1] * k // (128 * len(terms)))
    return sum(terms[1::4]) - sum(terms[3::4]), sum(terms[0::4]) - sum(terms[2::4])


def _make_table() -> NDArray[np.float64]:
    """Return the sine of each multiple of 1/128, what it falls short of that, and the same of the cosine.

    That library has 18 of these shortfalls with another last digit, which one result in 10^16 could show.
    """
    table = []
    for k in range(_MULTIPLES):
        for exact in _exact(k):
            value = exact / _ONE
            table += [value, (exact - int(value * 2.0**64) * (_ONE >> 64)) / _ONE]
    return np.array(table)


def _at_multiple(a: float) -> tuple[float, ...]:
    """Return the sine of the multiple of 1/128 nearest to `a` with its shortfall, and the cosine with its own."""
    raise NotImplementedError


@overload(_at_multiple, jit_options={"forceinline": True})
def _look_up(a):
    table = _make_table()

    def at_multiple(a):
        k = (np.uint64(as_bits(a + _TO_128TH)) & np.uint64(0x7F)) << np.uint64(2)
        return table[k], table[k + np.uint64(1)], table[k + np.uint64(2)], table[k + np.uint64(3)]

    return at_multiple


@in_loops
def _sine(x, rest):
    """Return the sine of ``x + rest``, for x within an eighth of a turn."""
    square = x * x
    y = fused(fused(_SERIES[0], square, _SERIES[1]), square, _SERIES[2])
    y = fused(fused(y, square, _SERIES[3]), square, _SERIES[4])
    series = x + fused(fused(y, x, -(0.5 * rest)), square, rest)
    a, rest = abs(x), -rest if x <= 0.0 else rest
    sin, sin_low, cos, cos_low = _at_multiple(a)
    left = a - ((a + _TO_128TH) - _TO_128TH)
    square = left * left
    s = left + fused(left * square, fused(square, _SIN[1], _SIN[0]), rest)
    c = fused(rest, left, square * fused(fused(square, _COS[2], _COS[1]), square, _COS[0]))
    y = sin + fused(s, cos, fused(-c, sin, fused(cos_low, s, sin_low)))
    return series if a < _SERIES_BELOW else -y if x < 0.0 else y


@in_loops
def _cosine(x, rest):
    """Return the cosine of ``x + rest``, for x within an eighth of a turn."""
    a, rest = abs(x), -rest if x < 0.0 else rest
    sin, sin_low, cos, cos_low = _at_multiple(a)
    left = (a - ((a + _TO_128TH) - _TO_128TH)) + rest
    square = left * left
    s = fused(left * square, fused(square, _SIN[1], _SIN[0]), left)
    c = square * fused(fused(square, _COS[2], _COS[1]), square, _COS[0])
    return cos + fused(-s, sin, fused(-c, cos, fused(-s, sin_low, cos_low)))


@in_loops
def sine_and_cosine(x):
    """Return sine and cosine of a float64 from 0 to 10^8."""
    shifted = fused(x, _INVERSE_QUARTER, _TO_INTEGER)
    n = shifted - _TO_INTEGER
    near = fused(-n, _QUARTERS[1], fused(-n, _QUARTERS[0], x))
    first = fused(-n, _QUARTERS[2], near)
    far, rest = fused(-n, _QUARTERS[3], first), fused(-n, _QUARTERS[2], near - first)
    rest = rest + fused(-n, _QUARTERS[3], first - far)
    quarter = as_bits(shifted)
    beside = _QUARTER[0] - x
    sum_beside = beside + _QUARTER[1]
    is_small, is_middle = x < _SMALL, (x >= _SMALL) & (x < _MIDDLE)
    sin = _sine(
        x if is_small else sum_beside if is_middle else far,
        0.0 if is_small else (beside - sum_beside) + _QUARTER[1] if is_middle else rest,
    )
    cos = _cosine(
        x if is_small else beside if is_middle else far, 0.0 if is_small else _QUARTER[1] if is_middle else rest
    )
    is_far = x >= _MIDDLE
    swaps = is_middle | (is_far & ((quarter & 1) != 0))
    y, z = cos if swaps else sin, sin if swaps else cos
    y = -y if is_far & ((quarter & 2) != 0) else y
    return y, -z if is_far & (((quarter + 1) & 2) != 0) else z
