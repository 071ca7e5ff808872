"""Floats as the bits that they are, and a product and a sum rounded once: arithmetic that loops do in vectors."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def as_integer(typing_context, x):
    """Convert a float that holds a whole number to an integer of the same width."""
    integer = types.int32 if x == types.float32 else types.int64

    def codegen(context, builder, signature, arguments):
        return builder.fptosi(arguments[0], ir.IntType(integer.bitwidth))

    return integer(x), codegen


@intrinsic
def as_float(typing_context, bits):
    """Reinterpret the bits of an integer as a float of the same width."""
    real, kind = (types.float32, ir.FloatType()) if bits == types.int32 else (types.float64, ir.DoubleType())

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], kind)

    return real(bits), codegen


@intrinsic
def as_bits(typing_context, x):
    """Reinterpret the bits of a float as an integer of the same width."""
    integer = types.int32 if x == types.float32 else types.int64

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(integer.bitwidth))

    return integer(x), codegen


@intrinsic
def fused(typing_context, a, b, c):
    """Return ``a b + c``, rounded once."""

    def codegen(context, builder, signature, arguments):
        kind = arguments[0].type
        name = f"llvm.fma.{'f32' if a == types.float32 else 'f64'}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return a(a, b, c), codegen
