"""Matrix products over flat arrays: ``C = A B``, ``C = A B^T`` and ``C += A B``.

Every element of C is one chain of fused multiply-adds in the order of k, see `microkernel`. So a
product of some rows, of some columns, or by another order of blocks has the same bits.

For the few rows of a micro-batch most time of a general BLAS goes into packing the weights.
Here matrices are read where they lie, and packed only where that pays: a transposed factor,
and large ones, whose columns would otherwise fall on few lines of the cache.
"""

from __future__ import annotations

from typing import NamedTuple

from ddp_mlp.core.kernels.arrays import Floats1
from ddp_mlp.core.kernels.gemm import microkernel as tiles
from ddp_mlp.core.kernels.gemm.microkernel import ADD, CONTINUE, ROW_VECTORS, WRITE
from ddp_mlp.core.kernels.gemm.packing import pack_rows, pack_tiles, pack_transposed
from ddp_mlp.core.kernels.numba_ext.intrinsics import distance, inlined, jit, vector_memory
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS
from ddp_mlp.core.kernels.numba_ext.simd import lanes

#: Steps of k in one go: a packed panel of B, two vectors wide, then fits the second-level cache.
_DEPTH = 2048
#: From this many columns on it pays to pack A, and from this many rows on B.
PACK_A_FROM, _PACK_B_FROM = 1024, 256


@inlined
def _tiles(a, at, a_row, a_step, b, b_start, b_row, c, to, c_row, m, k, columns, mode):
    """Multiply fewer rows than a whole tile has."""
    wide = columns > lanes(b)
    i = 0
    if m >= 4:
        if wide:
            tiles.WIDE_4(a, at, a_row, a_step, b, b_start, b_row, c, to, c_row, k, columns, mode, 0)
        else:
            tiles.NARROW_4(a, at, a_row, a_step, b, b_start, b_row, c, to, c_row, k, columns, mode, 0)
        i = 4
    if m - i >= 2:
        x, y = at + i * a_row, to + i * c_row
        if wide:
            tiles.WIDE_2(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0)
        else:
            tiles.NARROW_2(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0)
        i += 2
    if m - i >= 1:
        x, y = at + i * a_row, to + i * c_row
        if wide:
            tiles.WIDE_1(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0)
        else:
            tiles.NARROW_1(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0)


@inlined
def multiply_panel(a, at, a_row, a_step, a_tile, b, b_start, b_row, c, to, c_row, m, k, columns, mode, ahead):
    """Multiply all rows of A by a panel of B, at most two vectors wide; tiles of A are `a_tile` apart.

    The next panel of B, `ahead` elements behind this one, is asked for on the way.
    """
    whole = m // TILE_ROWS
    if columns > lanes(b):
        for i in range(whole):
            x, y = at + i * a_tile, to + i * TILE_ROWS * c_row
            line = ahead + min(i, 1) * lanes(b)  # the first two tiles ask for the two vectors of each row
            tiles.WIDE(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, line)
    else:
        for i in range(whole):
            x, y = at + i * a_tile, to + i * TILE_ROWS * c_row
            tiles.NARROW(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0)
    x, y = at + whole * a_tile, to + whole * TILE_ROWS * c_row
    _tiles(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, m - whole * TILE_ROWS, k, columns, mode)


@inlined
def _row(a, at, a_step, b, b_start, b_row, c, to, k, columns, mode):
    """Multiply one row of A by as many columns of B as fill whole tiles, and return how many these are."""
    width = ROW_VECTORS * lanes(b)
    whole = columns // width * width
    for j in range(0, whole, width):
        tiles.ROW(a, at, 0, a_step, b, b_start + j, b_row, c, to + j, 0, k, width, mode, 0)
    return whole


class Matrix(NamedTuple):
    """A matrix in a flat array: element ``[i, j]`` lies at ``start + i row + j step``."""

    values: Floats1
    start: int
    row: int
    step: int


@jit
def multiply(a: Matrix, b: Matrix, transposed: bool, c: Matrix, m: int, n: int, k: int, adds: bool) -> None:
    """Compute ``C = A B`` or, where it `adds`, ``C = C + A B``.

    Parameters
    ----------
    a, b, c : Matrix
        Of shape (m, k), (k, n) and (m, n). The row or the step of A is 1, the step of C is 1, and so is that of B;
        or B is `transposed`, and its row is 1.
    adds : bool
        The sum over k is then complete before it is added to what is in C.
    """
    values, a_start, a_row, a_step, a_tile = a.values, a.start, a.row, a.step, TILE_ROWS * a.row
    if n >= PACK_A_FROM:
        values = pack_tiles(a.values, a.start, a.row, a.step, m, k)
        a_start, a_row, a_step, a_tile = 0, 1, TILE_ROWS, TILE_ROWS * k
    b_row = b.step if transposed else b.row
    packs = transposed or m >= _PACK_B_FROM
    alone = n if m == 1 and not packs else 0
    depth, width = max(k, 1) if adds else _DEPTH, 2 * lanes(b.values)
    panel = vector_memory(min(k, depth) * width if packs else 0, b.values)
    for first in range(0, max(k, 1), depth):
        size, at = min(depth, k - first), a_start + first * a_step
        mode = ADD if adds else (CONTINUE if first > 0 else WRITE)
        done = _row(values, at, a_step, b.values, b.start + first * b_row, b_row, c.values, c.start, size, alone, mode)
        for j in range(done, n, width):
            columns, to = min(width, n - j), c.start + j
            source = b.start + (j * b_row + first if transposed else first * b_row + j)
            if transposed:
                pack_transposed(b.values, source, b_row, size, columns, panel)
            elif packs:
                pack_rows(b.values, source, b_row, size, columns, panel)
            if packs:
                from_, from_start, from_row = panel, 0, width
                # Rows of a transposed factor follow each other; others are asked for while they are packed.
                ahead = distance(b.values, source + width * b_row, panel, 0) if transposed else 0
            else:
                from_, from_start, from_row, ahead = b.values, source, b_row, width
            multiply_panel(
                values, at, a_row, a_step, a_tile, from_, from_start, from_row,
                c.values, to, c.row, m, size, columns, mode, ahead,
            )  # fmt: skip
