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
from ddp_mlp.core.kernels.gemm.packing import pack_panel, pack_tiles, panel_of, parts_of, ready_panel, shift_of
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit, vector_memory
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
            tiles.WIDE_4(a, at, a_row, a_step, b, b_start, b_row, c, to, c_row, k, columns, mode, 0, b_row, 0)
        else:
            tiles.NARROW_4(a, at, a_row, a_step, b, b_start, b_row, c, to, c_row, k, columns, mode, 0, b_row, 0)
        i = 4
    if m - i >= 2:
        x, y = at + i * a_row, to + i * c_row
        if wide:
            tiles.WIDE_2(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0, b_row, 0)
        else:
            tiles.NARROW_2(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0, b_row, 0)
        i += 2
    if m - i >= 1:
        x, y = at + i * a_row, to + i * c_row
        if wide:
            tiles.WIDE_1(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0, b_row, 0)
        else:
            tiles.NARROW_1(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0, b_row, 0)


@inlined
def multiply_panel(
    a, at, a_row, a_step, a_tile, b, b_start, b_row, c, to, c_row, m, k, columns, mode, ahead, following, there, pack
):  # fmt: skip
    """Multiply all rows of A by a panel of B, at most two vectors wide; tiles of A are `a_tile` apart.

    The rows of another panel, from `ahead` elements behind this one on, are asked for on the way. And, where it has
    columns, this is the `following` one, which is packed to `there`, part by part.
    """
    whole, n_parts, packed = m // TILE_ROWS, parts_of(following), 0
    apart = following.row if n_parts > 0 else b_row
    shift = shift_of(whole * k // (2 * following.k)) if n_parts > 0 else 0
    asked = k >> shift  # rows of which two tiles ask for the two vectors
    for i in range(whole):
        x, y = at + i * a_tile, to + i * TILE_ROWS * c_row
        line = ahead + min(i // 2 * asked, following.k - asked) * apart + i % 2 * lanes(b)
        if columns == 2 * lanes(b):
            tiles.FULL(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, line, apart, shift)
        elif columns > lanes(b):
            tiles.WIDE(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, line, apart, shift)
        else:
            tiles.NARROW(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, k, columns, mode, 0, b_row, 0)
        until = i * n_parts // whole if n_parts > 0 else 0
        if until > packed:
            pack(following, packed, until, b, there)
            packed = until
    if packed < n_parts:
        pack(following, packed, n_parts, b, there)
    x, y = at + whole * a_tile, to + whole * TILE_ROWS * c_row
    _tiles(a, x, a_row, a_step, b, b_start, b_row, c, y, c_row, m - whole * TILE_ROWS, k, columns, mode)


@inlined
def _row(a, at, a_step, b, b_start, b_row, c, to, k, columns, mode):
    """Multiply one row of A by as many columns of B as fill whole tiles, and return how many these are."""
    width = ROW_VECTORS * lanes(b)
    whole = columns // width * width
    for j in range(0, whole, width):
        tiles.ROW(a, at, 0, a_step, b, b_start + j, b_row, c, to + j, 0, k, width, mode, 0, b_row, 0)
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
    room = min(k, depth) * width if packs else 0
    panels = vector_memory(2 * room, b.values)
    for first in range(0, max(k, 1), depth):
        size, at = min(depth, k - first), a_start + first * a_step
        mode = ADD if adds else (CONTINUE if first > 0 else WRITE)
        done = _row(values, at, a_step, b.values, b.start + first * b_row, b_row, c.values, c.start, size, alone, mode)
        here = there = 0
        for j in range(done, n, width):
            from_, from_start, from_row, ahead = b.values, b.start + first * b_row + j, b_row, width
            following = panel_of(b, transposed, first, size, size, j, 0)
            if packs:
                from_, from_start, from_row = panels, here, width
                following, there, ahead = ready_panel(
                    b, transposed, first, size, size, j, n, panels, here, room, pack_panel
                )
            multiply_panel(
                values, at, a_row, a_step, a_tile, from_, from_start, from_row,
                c.values, c.start + j, c.row, m, size, min(width, n - j), mode, ahead, following, there, pack_panel,
            )  # fmt: skip
            here = there
