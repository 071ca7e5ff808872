"""Floats as the bits that they are, and a product and a sum rounded once: arithmetic that loops do in vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops


def _to_integer(convert: Callable[[Any, Any, Any], Any]) -> Any:
    """Make a kernel that turns a float into an integer of the same width by an instruction of LLVM."""

    @intrinsic
    def to_integer(typing_context, x):
        integer = types.int32 if x == types.float32 else types.int64

        def codegen(context, builder, signature, arguments):
            return convert(builder, arguments[0], ir.IntType(integer.bitwidth))

        return integer(x), codegen

    return to_integer


#: Of a float that holds a whole number, that number; of any float, its bits.
as_integer = _to_integer(ir.IRBuilder.fptosi)
as_bits = _to_integer(ir.IRBuilder.bitcast)


@intrinsic
def as_float(typing_context, bits):
    """Reinterpret the bits of an integer as a float of the same width."""
    real, kind = (types.float32, ir.FloatType()) if bits == types.int32 else (types.float64, ir.DoubleType())

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], kind)

    return real(bits), codegen


@intrinsic
def fused(typing_context, a, b, c):
    """Return ``a b + c``, rounded once."""

    def codegen(context, builder, signature, arguments):
        kind = arguments[0].type
        name = f"llvm.fma.{'f32' if a == types.float32 else 'f64'}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return a(a, b, c), codegen


@in_loops
def _in_two_roundings(a, b, c):
    return a * b + c


def multiply_add_of(real: Any) -> Any:
    """Return ``a b + c`` as the C library has it on CPUs which can round once: in float32 it rounds twice."""
    return _in_two_roundings if real == types.float32 else fused
