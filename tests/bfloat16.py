"""The oracle of bfloat16: slow, obvious NumPy, which shares no code with the product."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

#: Twice the largest relative error of a rounded factor.
EPS = 2.0**-7

_TINY = 2.0**-126


def rounded(values: Array) -> Array:
    """Round float32 to the nearest bfloat16, ties to even, subnormal numbers to zero; as float32."""
    with np.errstate(all="ignore"):
        mantissa, exponent = np.frexp(values.astype(np.float64))
        nearest = np.ldexp(np.rint(mantissa * 2**8), exponent - 8)  # eight digits; rint takes ties to even
        kept = np.where(abs(values) < _TINY, np.copysign(0.0, values), nearest)
        return np.where(np.isfinite(values), kept, values).astype(np.float32)


def fused(a: Array, b: Array, c: Array) -> Array:
    """Return ``a b + c`` rounded once to float32, and to zero if the result has a smaller exponent than float32.

    Factors in bfloat16 have an exact product in float64. Their sum with `c` is rounded to odd there, which keeps
    enough for a second rounding to be the right one (S. Boldo, G. Melquiond, "Emulation of FMA and
    Correctly Rounded Sums", IEEE Transactions on Computers 57, 2008).
    """
    x, y = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = x + y
    low = total - x
    error = (x - (total - low)) + (y - low)  # exact, D. Knuth
    is_inexact = np.isfinite(total) & (error != 0) & (total.view(np.int64) % 2 == 0)
    odd = np.where(is_inexact, np.nextafter(total, np.copysign(np.inf, error)), total)
    as_if_endless = (odd * 2.0**64).astype(np.float32)
    result = odd.astype(np.float32)
    return np.where(abs(as_if_endless) < np.float32(2.0**-62), np.copysign(np.float32(0), result), result)


def product(a: Array, b: Array) -> Array:
    """Return the product of float32 matrices (m, k) and (k, n): pairs along k, the second of each first."""
    a, b = rounded(a), rounded(b)
    if a.shape[1] % 2:
        a, b = np.pad(a, ((0, 0), (0, 1))), np.pad(b, ((0, 1), (0, 0)))
    total = np.zeros((len(a), b.shape[1]), np.float32)
    with np.errstate(all="ignore"):
        for k in range(0, a.shape[1], 2):
            for half in (k + 1, k):
                total = fused(a[:, half, None], b[half], total)
    return total
