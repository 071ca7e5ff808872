"""Column sums of rows, and whether a value in them is large: one pass, for all values come by in registers then."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit, magnitudes
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, Vectors, element, lanes, vectors_of


class _Largest:
    """The largest magnitude so far in each lane, as bits."""

    def __init__(self, v: Vectors, kind: Any) -> None:
        word, (magnitude, limit) = ir.IntType(kind.bitwidth), magnitudes(kind)
        self._v, self._kind, self._limit = v, ir.VectorType(word, v.n_lanes), word(limit)
        self._magnitude = ir.Constant(self._kind, [magnitude] * v.n_lanes)
        self._so_far = cgutils.alloca_once_value(v.builder, ir.Constant(self._kind, [0] * v.n_lanes))

    def note(self, values: list[Any]) -> None:
        """Take notice of vectors."""
        builder, largest = self._v.builder, self._v.builder.load(self._so_far)
        for value in values:
            bits = builder.and_(builder.bitcast(value, self._kind), self._magnitude)
            largest = builder.select(builder.icmp_unsigned(">", bits, largest), bits, largest)
        builder.store(largest, self._so_far)

    def is_large(self) -> Any:
        """Return whether any value is, see `is_large`."""
        builder, word = self._v.builder, self._kind.element
        name = f"llvm.vector.reduce.umax.v{self._v.n_lanes}i{word.width}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(word, [self._kind]), name)
        return builder.icmp_unsigned(">", builder.call(function, [builder.load(self._so_far)]), self._limit)


def _adder(is_full: bool) -> Any:
    """Make the kernel that adds one vector of columns, full or less, of `n_rows` rows, `n` values apart, to `total`."""

    @intrinsic
    def add(typing_context, rows, at, total, column, n_rows, n):
        def codegen(context, builder, signature, arguments):
            v, (_, _, _, column, n_rows, n) = vectors_of(builder, signature.args[0]), arguments
            first, to = (element(context, builder, signature, arguments, array) for array in (0, 2))
            mask = None if is_full else v.mask(builder.sub(n, column))
            largest = _Largest(v, signature.args[0].dtype)
            sums = cgutils.alloca_once_value(builder, v.load(to, mask))

            def add_rows(row, count):
                places = [builder.gep(first, [builder.mul(builder.add(row, INDEX(r)), n)]) for r in range(count)]
                found = [v.load(place, mask) for place in places]
                largest.note(found)
                while len(found) > 1:
                    found = [builder.fadd(x, y) for x, y in zip(found[::2], found[1::2], strict=True)]
                builder.store(builder.fadd(builder.load(sums), found[0]), sums)

            fours = builder.and_(n_rows, INDEX(-4))
            with cgutils.for_range_slice(builder, INDEX(0), fours, INDEX(4)) as (row, _):
                add_rows(row, 4)
            with cgutils.for_range_slice(builder, fours, n_rows, INDEX(1)) as (row, _):
                add_rows(row, 1)
            v.store(builder.load(sums), to, mask)
            return largest.is_large()

        i = types.int64
        return types.boolean(rows, i, total, i, i, i), codegen

    return add


_add_whole, _add_rest = _adder(is_full=True), _adder(is_full=False)


@jit
def add_columns(rows, total):
    """Add the column sums of `rows` (B * O,) to `total` (O,), four rows at a time and then one by one.

    Return whether any value of the rows is NaN, infinite, or large, see `is_large`.
    """
    n, found = total.shape[0], False
    n_rows, whole = rows.shape[0] // n, n // lanes(total) * lanes(total)
    for column in range(0, whole, lanes(total)):
        if _add_whole(rows, column, total, column, n_rows, n):
            found = True
    if whole < n and _add_rest(rows, whole, total, whole, n_rows, n):
        found = True
    return found
