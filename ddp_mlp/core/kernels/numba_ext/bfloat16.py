"""Pairs of numbers in bfloat16, and their products with sums in float32, in LLVM's language.

A pair is a word of 32 bits, its first number in the lower half. ``sum + a b`` of pairs is two fused
multiply-adds in float32, first of the upper halves and then of the lower ones, each result rounded to
nearest even and flushed to zero where it is subnormal: what ``VDPBF16PS`` does. Rounding to bfloat16 is to nearest
even too, with subnormal numbers taken for zero, as ``VCVTNE2PS2BF16`` does. CPUs without
these get the same bits from other instructions, at less than half the speed.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VDPBF16PS and VCVTNE2PS2BF16.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ddp_mlp.core.kernels.numba_ext.hardware import multiplies_bfloat16
from ddp_mlp.core.kernels.numba_ext.registers import VECTOR_BYTES
from ddp_mlp.core.kernels.numba_ext.simd import Vectors

#: Whether the CPU that is compiled for has the instructions.
IS_NATIVE = VECTOR_BYTES == 64 and multiplies_bfloat16()
#: Whether a register says that subnormal results are flushed, and its bit for that.
_HAS_MXCSR, _FLUSH_TO_ZERO = platform.machine() in ("x86_64", "AMD64"), 0x8000

_WORD = ir.IntType(32)
_SIGN, _UPPER_HALF, _MAGNITUDE = 0x80000000, 0xFFFF0000, 0x7FFFFFFF
_SMALLEST_NORMAL, _INFINITY, _QUIET = 0x00800000, 0x7F800000, 0x00400000


class _BFloat(ir.Type):
    """LLVM's type, which llvmlite has no name for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


def _words(v: Vectors) -> Any:
    return ir.VectorType(_WORD, v.n_lanes)


def _all(v: Vectors, word: int) -> Any:
    return ir.Constant(_words(v), [word] * v.n_lanes)


def _shuffle(v: Vectors, x: Any, y: Any, places: list[int]) -> Any:
    return v.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_WORD, len(places)), places))


def _convert(v: Vectors, first: Any, second: Any) -> Any:
    """Return both vectors rounded, one behind the other, as integers of 16 bits."""
    kind = ir.FunctionType(ir.VectorType(_BFloat(), 2 * v.n_lanes), [v.kind] * 2)
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    both = v.builder.call(cgutils.get_or_insert_function(v.builder.module, kind, name), [second, first])
    return v.builder.bitcast(both, ir.VectorType(ir.IntType(16), 2 * v.n_lanes))


def _rounded(v: Vectors, values: Any) -> Any:
    """Return values rounded, in the upper halves of words whose lower halves are anything."""
    b = v.builder
    bits = b.bitcast(values, _words(v))
    magnitude, last = b.and_(bits, _all(v, _MAGNITUDE)), b.and_(b.lshr(bits, _all(v, 16)), _all(v, 1))
    nearest = b.add(b.add(bits, _all(v, 0x7FFF)), last)
    is_subnormal = b.icmp_unsigned("<", magnitude, _all(v, _SMALLEST_NORMAL))
    nearest = b.select(is_subnormal, b.and_(bits, _all(v, _SIGN)), nearest)
    is_nan = b.icmp_unsigned(">", magnitude, _all(v, _INFINITY))
    return b.select(is_nan, b.or_(bits, _all(v, _QUIET)), nearest)


def pairs_of(v: Vectors, lower: Any, upper: Any) -> Any:
    """Round two vectors, and return the pairs of their elements."""
    b = v.builder
    if IS_NATIVE:
        both = _convert(v, lower, upper)
        places = [i // 2 + v.n_lanes * (i % 2) for i in range(2 * v.n_lanes)]
        return b.bitcast(_shuffle(v, both, both, places), v.kind)
    low = b.lshr(_rounded(v, lower), _all(v, 16))
    return b.bitcast(b.or_(low, b.and_(_rounded(v, upper), _all(v, _UPPER_HALF))), v.kind)


def pairs_along(v: Vectors, first: Any, second: Any) -> Any:
    """Round two vectors that follow each other, and return the pairs of neighbours."""
    if IS_NATIVE:
        return v.builder.bitcast(_convert(v, first, second), v.kind)
    lower, upper = (_shuffle(v, first, second, list(range(start, 2 * v.n_lanes, 2))) for start in (0, 1))
    return pairs_of(v, lower, upper)


def multiply_add_pairs(v: Vectors, a: Any, b: Any, total: Any) -> Any:
    """Return ``total + a b``, of pairs `a` and `b`; between `begin_flushing` and `end_flushing`."""
    if IS_NATIVE:
        pairs = ir.VectorType(_BFloat(), 2 * v.n_lanes)
        kind = ir.FunctionType(v.kind, [v.kind, pairs, pairs])
        function = cgutils.get_or_insert_function(v.builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
        return v.builder.call(function, [total, *(v.builder.bitcast(x, pairs) for x in (a, b))])
    for half in (_upper, _lower):
        total = _multiply_add_flushed(v, half(v, a), half(v, b), total)
    return total


def _upper(v: Vectors, pairs: Any) -> Any:
    words = v.builder.bitcast(pairs, _words(v))
    return v.builder.bitcast(v.builder.and_(words, _all(v, _UPPER_HALF)), v.kind)


def _lower(v: Vectors, pairs: Any) -> Any:
    words = v.builder.bitcast(pairs, _words(v))
    return v.builder.bitcast(v.builder.shl(words, _all(v, 16)), v.kind)


def _multiply_add_flushed(v: Vectors, a: Any, b: Any, total: Any) -> Any:
    """Return ``total + a b``, or zero of the same sign where that is subnormal.

    A result is so if it is when rounded as if exponents had no end. Scaled by 2^64 it is rounded so; where scaling
    overflows, a result cannot be subnormal, and what is no number compares as false.
    """
    result, build = v.multiply_add(a, b, total), v.builder
    if _HAS_MXCSR:
        return result
    scale, limit = (ir.Constant(v.kind, [value] * v.n_lanes) for value in (2.0**64, 2.0**-62))
    wide = v.multiply_add(build.fmul(a, scale), b, build.fmul(total, scale))
    magnitude = build.bitcast(build.and_(build.bitcast(wide, _words(v)), _all(v, _MAGNITUDE)), v.kind)
    zero = build.and_(build.bitcast(result, _words(v)), _all(v, _SIGN))
    return build.select(build.fcmp_ordered("<", magnitude, limit), build.bitcast(zero, v.kind), result)


def begin_flushing(builder: Any) -> Any:
    """Let subnormal results be zero from here on, as far as instructions do not say so; return how it was."""
    if IS_NATIVE or not _HAS_MXCSR:
        return None
    before, changed = (cgutils.alloca_once(builder, _WORD) for _ in range(2))
    _call_with_mxcsr(builder, "stmxcsr", before)
    builder.store(builder.or_(builder.load(before), _WORD(_FLUSH_TO_ZERO)), changed)
    _call_with_mxcsr(builder, "ldmxcsr", changed)
    return before


def end_flushing(builder: Any, before: Any) -> None:
    """Let subnormal results be as they were."""
    if before is not None:
        _call_with_mxcsr(builder, "ldmxcsr", before)


def _call_with_mxcsr(builder: Any, name: str, place: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, byte)])
