"""Matrix products of factors rounded to bfloat16, with sums in float32.

Both factors are copied as pairs along k, see `bfloat16`, an odd k with a zero at its end. Every element of C is one
chain in the order of these pairs, so its bits depend on the order of k alone, as those of `gemm.multiply` do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ddp_mlp.core.kernels.gemm.gemm import multiply_panel
from ddp_mlp.core.kernels.gemm.microkernel import ADD, CONTINUE, TILE_ROWS, WRITE
from ddp_mlp.core.kernels.gemm.packing import transposed_vectors
from ddp_mlp.core.kernels.numba_ext.bfloat16 import pairs_along, pairs_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element, lanes, vectors_of

#: Pairs of k in one go: a panel of B, two vectors wide, then fits the second-level cache.
_DEPTH = 2048


def _neighbours(v: Any, first: Any, n_values: Any) -> Any:
    """Return the pairs of values that follow each other, at most two vectors of them, from an address on."""
    masks = v.mask(n_values), v.mask(v.builder.sub(n_values, INDEX(v.n_lanes)))
    vectors = [v.load(v.builder.gep(first, [INDEX(i * v.n_lanes)]), mask) for i, mask in enumerate(masks)]
    return pairs_along(v, *vectors)


def _half(builder: Any, count: Any) -> Any:
    return builder.ashr(builder.add(count, INDEX(1)), INDEX(1))


@intrinsic
def pair_along(typing_context, source, source_start, n_values, target, target_start):
    """Write the pairs of at most two vectors of values that follow each other."""

    def codegen(context, builder, signature, arguments):
        v = vectors_of(builder, signature.args[0])
        first, to = (element(context, builder, signature, arguments, at) for at in (0, 3))
        pairs = _neighbours(v, first, arguments[2])
        v.store(pairs, to, v.mask(_half(builder, arguments[2])))
        return context.get_dummy_value()

    i = types.int64
    return types.void(source, i, i, target, i), codegen


@intrinsic
def pair_rows(typing_context, source, source_start, source_row, n_rows, n_columns, target, target_start):
    """Write the pairs of two rows, or of one and zeros, at most a vector of columns."""

    def codegen(context, builder, signature, arguments):
        v = vectors_of(builder, signature.args[0])
        first, to = (element(context, builder, signature, arguments, at) for at in (0, 5))
        _, _, row, n_rows, n_columns, _, _ = arguments
        mask = v.mask(n_columns)
        below = v.mask(builder.select(builder.icmp_signed(">", n_rows, INDEX(1)), n_columns, INDEX(0)))
        pairs = pairs_of(v, v.load(first, mask), v.load(builder.gep(first, [row]), below))
        v.store(pairs, to, mask)
        return context.get_dummy_value()

    i = types.int64
    return types.void(source, i, i, i, i, target, i), codegen


@intrinsic
def pair_square(
    typing_context, source, source_start, source_row, n_rows, n_values, target, target_start, target_row
):  # fmt: skip
    """Write the pairs of neighbours of at most a vector of rows, transposed: each row becomes a column."""

    def codegen(context, builder, signature, arguments):
        v = vectors_of(builder, signature.args[0])
        first, to = (element(context, builder, signature, arguments, at) for at in (0, 5))
        _, _, row, n_rows, n_values, _, _, target_row = arguments

        def there(index: int, count: Any, value: Any) -> Any:
            return builder.select(builder.icmp_signed("<", INDEX(index), count), value, INDEX(0))

        rows = [
            _neighbours(v, builder.gep(first, [builder.mul(row, INDEX(r))]), there(r, n_rows, n_values))
            for r in range(v.n_lanes)
        ]
        n_pairs = _half(builder, n_values)
        for r, pairs in enumerate(transposed_vectors(v, rows)):
            place = builder.gep(to, [builder.mul(target_row, INDEX(r))])
            v.store(pairs, place, v.mask(there(r, n_pairs, n_rows)))
        return context.get_dummy_value()

    i = types.int64
    return types.void(source, i, i, i, i, target, i, i), codegen


@jit
def _pair_rows(values, start, row, n_rows, n_columns, pairs, pairs_row):
    """Write the pairs of rows 0 and 1, 2 and 3 and so on, `pairs_row` apart."""
    for r in range(0, n_rows, 2):
        for j in range(0, n_columns, lanes(values)):
            pair_rows(values, start + r * row + j, row, n_rows - r, n_columns - j, pairs, r // 2 * pairs_row + j)


@jit
def _pair_along(values, start, row, n_rows, n_columns, pairs):
    """Write the pairs of columns 0 and 1, 2 and 3 and so on, rows close together."""
    n_pairs, step = (n_columns + 1) // 2, 2 * lanes(values)
    for r in range(n_rows):
        for j in range(0, n_columns, step):
            n_values = min(step, n_columns - j)
            pair_along(values, start + r * row + j, n_values, pairs, r * n_pairs + j // 2)


@jit
def _pair_transposed(values, start, row, n_rows, n_values, panel, width):
    """Write the pairs of neighbours of some rows, at most `width`, as columns of a panel."""
    side = lanes(values)
    for r in range(0, n_rows, side):
        for j in range(0, n_values, 2 * side):
            at = start + r * row + j
            pair_square(
                values, at, row, min(side, n_rows - r), min(2 * side, n_values - j), panel, j // 2 * width + r, width
            )


@jit
def multiply_pairs(a, b, transposed, c, m, n, k, adds):
    """Compute ``C = A B`` or ``C = C + A B`` as `gemm.multiply` does, with both factors rounded to bfloat16."""
    n_pairs = (k + 1) // 2
    rows = np.empty(m * n_pairs, np.uint32)
    along = a.step == 1
    if along:
        _pair_along(a.values, a.start, a.row, m, k, rows)
    else:
        _pair_rows(a.values, a.start, a.step, k, m, rows, m)
    a_row, a_step = (n_pairs, 1) if along else (1, m)
    depth, width = max(n_pairs, 1) if adds else _DEPTH, 2 * lanes(b.values)
    panel = np.empty(min(n_pairs, depth) * width, np.uint32)
    for first in range(0, max(n_pairs, 1), depth):
        size = min(depth, n_pairs - first)
        n_values = min(2 * size, k - 2 * first)
        mode = ADD if adds else (CONTINUE if first > 0 else WRITE)
        for j in range(0, n, width):
            columns = min(width, n - j)
            if transposed:
                _pair_transposed(b.values, b.start + j * b.step + 2 * first, b.step, columns, n_values, panel, width)
            else:
                _pair_rows(b.values, b.start + 2 * first * b.row + j, b.row, n_values, columns, panel, width)
            multiply_panel(
                rows, first * a_step, a_row, a_step, TILE_ROWS * a_row, panel, 0, width,
                c.values, c.start + j, c.row, m, size, columns, mode, 0,
            )  # fmt: skip
