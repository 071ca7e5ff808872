"""Copies of the factors of a large product, in the order in which its tiles read them.

Rows whose distance is a power of two fall on few lines of the cache. A copy is read from
one end to the other instead, and worth its time where its values serve many tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ddp_mlp.core.kernels.arrays import Floats1
from ddp_mlp.core.kernels.numba_ext.intrinsics import distance, jit, prefetch_line
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, Vectors, element, lanes, lanes_of, vectors_of
from ddp_mlp.core.kernels.vector_ops import copy

#: Rows that are asked for before they are copied. Few, for those too fall on few lines.
_AHEAD = 8
#: Tiles of A copied at once where each takes less than a line of a row.
_TOGETHER = 4
#: Steps of k that are packed together: whole vectors where these are transposed.
PART_STEPS = 32
#: Interleaving halves transposes a power of two of rows.
_CAN_TRANSPOSE_TILES = TILE_ROWS & (TILE_ROWS - 1) == 0


def _move(n_values: Callable[[int], int]) -> Any:
    """Make a kernel that copies ``n_values(lanes)`` values as one vector."""

    @intrinsic
    def move(typing_context, source, source_start, target, target_start):
        def codegen(context, builder, signature, arguments):
            array = signature.args[0]
            v = vectors_of(builder, array, n_values(lanes_of(array.dtype)))
            first, to = (element(context, builder, signature, arguments, at) for at in (0, 2))
            v.store(v.load(first), to)
            return context.get_dummy_value()

        return types.void(source, types.int64, target, types.int64), codegen

    return move


def transposed_vectors(v: Vectors, rows: list[Any]) -> list[Any]:
    """Return the transpose of rows, a power of two of vectors, as as many vectors.

    Interleaving the first half of the rows with the second, log2(rows) times, puts the
    values of a column side by side.
    """
    n, kind = v.n_lanes, ir.VectorType(ir.IntType(32), v.n_lanes)
    halves = [ir.Constant(kind, [start + i // 2 + n * (i % 2) for i in range(n)]) for start in (0, n // 2)]
    for _ in range(len(rows).bit_length() - 1):
        pairs = list(zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True))
        rows = [v.builder.shuffle_vector(x, y, half) for x, y in pairs for half in halves]
    return rows


def _transpose(n_rows: Callable[[int], int]) -> Any:
    """Make a kernel that transposes ``n_rows(lanes)`` rows, each one vector.

    Result i is written at ``target_start + i target_row``.
    """

    @intrinsic
    def transpose(typing_context, source, source_start, source_row, target, target_start, target_row):
        def codegen(context, builder, signature, arguments):
            v = vectors_of(builder, signature.args[0])
            count = n_rows(v.n_lanes)
            first, to = (element(context, builder, signature, arguments, at) for at in (0, 3))
            rows = [v.load(builder.gep(first, [builder.mul(arguments[2], INDEX(r))])) for r in range(count)]
            for r, row in enumerate(transposed_vectors(v, rows)):
                v.store(row, builder.gep(to, [builder.mul(arguments[5], INDEX(r))]))
            return context.get_dummy_value()

        i = types.int64
        return types.void(source, i, i, target, i, i), codegen

    return transpose


move_tile_rows, move_panel_row = _move(lambda n_lanes: TILE_ROWS), _move(lambda n_lanes: 2 * n_lanes)
transpose_tile, transpose_square = _transpose(lambda n_lanes: TILE_ROWS), _transpose(lambda n_lanes: n_lanes)


@jit
def pack_tiles(a, a_start, a_row, a_step, m, k):
    """Return A tile by tile: (tiles, k, TILE_ROWS); for its parameters see `gemm.multiply`."""
    packed = np.empty(-(-m // TILE_ROWS) * TILE_ROWS * k, a.dtype)
    whole, done = m // TILE_ROWS, 0
    if a_row == 1:
        _pack_columns(a, a_start, a_step, whole, k, packed)
        done = k
    elif _CAN_TRANSPOSE_TILES:
        done = k // lanes(a) * lanes(a)
        for i in range(whole):
            for step in range(0, done, lanes(a)):
                source = a_start + i * TILE_ROWS * a_row + step
                transpose_tile(a, source, a_row, packed, (i * k + step) * TILE_ROWS, lanes(a))
    for r in range(m):
        to = r // TILE_ROWS * TILE_ROWS * k + r % TILE_ROWS
        for step in range(done if r < whole * TILE_ROWS else 0, k):
            packed[to + step * TILE_ROWS] = a[a_start + r * a_row + step * a_step]
    return packed


@jit
def _pack_columns(a, a_start, a_step, whole, k, packed):
    """Write the whole tiles of an A whose columns lie side by side."""
    for first in range(0, whole, _TOGETHER):
        count = min(_TOGETHER, whole - first)
        for step in range(k):
            source = a_start + step * a_step + first * TILE_ROWS
            for tile in range(count):
                at = source + tile * TILE_ROWS
                prefetch_line(a, at + _AHEAD * a_step)
                move_tile_rows(a, at, packed, ((first + tile) * k + step) * TILE_ROWS)


@jit
def pack_rows(b, b_start, b_row, k, columns, panel):
    """Copy a panel (k, columns) of B into rows two vectors wide."""
    width = 2 * lanes(b)
    for step in range(k):
        at, to = b_start + step * b_row, step * width
        if columns == width:
            prefetch_line(b, at + _AHEAD * b_row)
            prefetch_line(b, at + _AHEAD * b_row + lanes(b))
            move_panel_row(b, at, panel, to)
        else:
            copy(b[at : at + columns], panel[to : to + columns])


@jit
def pack_transposed(b, b_start, b_row, k, columns, panel):
    """Write the transpose of rows (columns, k) of B into rows two vectors wide."""
    width, side = 2 * lanes(b), lanes(b)
    whole_k, whole_columns = k // side * side, columns // side * side
    for j in range(0, whole_columns, side):
        for step in range(0, whole_k, side):
            transpose_square(b, b_start + j * b_row + step, b_row, panel, step * width + j, width)
    for j in range(columns):
        for step in range(whole_k if j < whole_columns else 0, k):
            panel[step * width + j] = b[b_start + j * b_row + step]


class Panel(NamedTuple):
    """Some columns of B, two vectors at most: `k` values of each, which lie in rows, or transposed."""

    values: Floats1
    start: int
    row: int
    transposed: bool
    columns: int
    k: int
    size: int  # steps of k when packed: one for each value, or for each pair


@jit
def panel_of(b, transposed, first, k, size, j, n):
    """Return the panel of `k` values from the one of number `first` on, of columns `j` to `n`; empty where none are."""
    row = b.step if transposed else b.row
    start = b.start + (j * row + first if transposed else first * row + j)
    return Panel(b.values, start, row, transposed, max(0, min(2 * lanes(b.values), n - j)), k, size)


@jit
def parts_of(panel):
    """Return how many parts a panel is packed in; 0 if it is empty."""
    return (panel.size + PART_STEPS - 1) // PART_STEPS if panel.columns > 0 else 0


@jit
def shift_of(n):
    """Return the largest power of two that is at most `n`, as an exponent; 0 for less than 2."""
    shift = 0
    while n >> (shift + 1) > 0:
        shift += 1
    return shift


@jit
def pack_panel(panel, first, last, packed, to):
    """Pack parts ``first:last`` of a panel, which lies from ``packed[to]`` on."""
    step, n_steps = first * PART_STEPS, min(panel.size, last * PART_STEPS) - first * PART_STEPS
    out = packed[to + step * 2 * lanes(packed) :]
    if panel.transposed:
        pack_transposed(panel.values, panel.start + step, panel.row, n_steps, panel.columns, out)
    else:
        pack_rows(panel.values, panel.start + step * panel.row, panel.row, n_steps, panel.columns, out)


@jit
def ready_panel(b, transposed, first, k, size, j, n, packed, here, room, pack):
    """Have a panel of `panel_of` packed from ``packed[here]`` on, where there are two rooms, used in turn.

    Return the following one, where it goes, and how far it lies behind what is here. It is packed while this one is
    multiplied; but a transposed one at its turn, for its rows follow each other and come fast once they are asked for.
    """
    if transposed or j == 0:
        this = panel_of(b, transposed, first, k, size, j, n)
        pack(this, 0, parts_of(this), packed, here)
    following = panel_of(b, transposed, first, k, size, j + 2 * lanes(packed), 0 if transposed else n)
    there = here if transposed else room - here
    return following, there, distance(b.values, following.start, packed, here)
