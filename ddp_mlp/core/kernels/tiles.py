"""The innermost loop of a matrix product, written for the registers of this CPU.

A tile of C, `TILE_ROWS` rows by two vectors of columns, stays in registers while k runs:
each step loads two vectors of B and multiplies them by one value of each row of A. So an
element of C is one chain of fused multiply-adds in the order of k, whatever the width of
the vectors, the size of the tile and its place in the matrix, and these are free to follow
the CPU without touching a bit.

Source: K. Goto, R. A. van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
ACM TOMS 34 (2008), section 4, without its packing where matrices are small.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from ddp_mlp.core.kernels.hardware import code_target

#: What becomes of C: ``A B``; C goes on as the beginning of the chain; ``C + A B``.
WRITE, CONTINUE, ADD = range(3)

_INDEX = ir.IntType(64)


def _vector_bytes_and_registers() -> tuple[int, int]:
    """Return the width of a vector register and their number, of the CPU that is compiled for."""
    _, features = code_target()
    if "+avx512f" in features:
        return 64, 32
    return (32, 16) if "+avx" in features else (16, 32 if "+neon" in features else 16)


VECTOR_BYTES, _REGISTERS = _vector_bytes_and_registers()

#: Rows of a whole tile. Two accumulators a row, two vectors of B and a value of A fit the
#: registers, and there are enough chains to hide the latency of a multiply-add.
TILE_ROWS = 8 if _REGISTERS == 32 else 6


def lanes(values: Any) -> int:
    """Return how many of `values` make a vector."""
    return VECTOR_BYTES // int(values.itemsize)


@overload(lanes, inline="always")
def _lanes(values):
    count = VECTOR_BYTES * 8 // values.dtype.bitwidth
    return lambda values: count


class _Vectors:
    """What the code of a tile needs to say about vectors of one element type."""

    def __init__(self, builder: Any, real: Any, n_lanes: int) -> None:
        self.builder = builder
        self.kind = ir.VectorType(real, n_lanes)
        self.n_lanes = n_lanes
        self._suffix = f"v{n_lanes}f{32 if isinstance(real, ir.FloatType) else 64}"
        self._mask_kind = ir.VectorType(ir.IntType(1), n_lanes)

    @property
    def zero(self) -> Any:
        return ir.Constant(self.kind, [0.0] * self.n_lanes)

    def _declare(self, name: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
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
        kind = ir.VectorType(_INDEX, self.n_lanes)
        numbers = ir.Constant(kind, list(range(self.n_lanes)))
        return self.builder.icmp_signed("<", numbers, self.spread(n_columns, kind))

    def load(self, pointer: Any, mask: Any = None) -> Any:
        pointer = self.builder.bitcast(pointer, self.kind.as_pointer())
        if mask is not None:
            arguments = [pointer.type, ir.IntType(32), self._mask_kind, self.kind]
            function = self._declare(f"masked.load.{self._suffix}.p0", self.kind, arguments)
            return self.builder.call(function, [pointer, ir.IntType(32)(4), mask, self.zero])
        loaded = self.builder.load(pointer)
        loaded.align = 4  # rows begin anywhere
        return loaded

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        pointer = self.builder.bitcast(pointer, self.kind.as_pointer())
        if mask is not None:
            arguments = [self.kind, pointer.type, ir.IntType(32), self._mask_kind]
            function = self._declare(f"masked.store.{self._suffix}.p0", ir.VoidType(), arguments)
            self.builder.call(function, [value, pointer, ir.IntType(32)(4), mask])
        else:
            self.builder.store(value, pointer).align = 4


def _element(context: Any, builder: Any, signature: Any, arguments: Any, array: int) -> Any:
    """Return the address of element ``arguments[array + 1]`` of a flat array."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    return builder.gep(data, [arguments[array + 1]])


def _vectors_of(builder: Any, array: Any) -> _Vectors:
    real = ir.FloatType() if array.dtype == types.float32 else ir.DoubleType()
    return _Vectors(builder, real, VECTOR_BYTES * 8 // array.dtype.bitwidth)


def _tile(n_rows: int, n_vectors: int) -> Any:
    """Make the kernel of a tile of `n_rows` rows and `n_vectors` vectors, the last one maybe not full."""

    @intrinsic
    def tile(typing_context, a, a_start, a_row, a_step, b, b_start, b_step, c, c_start, c_row, k, columns, mode):
        def codegen(context, builder, signature, arguments):
            v = _vectors_of(builder, signature.args[0])
            a_first, b_first, c_first = (_element(context, builder, signature, arguments, at) for at in (0, 4, 7))
            _, _, a_row, a_step, _, _, b_step, _, _, c_row, k, columns, mode = arguments
            last = v.mask(builder.sub(columns, _INDEX((n_vectors - 1) * v.n_lanes)))
            masks = [None] * (n_vectors - 1) + [last]
            cells = [(r, j) for r in range(n_rows) for j in range(n_vectors)]

            def place(r, j):
                return builder.gep(c_first, [builder.add(builder.mul(c_row, _INDEX(r)), _INDEX(j * v.n_lanes))])

            entry, resume, head, body, end = (
                builder.block,
                *(builder.append_basic_block(name) for name in ("resume", "head", "body", "end")),
            )
            builder.cbranch(builder.icmp_signed("==", mode, _INDEX(CONTINUE)), resume, head)
            builder.position_at_end(resume)
            begun = [v.load(place(r, j), masks[j]) for r, j in cells]
            builder.branch(head)

            builder.position_at_end(head)
            step, a_at, b_at = builder.phi(_INDEX), builder.phi(a_first.type), builder.phi(b_first.type)
            sums = [builder.phi(v.kind) for _ in cells]
            builder.cbranch(builder.icmp_signed("<", step, k), body, end)

            builder.position_at_end(body)
            row_of_b = [v.load(builder.gep(b_at, [_INDEX(j * v.n_lanes)]), masks[j]) for j in range(n_vectors)]
            factors = [
                v.spread(builder.load(builder.gep(a_at, [builder.mul(a_row, _INDEX(r))]))) for r in range(n_rows)
            ]
            grown = [v.multiply_add(factors[r], row_of_b[j], total) for (r, j), total in zip(cells, sums, strict=True)]
            following = (builder.add(step, _INDEX(1)), builder.gep(a_at, [a_step]), builder.gep(b_at, [b_step]))
            builder.branch(head)

            for phi, start, after in zip((step, a_at, b_at), (_INDEX(0), a_first, b_first), following, strict=True):
                for block, value in ((entry, start), (resume, start), (body, after)):
                    phi.add_incoming(value, block)
            for phi, before, after in zip(sums, begun, grown, strict=True):
                for block, value in ((entry, v.zero), (resume, before), (body, after)):
                    phi.add_incoming(value, block)

            builder.position_at_end(end)
            with builder.if_else(builder.icmp_signed("==", mode, _INDEX(ADD))) as (adds, writes):
                with adds:
                    for (r, j), total in zip(cells, sums, strict=True):
                        v.store(builder.fadd(v.load(place(r, j), masks[j]), total), place(r, j), masks[j])
                with writes:
                    for (r, j), total in zip(cells, sums, strict=True):
                        v.store(total, place(r, j), masks[j])
            return context.get_dummy_value()

        i = types.int64
        return types.void(a, i, i, i, b, i, i, c, i, i, i, i, i), codegen

    return tile


#: Kernels of tiles of 1, 2, 4 and `TILE_ROWS` rows, with one vector of columns and with two.
NARROW_1, NARROW_2, NARROW_4, NARROW = (_tile(rows, 1) for rows in (1, 2, 4, TILE_ROWS))
WIDE_1, WIDE_2, WIDE_4, WIDE = (_tile(rows, 2) for rows in (1, 2, 4, TILE_ROWS))


@intrinsic
def transpose_square(typing_context, source, source_start, source_row, target, target_start, target_row):
    """Write the transpose of a square of `lanes` by `lanes` values.

    Interleaving the first half of the rows with the second, log2(lanes) times, transposes.
    """

    def codegen(context, builder, signature, arguments):
        v = _vectors_of(builder, signature.args[0])
        n = v.n_lanes
        first, to = (_element(context, builder, signature, arguments, at) for at in (0, 3))
        rows = [v.load(builder.gep(first, [builder.mul(arguments[2], _INDEX(r))])) for r in range(n)]
        kind = ir.VectorType(ir.IntType(32), n)
        halves = [ir.Constant(kind, [start + i // 2 + n * (i % 2) for i in range(n)]) for start in (0, n // 2)]
        for _ in range(n.bit_length() - 1):
            pairs = list(zip(rows[: n // 2], rows[n // 2 :], strict=True))
            rows = [builder.shuffle_vector(x, y, half) for x, y in pairs for half in halves]
        for r, row in enumerate(rows):
            v.store(row, builder.gep(to, [builder.mul(arguments[5], _INDEX(r))]))
        return context.get_dummy_value()

    i = types.int64
    return types.void(source, i, i, target, i, i), codegen
