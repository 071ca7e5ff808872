"""Gradient sums of whole tiles of a weight, each added in the tree over micro-batches while it is in the nearest cache.

A micro-batch of few rows leaves little to multiply for each tile. To go through the weight for every one of them, and
through its sums for every pair, would take as long again as a third of the products.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic

from ddp_mlp.core.kernels.gemm.gemm import PACK_A_FROM
from ddp_mlp.core.kernels.gemm.microkernel import ADD, FULL, WRITE
from ddp_mlp.core.kernels.gemm.packing import pack_rows
from ddp_mlp.core.kernels.numba_ext.intrinsics import distance, jit, vector_memory
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS, VECTOR_BYTES
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element, lanes, vectors_of
from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER
from ddp_mlp.core.kernels.parallel.words import STACK_DEPTH

#: A panel of the deltas of all micro-batches, two vectors wide, must leave room for tiles in the first-level cache.
_MOST_ROWS = 2**14 // (2 * VECTOR_BYTES)
#: Sums of fewer values stay there by themselves.
_LEAST_VALUES = 2**13


@intrinsic
def _add_tile(typing_context, values, to, to_row, source, source_row):
    """Add the tile from `source` on to the one from `to` on, of rows so far apart."""

    def codegen(context, builder, signature, arguments):
        v = vectors_of(builder, signature.args[0])
        left, right = (element(context, builder, signature, [arguments[0], arguments[at]]) for at in (1, 3))
        for r in range(TILE_ROWS):
            for j in range(2):
                x, y = (
                    builder.gep(tile, [builder.add(builder.mul(row, INDEX(r)), INDEX(j * v.n_lanes))])
                    for tile, row in ((left, arguments[2]), (right, arguments[4]))
                )
                v.store(builder.fadd(v.load(x), v.load(y)), x)
        return context.get_dummy_value()

    i = types.int64
    return types.void(values, i, i, i, i), codegen


@jit
def rows_in_tiles(values, n, row_ranges, count):
    """Return how many of `count` rows of a weight, `n` columns wide, `sum_tiles` takes faster than single products."""
    if count * n < _LEAST_VALUES:
        return 0
    largest = 0
    for i in range(row_ranges.shape[0]):
        largest = max(largest, row_ranges[i, TO] - row_ranges[i, FROM])
    fits = row_ranges.shape[0] > 1 and 2 * largest <= _MOST_ROWS and n % (2 * lanes(values)) == 0 and n < PACK_A_FROM
    return count // TILE_ROWS * TILE_ROWS if fits else 0


@jit
def sum_tiles(workers, row_ranges, a, m, b, n, merges, partials, row, start, count):
    """Write `count` rows of a weight as `gradient_sums.weight_gradient` does, all of them in whole tiles.

    Of each row in the work space of a worker, factors begin at ``a`` and ``b``, `m` and `n` values for each.
    """
    first = 0
    while first < merges.shape[0]:
        last = total = 0
        for i in range(first, merges.shape[0]):
            total += row_ranges[i, TO] - row_ranges[i, FROM]
            last = i + 1 if total <= _MOST_ROWS else last
        ranges, pairs = row_ranges[first:last], merges[first:last]
        _sum_tiles(workers, ranges, a, m, b, n, pairs, partials, row, start, count)
        for i in range(pairs.shape[0]):
            row += 1 - pairs[i]
        first = last


@jit
def _sum_tiles(workers, row_ranges, a, m, b, n, merges, partials, row, start, count):
    """Add as many micro-batches as one panel holds."""
    # Rows of both tables lie one behind the other.
    work, sums, stride, width = workers[0], partials[0], partials.shape[1], 2 * lanes(workers)
    panel, stack = vector_memory(_MOST_ROWS * width, work), vector_memory(STACK_DEPTH * TILE_ROWS * width, work)
    last = row + merges.shape[0]
    for i in range(merges.shape[0]):
        last -= merges[i]
    last = max(row, last)  # rows before it were there, or are left; the others are on the stack
    for j in range(0, n, width):
        at = 0
        for i in range(merges.shape[0]):
            size = row_ranges[i, TO] - row_ranges[i, FROM]
            source = row_ranges[i, WORKER] * workers.shape[1] + b + row_ranges[i, FROM] * n + j
            pack_rows(work, source, n, size, width, panel[at * width :])
            at += size
        for first in range(0, count, TILE_ROWS):
            at, r, left = 0, row, start + first * n + j
            on_stack = distance(stack, 0, sums, 0) - last * TILE_ROWS * width
            for i in range(merges.shape[0]):
                size, pairs = row_ranges[i, TO] - row_ranges[i, FROM], merges[i]
                source = row_ranges[i, WORKER] * workers.shape[1] + a + row_ranges[i, FROM] * m + first
                r -= 1 if pairs > 0 else 0
                to, step = (left + r * stride, n) if r < last else (on_stack + r * TILE_ROWS * width, width)
                mode = ADD if pairs > 0 else WRITE
                FULL(work, source, 1, m, panel, at * width, width, sums, to, step, size, width, mode, 0, width, 0)
                for _ in range(pairs - 1):
                    r -= 1
                    right, right_step = to, step
                    to, step = (left + r * stride, n) if r < last else (on_stack + r * TILE_ROWS * width, width)
                    _add_tile(sums, to, step, right, right_step)
                r += 1
                at += size
