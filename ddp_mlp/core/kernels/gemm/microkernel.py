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

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ddp_mlp.core.kernels.numba_ext.bfloat16 import begin_flushing, end_flushing, multiply_add_pairs
from ddp_mlp.core.kernels.numba_ext.intrinsics import fetch
from ddp_mlp.core.kernels.numba_ext.registers import N_REGISTERS, TILE_ROWS
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element, vectors_of

#: C becomes ``A B``; the chain that begins with C goes on; C becomes ``C + A B``.
WRITE, CONTINUE, ADD = range(3)


def _once(builder: Any, back: Any) -> None:
    """Keep LLVM from taking several steps of a loop in one: their addresses are more than there are registers."""
    metadata = builder.module.metadata
    disable = builder.module.add_metadata([ir.MetaDataString(builder.module, "llvm.loop.unroll.disable")])
    loop = ir.MDValue(builder.module, [], name=str(len(metadata)))
    loop.operands = (loop, disable)  # the node of a loop begins with itself
    back.set_metadata("llvm.loop", loop)


def _rows(builder: Any, row: Any, n_rows: int) -> list[Any]:
    """Return how far rows lie behind the first: odd multiples of `row`, and these times powers of two.

    LLVM is not told that they are multiples, or it keeps pointers to all rows and moves each of them in every step. So
    a step has one pointer, and these for an index, which an address may multiply by a power of two.
    """
    kind = ir.FunctionType(INDEX, [INDEX])
    odd = {r: builder.asm(kind, "", "=r,0", [builder.mul(row, INDEX(r))], False) for r in range(1, n_rows, 2)}
    powers = [r & -r for r in range(1, n_rows)]
    return [INDEX(0)] + [builder.mul(odd[r // power], INDEX(power)) for r, power in enumerate(powers, 1)]


def _tile(n_rows: int, n_vectors: int, is_full: bool = False) -> Any:
    """Make the kernel of a tile of `n_rows` rows and `n_vectors` vectors, the last one full or less.

    Where the factors are words, they are pairs in bfloat16, and so many are `k` and the steps.
    With a mask a vector cannot be read before it has been written to the cache, so a tile that is added to soon
    after had better be known as full.

    The loop is bound by its multiply-adds. So each step has room to ask for a line that other tiles will read, from
    `ahead` elements behind B on; it may lie anywhere. The line is another one after 2^`shift` steps, `apart` elements
    from the one before: more than some lines are not on the way from memory at once.
    """

    def codegen(context, builder, signature, arguments):
        v, of_pairs = vectors_of(builder, signature.args[7]), signature.args[0].dtype == types.uint32
        multiply_add = partial(multiply_add_pairs, v) if of_pairs else v.multiply_add
        a_first, b_first, c_first = (element(context, builder, signature, arguments, at) for at in (0, 4, 7))
        _, _, a_row, a_step, _, _, b_step, _, _, c_row, k, columns, mode, ahead, apart, shift = arguments
        runs = [(INDEX(0), INDEX(1)), (a_first, a_step), (b_first, b_step)]
        last = None if is_full else v.mask(builder.sub(columns, INDEX((n_vectors - 1) * v.n_lanes)))
        masks = [None] * (n_vectors - 1) + [last]
        cells = [(r, j) for r in range(n_rows) for j in range(n_vectors)]

        def place(r, j):
            return builder.gep(c_first, [builder.add(builder.mul(c_row, INDEX(r)), INDEX(j * v.n_lanes))])

        rows_of_a = _rows(builder, builder.mul(a_row, INDEX(signature.args[0].dtype.bitwidth // 8)), n_rows)
        asked = builder.gep(b_first, [ahead])
        flushed_before = begin_flushing(builder) if of_pairs else None
        entry, resume, head, body, end = (
            builder.block,
            *(builder.append_basic_block(name) for name in ("resume", "head", "body", "end")),
        )
        builder.cbranch(builder.icmp_signed("==", mode, INDEX(CONTINUE)), resume, head)
        builder.position_at_end(resume)
        begun = [v.load(place(r, j), masks[j]) for r, j in cells]
        builder.branch(head)

        builder.position_at_end(head)
        step, a_at, b_at = counters = [builder.phi(first.type) for first, _ in runs]
        sums = [builder.phi(v.kind) for _ in cells]
        builder.cbranch(builder.icmp_signed("<", step, k), body, end)

        builder.position_at_end(body)
        fetch(builder, builder.gep(asked, [builder.mul(builder.lshr(step, shift), apart)]))
        row_of_b = [v.load(builder.gep(b_at, [INDEX(j * v.n_lanes)]), masks[j]) for j in range(n_vectors)]
        bytes_of_a = builder.bitcast(a_at, ir.IntType(8).as_pointer())
        places = [builder.bitcast(builder.gep(bytes_of_a, [at]), a_at.type) for at in rows_of_a]
        factors = [v.spread(builder.bitcast(builder.load(place), v.kind.element)) for place in places]
        grown = [multiply_add(factors[r], row_of_b[j], total) for (r, j), total in zip(cells, sums, strict=True)]
        for at, (first, by) in zip(counters, runs, strict=True):
            following = builder.add(at, by) if at is step else builder.gep(at, [by])
            for block, value in ((entry, first), (resume, first), (body, following)):
                at.add_incoming(value, block)
        _once(builder, builder.branch(head))

        for phi, before, after in zip(sums, begun, grown, strict=True):
            for block, value in ((entry, v.zero), (resume, before), (body, after)):
                phi.add_incoming(value, block)

        builder.position_at_end(end)
        end_flushing(builder, flushed_before)
        with builder.if_else(builder.icmp_signed("==", mode, INDEX(ADD))) as (adds, writes):
            with adds:
                for (r, j), total in zip(cells, sums, strict=True):
                    v.store(builder.fadd(v.load(place(r, j), masks[j]), total), place(r, j), masks[j])
            with writes:
                for (r, j), total in zip(cells, sums, strict=True):
                    v.store(total, place(r, j), masks[j])
        return context.get_dummy_value()

    return _intrinsic(codegen)


def _intrinsic(codegen: Any) -> Any:
    i = types.int64

    @intrinsic
    def tile(
        typing_context, a, a_start, a_row, a_step, b, b_start, b_step, c, c_start, c_row, k, columns, mode,
        ahead, apart, shift,
    ):  # fmt: skip
        return types.void(a, i, i, i, b, i, i, c, i, i, i, i, i, i, i, i), codegen

    return tile


#: Kernels of tiles of 1, 2, 4 and `TILE_ROWS` rows, with one vector of columns and with two.
NARROW_1, NARROW_2, NARROW_4, NARROW = (_tile(rows, 1) for rows in (1, 2, 4, TILE_ROWS))
WIDE_1, WIDE_2, WIDE_4, WIDE = (_tile(rows, 2) for rows in (1, 2, 4, TILE_ROWS))
FULL = _tile(TILE_ROWS, 2, is_full=True)

#: Vectors of the tile of a row that is alone: B then comes from memory, fastest where a step takes many lines at once.
ROW_VECTORS = N_REGISTERS // 2
ROW = _tile(1, ROW_VECTORS)
