"""Matrix products: against NumPy within a bound, against themselves in bits."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from ddp_mlp.core.kernels.gemm import gemm as products
from ddp_mlp.core.kernels.gemm import packing
from ddp_mlp.core.kernels.numba_ext import simd as vectors

DTYPES = [np.float32, np.float64]
#: Less than a tile, a tile and some, more than one block of k, enough to be packed, and nothing.
SHAPES = [
    (1, 1, 1),
    (3, 5, 2),
    (17, 1, 9),
    (13, 33, 65),
    (64, 128, 700),
    (300, 70, 20),
    (9, 1100, 530),
    (45, 1030, 37),
    (270, 40, 2100),
    (2, 600, 2100),
    (4, 3, 0),
    (0, 3, 4),
]


@numba.njit(error_model="numpy")
def multiply(a, a_start, a_row, a_step, b, b_start, b_row, transposed, c, c_start, c_row, m, n, k, adds):
    factor = products.Matrix(b, b_start, 1 if transposed else b_row, b_row if transposed else 1)
    out = products.Matrix(c, c_start, c_row, 1)
    products.multiply(products.Matrix(a, a_start, a_row, a_step), factor, transposed, out, m, n, k, adds)


@numba.njit
def transpose_square(source, target, side):
    packing.transpose_square(source, 0, side, target, 0, side)


@numba.njit
def lanes(values):
    return vectors.lanes(values)


def embedded(matrix: np.ndarray, start: int, row: int) -> np.ndarray:
    """Lay the rows of a matrix `row` apart into a longer vector of NaN."""
    flat = np.full(start + row * len(matrix) + 5, math.nan, matrix.dtype)
    flat[start : start + row * len(matrix)].reshape(len(matrix), row)[:, : matrix.shape[1]] = matrix
    return flat


def product(a: np.ndarray, b: np.ndarray, flip_a: bool, flip_b: bool, before: np.ndarray | None = None) -> np.ndarray:
    """Multiply matrices that lie among other numbers, and see that nothing else is read or written."""
    (m, k), n, start, c_row = a.shape, b.shape[1], 3, b.shape[1] + 2
    flat_a = embedded(a.T if flip_a else a, start, (m if flip_a else k) + 1)
    flat_b = embedded(b.T if flip_b else b, start, (k if flip_b else n) + 4)
    rows, steps = (1, m + 1) if flip_a else (k + 1, 1)
    c = embedded(np.full((m, n), 7.0, a.dtype) if before is None else before, start, c_row)
    adds, b_row = before is not None, (k if flip_b else n) + 4
    multiply(flat_a, start, rows, steps, flat_b, start, b_row, flip_b, c, start, c_row, m, n, k, adds)
    window = c[start : start + m * c_row].reshape(m, c_row)
    result = window[:, :n].copy()
    window[:, :n] = math.nan
    assert np.isnan(c).all(), "written outside of the matrix"
    return result


@pytest.fixture(params=[(shape, dtype) for shape in SHAPES for dtype in DTYPES], ids=str)
def factors(request: pytest.FixtureRequest, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    (m, n, k), dtype = request.param
    return rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)


LAYOUTS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("flip_a", "flip_b"), LAYOUTS)
def test_a_product_is_that_of_the_matrices(factors, flip_a: bool, flip_b: bool) -> None:
    a, b = factors
    exact, size = a.astype(float) @ b.astype(float), abs(a.astype(float)) @ abs(b.astype(float))
    # A chain of k multiply-adds rounds k times, NumPy in float64 as often again.
    bound = 2 * a.shape[1] * np.finfo(a.dtype).eps * size
    assert np.all(abs(product(a, b, flip_a, flip_b) - exact) <= bound)


@pytest.mark.parametrize(("flip_a", "flip_b"), LAYOUTS)
def test_adding_adds_the_finished_product(factors, flip_a: bool, flip_b: bool, rng: np.random.Generator) -> None:
    a, b = factors
    before = rng.normal(size=(len(a), b.shape[1])).astype(a.dtype)
    expected = before + product(a, b, False, False)
    np.testing.assert_array_equal(product(a, b, flip_a, flip_b, before), expected)


def test_the_layout_changes_no_bit(factors) -> None:
    a, b = factors
    first = product(a, b, False, False)
    for flips in LAYOUTS[1:]:
        np.testing.assert_array_equal(product(a, b, *flips), first)


def test_a_part_of_a_product_has_the_bits_of_the_whole(factors) -> None:
    """Every element is one chain in the order of k, so neighbours, tiles and packing do not matter."""
    a, b = factors
    whole = product(a, b, False, False)
    for rows, columns in ((slice(1, 2), slice(None)), (slice(None, 5), slice(1, 4)), (slice(None), slice(2, None))):
        part = product(a[rows], b[:, columns], False, False)
        np.testing.assert_array_equal(part, whole[rows, columns])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_chain_rounds_once_a_step(dtype: type) -> None:
    """``x x - x^2`` rounded: a fused multiply-add keeps what two roundings would lose."""
    x = dtype(1) + np.finfo(dtype).eps
    a, b = np.array([[dtype(-1), x]], dtype), np.array([[x * x], [x]], dtype)
    exact = float(x) ** 2 - float(x * x) if dtype is np.float32 else float(np.finfo(dtype).eps) ** 2
    assert product(a, b, False, False)[0, 0] == dtype(exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_square_is_transposed(dtype: type) -> None:
    side = lanes(np.zeros(1, dtype))
    square = np.arange(side * side, dtype=dtype).reshape(side, side)
    target = np.zeros(side * side, dtype)
    transpose_square(square.ravel(), target, side)
    np.testing.assert_array_equal(target.reshape(side, side), square.T)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lanes(dtype: type) -> None:
    values = np.zeros(1, dtype)
    assert lanes(values) == vectors.lanes(values) == vectors.VECTOR_BYTES // values.itemsize
