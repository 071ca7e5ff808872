"""Additions to Numba: atomics, prefetching, typed constants, a search that is vectorised."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic, lower_builtin, overload, type_callable

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.registers import VECTOR_BYTES
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element


def jit(function: Any, name: str = "") -> Any:
    """Compile a kernel that other kernels call; it is cached as part of its callers.

    A closure needs a `name` of its own: symbols of cached code are matched by name and
    types, so two closures of one name could be taken for each other.
    """
    dispatcher = njit(nogil=True, error_model="numpy")(_named(function, name))
    if config.DISABLE_JIT:  # which is refused where kernels are needed
        return dispatcher
    typed = dispatcher.get_call_template

    def get_call_template(arguments: Any, keywords: Any) -> Any:
        """Take a constant for any value of its type: Numba compiles a function again for each."""
        return typed([types.unliteral(kind) for kind in arguments], keywords)

    dispatcher.get_call_template = get_call_template
    return dispatcher


def inlined(function: Any, name: str = "") -> Any:
    """Compile a kernel as part of each function that calls it, as links of a chain: these cost more as functions."""
    return njit(nogil=True, error_model="numpy", inline="always")(_named(function, name))


def in_loops(function: Any, name: str = "") -> Any:
    """Compile a function of numbers as part of the loops that call it, which use vectors only then."""
    return njit(nogil=True, error_model="numpy", forceinline=True)(_named(function, name))


def _named(function: Any, name: str) -> Any:
    if name:
        function.__name__ = function.__qualname__ = name
    return function


@type_callable(like)
def _like(_typing_context):
    # Typed and lowered in one go: as Python, of which there are hundreds of calls, it costs a second.
    def kind(value, constant):
        result = value if isinstance(value, types.Float) else value.dtype
        return result(value, types.unliteral(constant))

    return kind


@lower_builtin(like, types.Any, types.Any)
def _converted(context, builder, signature, arguments):
    return context.cast(builder, arguments[1], signature.args[1], signature.return_type)


def is_large(values: Any) -> bool:
    """Tell whether any of `values` is NaN, infinite, or above 2^24 (float64: 2^240).

    Magnitudes of floats are ordered as their bits without the sign, and a maximum of
    integers runs over whole vectors where that of floats, because of NaN, does not.
    """
    limit = 2.0**24 if values.itemsize == 4 else 2.0**240
    return not bool((abs(values) <= limit).all())


def magnitudes(kind: Any) -> tuple[int, int]:
    """Return which bits of a type of floats are the magnitude, and the largest that `is_large` takes for small."""
    narrow = kind == types.float32
    return (0x7FFFFFFF, (24 + 127) << 23) if narrow else (0x7FFFFFFFFFFFFFFF, (240 + 1023) << 52)


@overload(is_large)
def _is_large(values):
    word = types.uint32 if values.dtype == types.float32 else types.uint64
    magnitude, limit = (word(bits) for bits in magnitudes(values.dtype))

    def search(values):
        bits = values.view(word)
        largest = word(0)
        for i in range(bits.shape[0]):
            largest = max(largest, word(bits[i] & magnitude))
        return largest > limit

    return search


def row_as(row: Any, example: Any) -> Any:
    """Return the bytes of a contiguous `row` as values of the dtype of `example`."""
    return row.view(example.dtype)


@overload(row_as, inline="always")
def _row_as(row, example):
    kind = example.dtype
    return lambda row, example: row.view(kind)


@intrinsic
def _before_vector(typing_context, values):
    """Return how many of `values` lie before the first that a vector in its place begins with."""
    wide = VECTOR_BYTES // (values.dtype.bitwidth // 8)

    def codegen(context, builder, signature, arguments):
        address = builder.ptrtoint(context.make_array(values)(context, builder, arguments[0]).data, INDEX)
        n_bytes = builder.and_(builder.neg(address), INDEX(VECTOR_BYTES - 1))
        return builder.udiv(n_bytes, INDEX(VECTOR_BYTES // wide))

    return types.int64(values), codegen


@jit
def vector_memory(size, example):
    """Return memory for `size` values of the dtype of `example`, whose vectors lie on one line of the cache each."""
    memory = np.empty(size + VECTOR_BYTES // example.itemsize, example.dtype)
    return memory[_before_vector(memory) :]


@intrinsic
def atomic_load(typing_context, words, index):
    """Read ``words[index]`` (int64) with acquire ordering."""

    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(element(context, builder, signature, arguments), "acquire", 8)

    return types.int64(words, types.int64), codegen


@intrinsic
def atomic_store(typing_context, words, index, value):
    """Write ``words[index] = value`` (int64) with release ordering."""

    def codegen(context, builder, signature, arguments):
        pointer = element(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), codegen


@intrinsic
def atomic_add(typing_context, words, index, value):
    """Add `value` to ``words[index]`` (int64) and return the value before."""

    def codegen(context, builder, signature, arguments):
        pointer = element(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "acq_rel")

    return types.int64(words, types.int64, types.int64), codegen


@intrinsic
def cpu_relax(typing_context):
    """Tell the core that this is a spin loop."""
    is_x86 = platform.machine() == "x86_64"

    def codegen(context, builder, signature, arguments):
        if is_x86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


def fetch(builder: Any, address: Any, *, writes: bool = False) -> None:
    """Write the code that asks for the line of the cache at an address, which may be anything, to read or write it."""
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.bitcast(address, byte), flag(int(writes)), flag(3), flag(1)])


@intrinsic
def distance(typing_context, values, index, others, other):
    """Return how many elements ``values[index]`` lies behind ``others[other]``, of another array."""

    def codegen(context, builder, signature, arguments):
        here, there = (element(context, builder, signature, arguments, at) for at in (0, 2))
        n_bytes = builder.sub(builder.ptrtoint(here, INDEX), builder.ptrtoint(there, INDEX))
        return builder.sdiv(n_bytes, INDEX(signature.args[0].dtype.bitwidth // 8))

    return types.int64(values, types.int64, others, types.int64), codegen


def _line_prefetcher(*, writes: bool) -> Any:
    @intrinsic
    def prefetch_line(typing_context, values, index):
        def codegen(context, builder, signature, arguments):
            fetch(builder, element(context, builder, signature, arguments), writes=writes)
            return context.get_dummy_value()

        return types.void(values, types.int64), codegen

    return prefetch_line


#: ``prefetch_line(values, index)`` asks for the line of the cache with ``values[index]``, which may lie beyond the end;
#: `claim_line` asks for it alone, away from other cores, since it will be written.
prefetch_line, claim_line = _line_prefetcher(writes=False), _line_prefetcher(writes=True)


@intrinsic
def prefetch(typing_context, rows, row):
    """Ask for a row of a C-contiguous table (N, n) to be brought near, 64 bytes at a time."""

    def codegen(context, builder, signature, arguments):
        table = context.make_array(signature.args[0])(context, builder, arguments[0])
        _, n_columns = cgutils.unpack_tuple(builder, table.shape)
        size, byte = ir.IntType(64), ir.IntType(8).as_pointer()
        row_bytes = builder.mul(n_columns, table.itemsize)
        first = builder.gep(builder.bitcast(table.data, byte), [builder.mul(arguments[1], row_bytes)])
        with cgutils.for_range_slice(builder, size(0), row_bytes, size(64)) as (at, _):
            fetch(builder, builder.gep(first, [at]))
        return context.get_dummy_value()

    return types.void(rows, types.int64), codegen


sched_yield = types.ExternalFunction("sched_yield", types.int32())
usleep = types.ExternalFunction("usleep", types.int32(types.uint32))
