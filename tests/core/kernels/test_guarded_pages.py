"""Kernels on raw addresses, whose arrays begin and end at guarded pages: one element too far ends the child."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest

from ddp_mlp.core.kernels.gemm import gemm, packing
from ddp_mlp.core.kernels.numba_ext.intrinsics import atomic_add, atomic_load, atomic_store
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS, VECTOR_BYTES
from tests.faults.forked import ends_well
from tests.faults.guarded_memory import BEGINNING, END, guard_kernels, guarded_arrays
from tests.tiers import thorough

#: Rows of A on both sides of each kind of tile.
ROWS = (0, 1, 2, 3, 5, TILE_ROWS - 1, TILE_ROWS, TILE_ROWS + 7)
#: Products of which A is packed, B is packed, and k is cut.
LARGE = ((9, 1025, 67), (2 * TILE_ROWS + 3, 1030, 37), (257, 41, 5), (258, 3, 2050))


@pytest.fixture(params=["float32", thorough("float64")])
def dtype(request: pytest.FixtureRequest) -> Any:
    return np.dtype(request.param)


def on_both_sides(work: Callable[[], None]) -> str:
    """Do something in a child with arrays that end, and then begin, at a guarded page; return how it ended."""

    def under_guards() -> None:
        guard_kernels()  # before anything is compiled, for the arrays that kernels make
        for side in (END, BEGINNING):
            with guarded_arrays(side):
                work()

    return ends_well(under_guards, 120.0)


def compiled_anew(kernel: Any) -> Any:
    """Return a kernel whose machine code is linked in this process, so that its own arrays are guarded too."""
    return numba.njit(lambda *arguments: kernel(*arguments), error_model="numpy")


def laid_out(matrix: np.ndarray, gap: int) -> tuple[np.ndarray, int]:
    """Return the values of a matrix, rows so far apart, with nothing before the first or behind the last."""
    rows, columns = matrix.shape
    row = columns + gap
    flat = np.full(max(0, rows * row - gap) if columns else 0, np.nan, matrix.dtype)
    for i in range(rows):
        flat[i * row : i * row + columns] = matrix[i]
    return flat, row


def _shapes(n_lanes: int) -> Iterator[tuple[int, int, int]]:
    """Yield shapes (m, n, k) about the edges of tiles and vectors."""
    columns = (0, 1, n_lanes - 1, n_lanes, n_lanes + 1, 2 * n_lanes, 2 * n_lanes + 3)
    yield from itertools.product(ROWS, columns, (0, 1, n_lanes + 1))
    yield from LARGE


def test_products(dtype: Any) -> None:
    def work() -> None:
        multiply = compiled_anew(gemm.multiply)
        for m, n, k in _shapes(VECTOR_BYTES // dtype.itemsize):
            a, b = (np.arange(size) % 5 - 2.0 for size in (m * k, k * n))
            a, b = a.reshape(m, k), b.reshape(k, n)
            for flip_a, flip_b, adds in itertools.product((False, True), repeat=3):
                flat_a, a_row = laid_out((a.T if flip_a else a).astype(dtype), 1)
                flat_b, b_row = laid_out((b.T if flip_b else b).astype(dtype), 2)
                flat_c, c_row = laid_out(np.ones((m, n), dtype), 3)
                steps = (1, a_row) if flip_a else (a_row, 1)
                factor = gemm.Matrix(flat_b, 0, *((1, b_row) if flip_b else (b_row, 1)))
                out = gemm.Matrix(flat_c, 0, c_row, 1)
                multiply(gemm.Matrix(flat_a, 0, *steps), factor, flip_b, out, m, n, k, adds)
                expected, _ = laid_out((a @ b + adds).astype(dtype), 3)
                np.testing.assert_array_equal(flat_c, expected)

    assert on_both_sides(work) == ""


def test_packing(dtype: Any) -> None:
    n_lanes = VECTOR_BYTES // dtype.itemsize

    def work() -> None:
        pack_tiles, pack_rows, pack_transposed = map(
            compiled_anew, (packing.pack_tiles, packing.pack_rows, packing.pack_transposed)
        )
        for m, k in itertools.product(ROWS, (0, 1, n_lanes - 1, n_lanes, 2 * n_lanes + 1)):
            a = np.arange(m * k, dtype=dtype).reshape(m, k)
            for flip in (False, True):
                flat, row = laid_out(a.T if flip else a, 1)
                tiles = pack_tiles(flat, 0, *((1, row) if flip else (row, 1)), m, k)
                rows = tiles.reshape(-(-m // TILE_ROWS), k, TILE_ROWS).transpose(0, 2, 1)
                np.testing.assert_array_equal(rows.reshape(len(rows) * TILE_ROWS, k)[:m], a)
        for k, columns in itertools.product((0, 1, 3, n_lanes, 2 * n_lanes + 1), range(1, 2 * n_lanes + 1)):
            b = np.arange(k * columns, dtype=dtype).reshape(k, columns)
            for flip, pack in ((False, pack_rows), (True, pack_transposed)):
                panel, (flat, row) = np.empty(k * 2 * n_lanes, dtype), laid_out(b.T if flip else b, 1)
                pack(flat, 0, row, k, columns, panel)
                np.testing.assert_array_equal(panel.reshape(k, 2 * n_lanes)[:, :columns], b)

    assert on_both_sides(work) == ""


def test_atomic_words() -> None:
    def work() -> None:
        @numba.njit
        def touch(words, at):
            atomic_store(words, at, 5)
            return atomic_add(words, at, 2), atomic_load(words, at)

        for at in (0, 2):
            assert touch(np.zeros(3, np.int64), at) == (5, 7)

    assert on_both_sides(work) == ""
