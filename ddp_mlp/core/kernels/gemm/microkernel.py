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

from numba import types
from numba.extending import intrinsic

from ddp_mlp.core.kernels.numba_ext.bfloat16 import begin_flushing, end_flushing, multiply_add_pairs
from ddp_mlp.core.kernels.numba_ext.intrinsics import fetch
from ddp_mlp.core.kernels.numba_ext.registers import N_REGISTERS, TILE_ROWS
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element, vectors_of

#: C becomes ``A B``; the chain that begins with C goes on; C becomes ``C + A B``.
WRITE, CONTINUE, ADD = range(3)


def _tile(n_rows: int, n_vectors: int, is_full: bool = False) -> Any:
    """Make the kernel of a tile of `n_rows` rows and `n_vectors` vectors, the last one full or less.

    Where the factors are words, they are pairs in bfloat16, and so many are `k` and the steps.
    With a mask a vector cannot be read before it has been written to the cache, so a tile that is added to soon
    after had better be known as full.

    The loop is bound by its multiply-adds. So each step has room to ask for a line that other
    tiles will read, `ahead` elements behind the row of B; it may lie anywhere.
    """

    @intrinsic
    def tile(typing_context, a, a_start, a_row, a_step, b, b_start, b_step, c, c_start, c_row, k, columns, mode, ahead):
        def codegen(context, builder, signature, arguments):
            v, of_pairs = vectors_of(builder, signature.args[7]), signature.args[0].dtype == types.uint32
            multiply_add = partial(multiply_add_pairs, v) if of_pairs else v.multiply_add
            a_first, b_first, c_first = (element(context, builder, signature, arguments, at) for at in (0, 4, 7))
            _, _, a_row, a_step, _, _, b_step, _, _, c_row, k, columns, mode, ahead = arguments
            last = None if is_full else v.mask(builder.sub(columns, INDEX((n_vectors - 1) * v.n_lanes)))
            masks = [None] * (n_vectors - 1) + [last]
            cells = [(r, j) for r in range(n_rows) for j in range(n_vectors)]

            def place(r, j):
                return builder.gep(c_first, [builder.add(builder.mul(c_row, INDEX(r)), INDEX(j * v.n_lanes))])

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
            step, a_at, b_at = builder.phi(INDEX), builder.phi(a_first.type), builder.phi(b_first.type)
            sums = [builder.phi(v.kind) for _ in cells]
            builder.cbranch(builder.icmp_signed("<", step, k), body, end)

            builder.position_at_end(body)
            fetch(builder, builder.gep(b_at, [ahead]))
            row_of_b = [v.load(builder.gep(b_at, [INDEX(j * v.n_lanes)]), masks[j]) for j in range(n_vectors)]
            places = [builder.gep(a_at, [builder.mul(a_row, INDEX(r))]) for r in range(n_rows)]
            factors = [v.spread(builder.bitcast(builder.load(place), v.kind.element)) for place in places]
            grown = [multiply_add(factors[r], row_of_b[j], total) for (r, j), total in zip(cells, sums, strict=True)]
            following = (builder.add(step, INDEX(1)), builder.gep(a_at, [a_step]), builder.gep(b_at, [b_step]))
            builder.branch(head)

            for phi, start, after in zip((step, a_at, b_at), (INDEX(0), a_first, b_first), following, strict=True):
                for block, value in ((entry, start), (resume, start), (body, after)):
                    phi.add_incoming(value, block)
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

        i = types.int64
        return types.void(a, i, i, i, b, i, i, c, i, i, i, i, i, i), codegen

    return tile


#: Kernels of tiles of 1, 2, 4 and `TILE_ROWS` rows, with one vector of columns and with two.
NARROW_1, NARROW_2, NARROW_4, NARROW = (_tile(rows, 1) for rows in (1, 2, 4, TILE_ROWS))
WIDE_1, WIDE_2, WIDE_4, WIDE = (_tile(rows, 2) for rows in (1, 2, 4, TILE_ROWS))
FULL = _tile(TILE_ROWS, 2, is_full=True)

#: Vectors of the tile of a row that is alone: B then comes from memory, fastest where a step takes many lines at once.
ROW_VECTORS = N_REGISTERS // 2
ROW = _tile(1, ROW_VECTORS)
