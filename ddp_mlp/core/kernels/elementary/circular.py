"""The arctangent, and the cosine of its results, as plain arithmetic, so that loops over them use whole vectors.

In float32 they are, in the order of operations of glibc 2.36, those of `s_atanf.c` of Sun's fdlibm (1993) and of the
cosine of Arm's optimized routines (2018), which computes in float64: its results to the bit, whatever library a machine
has. ``atan(x) = atan(b) + atan((x - b) / (1 + b x))`` with b out of 0, 1/2, 1, 3/2 and infinity, and a polynomial for
what is left. The cosine of x is a polynomial of x, less the nearest multiple of a quarter of a turn, that depends on
the quarter. In float64 both stay those of the machine's library, which look up tables.
"""

from __future__ import annotations

import math

from numba import types

from ddp_mlp.core.kernels.numba_ext.float_bits import as_bits, fused
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops

_SINGLE = types.float32
_DOUBLE = types.float64

#: ``atan(b)`` of 1/2, 1, 3/2 and infinity, and what it falls short of that.
_ATAN = (4.6364760399e-01, 7.8539812565e-01, 9.8279368877e-01, 1.5707962513e00)
_ATAN_LOW = (5.0121582440e-09, 3.7748947079e-08, 3.4473217170e-08, 7.5497894159e-08)
#: Of the polynomial in x^2.
_T = (
    3.3333334327e-01, -2.0000000298e-01, 1.4285714924e-01, -1.1111110449e-01, 9.0908870101e-02, -7.6918758452e-02,
    6.6610731184e-02, -5.8335702866e-02, 4.9768779427e-02, -3.6531571299e-02, 1.6285819933e-02,
)  # fmt: skip
#: Where b changes.
_BOUNDS = (7 / 16, 11 / 16, 19 / 16, 39 / 16)
#: From here on the arctangent is that of infinity.
_FAR = 2.0**25

#: Polynomials in x^2 for ``cos(x)`` and for ``sin(x)``, whose first coefficient is 1.
_C = tuple(float.fromhex(c) for c in (
    "-0x1.ffffffd0c621cp-2", "0x1.55553e1068f19p-5", "-0x1.6c087e89a359dp-10", "0x1.99343027bf8c3p-16",
))  # fmt: skip
_S = tuple(float.fromhex(c) for c in ("-0x1.555545995a603p-3", "0x1.1107605230bc4p-7", "-0x1.994eb3774cf24p-13"))
#: From here on one subtraction is too few, as it is for no result of an arctangent.
_TOO_FAR = 120.0


def atan_of(x):
    """Return ``atan`` for a type of floats, as `overload` of Numba wants it."""
    return _single_atan if x == types.float32 else lambda x: math.atan(x)


def cos_of(x):
    """Return ``cos`` for a type of floats, as `overload` of Numba wants it."""
    return _single_cos if x == types.float32 else lambda x: math.cos(x)


def _single_atan(x):
    a = abs(x)
    t, high, low = _reduce(a)
    y = t * _atan_polynomial(t * t)
    y = high - ((y - low) - t)
    y = y if a < _SINGLE(_FAR) else _SINGLE(_ATAN[3]) + _SINGLE(_ATAN_LOW[3])
    return math.copysign(y, x) if x == x else x


@in_loops
def _reduce(a):
    """Return ``(a - b) / (1 + a b)`` and ``atan(b)`` in two parts."""
    top, under, high, low = a, _SINGLE(1.0), _SINGLE(0.0), _SINGLE(0.0)
    if a >= _SINGLE(_BOUNDS[0]):
        top, under = _SINGLE(2.0) * a - _SINGLE(1.0), _SINGLE(2.0) + a
        high, low = _SINGLE(_ATAN[0]), _SINGLE(_ATAN_LOW[0])
    if a >= _SINGLE(_BOUNDS[1]):
        top, under, high, low = a - _SINGLE(1.0), a + _SINGLE(1.0), _SINGLE(_ATAN[1]), _SINGLE(_ATAN_LOW[1])
    if a >= _SINGLE(_BOUNDS[2]):
        top, under = a - _SINGLE(1.5), _SINGLE(1.0) + _SINGLE(1.5) * a
        high, low = _SINGLE(_ATAN[2]), _SINGLE(_ATAN_LOW[2])
    if a >= _SINGLE(_BOUNDS[3]):
        top, under, high, low = _SINGLE(-1.0), a, _SINGLE(_ATAN[3]), _SINGLE(_ATAN_LOW[3])
    return top / under, high, low


@in_loops
def _atan_polynomial(z):
    """Return ``1 - atan(x) / x``, even and odd powers of ``z = x^2`` by themselves."""
    w = z * z
    even = _SINGLE(_T[6]) + w * (_SINGLE(_T[8]) + w * _SINGLE(_T[10]))
    even = z * (_SINGLE(_T[0]) + w * (_SINGLE(_T[2]) + w * (_SINGLE(_T[4]) + w * even)))
    odd = _SINGLE(_T[5]) + w * (_SINGLE(_T[7]) + w * _SINGLE(_T[9]))
    return even + w * (_SINGLE(_T[1]) + w * (_SINGLE(_T[3]) + w * odd))


def _single_cos(x):
    a = _DOUBLE(abs(x))
    a = a if a < _TOO_FAR else 0.0
    shifted = a * (2 / math.pi) + 1.5 * 2.0**52  # no digits are left after the point
    quarter = as_bits(shifted)
    r = fused(shifted - 1.5 * 2.0**52, -0.5 * math.pi, a)
    y = _cos_polynomial(r * r) if (quarter & 1) == 0 else _sin_polynomial(r, r * r)
    y = -y if ((quarter + 1) & 2) != 0 else y
    return _SINGLE(y) if abs(x) < _SINGLE(_TOO_FAR) else _SINGLE(math.nan)


@in_loops
def _cos_polynomial(z):
    square = z * z
    y = fused(square, _C[1], fused(z, _C[0], 1.0))
    return fused(fused(z, _C[3], _C[2]), z * square, y)


@in_loops
def _sin_polynomial(x, z):
    cube = z * x
    return fused(fused(z, _S[2], _S[1]), z * cube, fused(cube, _S[0], x))
