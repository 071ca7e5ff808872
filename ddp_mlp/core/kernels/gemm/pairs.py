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
from ddp_mlp.core.kernels.gemm.microkernel import ADD, CONTINUE, WRITE
from ddp_mlp.core.kernels.gemm.packing import PART_STEPS, ready_panel, transposed_vectors
from ddp_mlp.core.kernels.numba_ext.bfloat16 import pairs_along, pairs_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit, prefetch_line, vector_memory
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element, lanes, vectors_of

#: Pairs of k in one go: a panel of B, two vectors wide, then fits the second-level cache.
_DEPTH = 2048
#: Rows that are asked for before they are paired.
_AHEAD = 8


def _neighbours(v: Any, first: Any, n_values: Any) -> Any:
    """Return the pairs of two vectors of values, or of some of them and zeros, that follow each other."""
    masks = _masks(v, n_values)
    vectors = [v.load(v.builder.gep(first, [INDEX(i * v.n_lanes)]), mask) for i, mask in enumerate(masks)]
    return pairs_along(v, *vectors)


def _masks(v: Any, count: Any) -> tuple[Any, Any]:
    """Return which lanes of two vectors count, None for all."""
    if count is None:
        return None, None
    return v.mask(count), v.mask(v.builder.sub(count, INDEX(v.n_lanes)))


def _half(builder: Any, count: Any) -> Any:
    return builder.ashr(builder.add(count, INDEX(1)), INDEX(1))


def _along(is_whole: bool) -> Any:
    """Make a kernel that writes the pairs of two vectors of values that follow each other, or of some of them."""

    @intrinsic
    def pair_along(typing_context, source, source_start, n_values, target, target_start):
        def codegen(context, builder, signature, arguments):
            v = vectors_of(builder, signature.args[0])
            first, to = (element(context, builder, signature, arguments, at) for at in (0, 3))
            pairs = _neighbours(v, first, None if is_whole else arguments[2])
            v.store(pairs, to, None if is_whole else v.mask(_half(builder, arguments[2])))
            return context.get_dummy_value()

        i = types.int64
        return types.void(source, i, i, target, i), codegen

    return pair_along


def _across(is_whole: bool) -> Any:
    """Make a kernel that writes the pairs of two rows, two vectors of columns; or of one row and zeros, or of less."""

    @intrinsic
    def pair_rows(typing_context, source, source_start, source_row, n_rows, n_columns, target, target_start):
        def codegen(context, builder, signature, arguments):
            v = vectors_of(builder, signature.args[0])
            first, to = (element(context, builder, signature, arguments, at) for at in (0, 5))
            _, _, row, n_rows, n_columns, _, _ = arguments
            n_below = builder.select(builder.icmp_signed(">", n_rows, INDEX(1)), n_columns, INDEX(0))
            masks, below = (_masks(v, None if is_whole else count) for count in (n_columns, n_below))
            for j in range(2):
                at = builder.gep(first, [INDEX(j * v.n_lanes)])
                upper = v.load(builder.gep(at, [row]), below[j])
                v.store(pairs_of(v, v.load(at, masks[j]), upper), builder.gep(to, [INDEX(j * v.n_lanes)]), masks[j])
            return context.get_dummy_value()

        i = types.int64
        return types.void(source, i, i, i, i, target, i), codegen

    return pair_rows


def _square(is_whole: bool) -> Any:
    """Make a kernel that writes the pairs of neighbours of a vector of rows, transposed: each row becomes a column."""

    @intrinsic
    def pair_square(
        typing_context, source, source_start, source_row, n_rows, n_values, target, target_start, target_row
    ):  # fmt: skip
        def codegen(context, builder, signature, arguments):
            v = vectors_of(builder, signature.args[0])
            first, to = (element(context, builder, signature, arguments, at) for at in (0, 5))
            _, _, row, n_rows, n_values, _, _, target_row = arguments

            def there(index: int, count: Any, value: Any) -> Any:
                is_there = builder.icmp_signed("<", INDEX(index), count)
                return None if is_whole else builder.select(is_there, value, INDEX(0))

            rows = [
                _neighbours(v, builder.gep(first, [builder.mul(row, INDEX(r))]), there(r, n_rows, n_values))
                for r in range(v.n_lanes)
            ]
            n_pairs = _half(builder, n_values)
            for r, pairs in enumerate(transposed_vectors(v, rows)):
                place, count = builder.gep(to, [builder.mul(target_row, INDEX(r))]), there(r, n_pairs, n_rows)
                v.store(pairs, place, None if is_whole else v.mask(count))
            return context.get_dummy_value()

        i = types.int64
        return types.void(source, i, i, i, i, target, i, i), codegen

    return pair_square


whole_along, part_along = _along(True), _along(False)
whole_rows, part_rows = _across(True), _across(False)
whole_square, part_square = _square(True), _square(False)


@jit
def _pair_rows(values, start, row, n_rows, n_columns, pairs, pairs_row):
    """Write the pairs of rows 0 and 1, 2 and 3 and so on, `pairs_row` apart."""
    width = 2 * lanes(values)
    for r in range(0, n_rows, 2):
        for j in range(0, n_columns, width):
            at, to = start + r * row + j, r // 2 * pairs_row + j
            for ahead in range(_AHEAD, _AHEAD + 2):
                prefetch_line(values, at + ahead * row)
                prefetch_line(values, at + ahead * row + lanes(values))
            if r + 1 < n_rows and j + width <= n_columns:
                whole_rows(values, at, row, 2, width, pairs, to)
            else:
                part_rows(values, at, row, n_rows - r, n_columns - j, pairs, to)


@jit
def _pair_along(values, start, row, n_rows, n_columns, pairs, pairs_row):
    """Write the pairs of columns 0 and 1, 2 and 3 and so on, rows `pairs_row` apart."""
    step = 2 * lanes(values)
    whole = n_columns // step * step
    for r in range(n_rows):
        for j in range(0, whole, step):
            whole_along(values, start + r * row + j, step, pairs, r * pairs_row + j // 2)
        if whole < n_columns:
            part_along(values, start + r * row + whole, n_columns - whole, pairs, r * pairs_row + whole // 2)


@jit
def _pair_transposed(values, start, row, n_rows, n_values, panel, width):
    """Write the pairs of neighbours of some rows, at most `width`, as columns of a panel."""
    side = lanes(values)
    for r in range(0, n_rows, side):
        for j in range(0, n_values, 2 * side):
            at, to = start + r * row + j, j // 2 * width + r
            if r + side <= n_rows and j + 2 * side <= n_values:
                whole_square(values, at, row, side, 2 * side, panel, to, width)
            else:
                rows, columns = min(side, n_rows - r), min(2 * side, n_values - j)
                part_square(values, at, row, rows, columns, panel, to, width)


@jit
def _apart(n):
    """Return how far apart rows of `n` words are to lie: an odd number of lines, so that they use all of a cache."""
    line = 16
    return ((n + line - 1) // line | 1) * line if n > 4 * line else n


@jit
def pack_pairs(panel, first, last, packed, to):
    """Pack parts ``first:last`` of a panel as pairs, as `packing.pack_panel` does it with numbers."""
    step, width = first * PART_STEPS, 2 * lanes(packed)
    n_values, out = min(panel.k, 2 * last * PART_STEPS) - 2 * step, packed[to + step * width :]
    if panel.transposed:
        _pair_transposed(panel.values, panel.start + 2 * step, panel.row, panel.columns, n_values, out, width)
    else:
        start = panel.start + 2 * step * panel.row
        _pair_rows(panel.values, start, panel.row, n_values, panel.columns, out, width)


@jit
def multiply_pairs(a, b, transposed, c, m, n, k, adds):
    """Compute ``C = A B`` or ``C = C + A B`` as `gemm.multiply` does, with both factors rounded to bfloat16."""
    n_pairs = (k + 1) // 2
    along = a.step == 1
    apart = _apart(n_pairs) if along else _apart(m)
    rows = np.empty((m if along else n_pairs) * apart, np.uint32)
    if along:
        _pair_along(a.values, a.start, a.row, m, k, rows, apart)
    else:
        _pair_rows(a.values, a.start, a.step, k, m, rows, apart)
    a_row, a_step = (apart, 1) if along else (1, apart)
    depth, width = max(n_pairs, 1) if adds else _DEPTH, 2 * lanes(b.values)
    room = min(n_pairs, depth) * width
    panels = vector_memory(2 * room, rows)
    for first in range(0, max(n_pairs, 1), depth):
        size = min(depth, n_pairs - first)
        n_values = min(2 * size, k - 2 * first)
        mode = ADD if adds else (CONTINUE if first > 0 else WRITE)
        here = 0
        for j in range(0, n, width):
            following, there, ahead = ready_panel(
                b, transposed, 2 * first, n_values, size, j, n, panels, here, room, pack_pairs
            )
            multiply_panel(
                rows, first * a_step, a_row, a_step, TILE_ROWS * a_row, panels, here, width,
                c.values, c.start + j, c.row, m, size, min(width, n - j), mode, ahead, following, there, pack_pairs,
            )  # fmt: skip
            here = there
