"""What Numba does not offer: BLAS with leading dimensions, atomics, typed constants."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from ddp_mlp.errors import DdpMlpError

NO_TRANSPOSE = ord("N")
TRANSPOSE = ord("T")

_BLAS_SYMBOLS = {types.float32: "ddp_mlp_sgemm", types.float64: "ddp_mlp_dgemm"}


def jit(function: Any, name: str = "") -> Any:
    """Compile a kernel that other kernels call; it is cached as part of its callers.

    A closure needs a `name` of its own: symbols of cached code are matched by name and
    types, so two closures of one name could be taken for each other.
    """
    return njit(nogil=True, error_model="numpy")(_named(function, name))


def inlined(function: Any, name: str = "") -> Any:
    """Compile a kernel as part of each function that calls it.

    For links of a chain, and for what takes the whole arena: every level of calls optimises
    all below it once more, and handing on an arena costs more to compile than the rest.
    """
    return njit(nogil=True, error_model="numpy", inline="always")(_named(function, name))


def _named(function: Any, name: str) -> Any:
    if name:
        function.__name__ = function.__qualname__ = name
    return function


def entry_point(function: Any) -> Any:
    """Compile a kernel that Python calls, and keep the machine code on disk."""
    return njit(nogil=True, error_model="numpy", cache=True)(function)


def register_blas() -> None:
    """Give the addresses of SciPy's `sgemm` and `dgemm` to the JIT linker.

    Raises
    ------
    DdpMlpError
        If this SciPy's BLAS takes integers that are not C ``int``.
    """
    from scipy.linalg import cython_blas

    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    for symbol in _BLAS_SYMBOLS.values():
        functions: dict[str, Any] = dict(cython_blas.__pyx_capi__)
        capsule = functions[symbol.removeprefix("ddp_mlp_")]
        signature = name_of(capsule)
        if not signature.startswith(b"void (char *, char *, int *,"):
            raise DdpMlpError(f"SciPy's BLAS has an unknown signature, {signature.decode()}; install scipy 1.17")
        llvm.add_symbol(symbol, pointer_of(capsule, signature))


register_blas()


@intrinsic
def gemm(
    typing_context,
    transpose_a,
    transpose_b,
    m,
    n,
    k,
    a,
    a_start,
    lda,
    b,
    b_start,
    ldb,
    beta,
    c,
    c_start,
    ldc,
):
    """Compute ``C <- op(A) op(B) + beta C`` for column-major matrices inside flat arrays.

    A row-major matrix is its own transpose in column-major order, so callers swap the
    factors. ``*_start`` are offsets in elements; all integers are int64, `beta` has the
    dtype of the arrays. Source: BLAS level 3, GEMM.
    """
    if a.dtype not in _BLAS_SYMBOLS or b.dtype != a.dtype or c.dtype != a.dtype:
        return None
    size = types.int64
    signature = types.void(size, size, size, size, size, a, size, size, b, size, size, a.dtype, c, size, size)
    symbol = _BLAS_SYMBOLS[a.dtype]
    real = ir.FloatType() if a.dtype == types.float32 else ir.DoubleType()
    char, integer = ir.IntType(8), ir.IntType(32)

    def codegen(context, builder, signature, arguments):
        def address_of(value, kind):
            slot = cgutils.alloca_once(builder, kind)
            builder.store(builder.trunc(value, kind) if isinstance(kind, ir.IntType) else value, slot)
            return slot

        def element(array, start):
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.gep(data, [arguments[start]])

        pointers = [char.as_pointer()] * 2 + [integer.as_pointer()] * 3
        pointers += [real.as_pointer(), real.as_pointer(), integer.as_pointer()]
        pointers += [real.as_pointer(), integer.as_pointer(), real.as_pointer()]
        pointers += [real.as_pointer(), integer.as_pointer()]
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), pointers), symbol)
        ta, tb = (address_of(arguments[i], char) for i in (0, 1))
        m_, n_, k_, lda_, ldb_, ldc_ = (address_of(arguments[i], integer) for i in (2, 3, 4, 7, 10, 14))
        alpha, beta_ = address_of(ir.Constant(real, 1.0), real), address_of(arguments[11], real)
        builder.call(
            function,
            [
                ta,
                tb,
                m_,
                n_,
                k_,
                alpha,
                element(5, 6),
                lda_,
                element(8, 9),
                ldb_,
                beta_,
                element(12, 13),
                ldc_,
            ],
        )
        return context.get_dummy_value()

    return signature, codegen


def like(value: Any, constant: float) -> Any:
    """Return `constant` in the floating type of `value`, so that float32 stays float32."""
    return type(value)(constant)


@overload(like, inline="always")
def _like(value, constant):
    kind = value if isinstance(value, types.Float) else value.dtype

    def convert(value, constant):
        return kind(constant)

    return convert


def is_large(values: Any) -> bool:
    """Tell whether any of `values` is NaN, infinite, or above 2^50 (float64: 2^480).

    Magnitudes of floats are ordered as their bits without the sign, and a maximum of
    integers runs over whole vectors where that of floats, because of NaN, does not.
    """
    limit = 2.0**50 if values.itemsize == 4 else 2.0**480
    return not bool((abs(values) <= limit).all())


@overload(is_large)
def _is_large(values):
    narrow = values.dtype == types.float32
    word = types.uint32 if narrow else types.uint64
    magnitude = word(0x7FFFFFFF if narrow else 0x7FFFFFFFFFFFFFFF)
    limit = word((50 + 127) << 23 if narrow else (480 + 1023) << 52)

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


def _element_pointer(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def atomic_load(typing_context, words, index):
    """Read ``words[index]`` (int64) with acquire ordering."""

    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(_element_pointer(context, builder, signature, arguments), "acquire", 8)

    return types.int64(words, types.int64), codegen


@intrinsic
def atomic_store(typing_context, words, index, value):
    """Write ``words[index] = value`` (int64) with release ordering."""

    def codegen(context, builder, signature, arguments):
        pointer = _element_pointer(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), codegen


@intrinsic
def atomic_add(typing_context, words, index, value):
    """Add `value` to ``words[index]`` (int64) and return what was there before."""

    def codegen(context, builder, signature, arguments):
        pointer = _element_pointer(context, builder, signature, arguments)
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


sched_yield = types.ExternalFunction("sched_yield", types.int32())
usleep = types.ExternalFunction("usleep", types.int32(types.uint32))
