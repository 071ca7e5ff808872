"""Vectors as wide as the registers of this CPU, for kernels that are written in LLVM's language."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from ddp_mlp.core.kernels.numba_ext.registers import VECTOR_BYTES

INDEX = ir.IntType(64)


def lanes(values: Any) -> int:
    """Return how many of `values` make a vector."""
    return VECTOR_BYTES // int(values.itemsize)


def lanes_of(kind: Any) -> int:
    """Return how many values of a type of Numba make a vector."""
    return VECTOR_BYTES * 8 // int(kind.bitwidth)


@type_callable(lanes)
def _lanes(_typing_context):
    return lambda values: types.int64(values)


@lower_builtin(lanes, types.Any)
def _number_of_lanes(_context, _builder, signature, _arguments):
    return INDEX(lanes_of(signature.args[0].dtype))


class Vectors:
    """Loads, stores and masks of vectors of one element type."""

    def __init__(self, builder: Any, real: Any, n_lanes: int) -> None:
        self.builder = builder
        self.kind = ir.VectorType(real, n_lanes)
        self.n_lanes = n_lanes
        self._suffix = f"v{n_lanes}f{32 if isinstance(real, ir.FloatType) else 64}"
        self._mask_kind = ir.VectorType(ir.IntType(1), n_lanes)

    @property
    def zero(self) -> Any:
        """Zero in all lanes."""
        return ir.Constant(self.kind, [0.0] * self.n_lanes)

    def _declare(self, name: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a b + c``, rounded once."""
        function = self._declare(f"fma.{self._suffix}", self.kind, [self.kind] * 3)
        return self.builder.call(function, [a, b, c])

    def spread(self, scalar: Any, kind: Any = None) -> Any:
        """Return a vector of one value in all lanes."""
        kind = kind or self.kind
        empty = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(empty, scalar, ir.IntType(32)(0))
        lanes_of_first = ir.Constant(ir.VectorType(ir.IntType(32), self.n_lanes), [0] * self.n_lanes)
        return self.builder.shuffle_vector(first, empty, lanes_of_first)

    def mask(self, n_columns: Any) -> Any:
        """Return which lanes lie among the first `n_columns`."""
        kind = ir.VectorType(INDEX, self.n_lanes)
        numbers = ir.Constant(kind, list(range(self.n_lanes)))
        return self.builder.icmp_signed("<", numbers, self.spread(n_columns, kind))

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """Return the vector at an address, zero in the lanes that the mask leaves out."""
        pointer = self.builder.bitcast(pointer, self.kind.as_pointer())
        if mask is not None:
            arguments = [pointer.type, ir.IntType(32), self._mask_kind, self.kind]
            function = self._declare(f"masked.load.{self._suffix}.p0", self.kind, arguments)
            return self.builder.call(function, [pointer, ir.IntType(32)(4), mask, self.zero])
        loaded = self.builder.load(pointer)
        loaded.align = 4  # rows begin anywhere
        return loaded

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        """Write a vector to an address, but for the lanes that the mask leaves out."""
        pointer = self.builder.bitcast(pointer, self.kind.as_pointer())
        if mask is not None:
            arguments = [self.kind, pointer.type, ir.IntType(32), self._mask_kind]
            function = self._declare(f"masked.store.{self._suffix}.p0", ir.VoidType(), arguments)
            self.builder.call(function, [value, pointer, ir.IntType(32)(4), mask])
        else:
            self.builder.store(value, pointer).align = 4


def element(context: Any, builder: Any, signature: Any, arguments: Any, array: int = 0) -> Any:
    """Return the address of element ``arguments[array + 1]`` of a flat array."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    return builder.gep(data, [arguments[array + 1]])


def vectors_of(builder: Any, array: Any, n_lanes: int = 0) -> Vectors:
    """Return vectors of the elements of an array, as wide as a register unless `n_lanes` is given."""
    real = ir.FloatType() if array.dtype == types.float32 else ir.DoubleType()
    return Vectors(builder, real, n_lanes or lanes_of(array.dtype))
