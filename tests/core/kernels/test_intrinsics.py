"""BLAS inside flat arrays, and the search for large values."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from ddp_mlp.core.kernels.intrinsics import NO_TRANSPOSE, TRANSPOSE, gemm, is_large, like, row_as

DTYPES = [np.float32, np.float64]


@numba.njit(error_model="numpy")
def multiply(ta, tb, m, n, k, a, a_start, lda, b, b_start, ldb, beta, c, c_start, ldc):
    gemm(ta, tb, m, n, k, a, a_start, lda, b, b_start, ldb, beta, c, c_start, ldc)


@numba.njit
def search(values):
    return is_large(values)


def embedded(matrix: np.ndarray, start: int, leading: int, rng: np.random.Generator) -> np.ndarray:
    """Lay a matrix column by column, `leading` apart, into a longer vector of other numbers."""
    rows, columns = matrix.shape
    flat = rng.normal(size=start + leading * columns + 5).astype(matrix.dtype)
    flat[start : start + leading * columns].reshape(columns, leading)[:, :rows] = matrix.T
    return flat


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.0, 1.0, -0.5])
@pytest.mark.parametrize(("ta", "tb"), [(a, b) for a in (False, True) for b in (False, True)])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (3, 5, 2), (17, 1, 9), (1, 17, 9), (40, 33, 65)])
def test_gemm_is_a_matrix_product(
    m: int, n: int, k: int, ta: bool, tb: bool, beta: float, dtype: type, rng: np.random.Generator
) -> None:
    a = rng.normal(size=(k, m) if ta else (m, k)).astype(dtype)
    b = rng.normal(size=(n, k) if tb else (k, n)).astype(dtype)
    c = rng.normal(size=(m, n)).astype(dtype)
    op_a, op_b = (a.T if ta else a).astype(float), (b.T if tb else b).astype(float)
    lda, ldb, ldc = len(a) + 3, len(b) + 1, m + 2
    flat_a, flat_b, flat_c = embedded(a, 4, lda, rng), embedded(b, 7, ldb, rng), embedded(c, 2, ldc, rng)
    before = flat_c.copy()
    how = [TRANSPOSE if t else NO_TRANSPOSE for t in (ta, tb)]
    multiply(*how, m, n, k, flat_a, 4, lda, flat_b, 7, ldb, dtype(beta), flat_c, 2, ldc)
    window = flat_c[2 : 2 + ldc * n].reshape(n, ldc)
    # k products and one addition: (k + 2) eps of the sum of magnitudes.
    bound = (k + 2) * np.finfo(dtype).eps * (abs(op_a) @ abs(op_b) + abs(beta * c.astype(float)))
    assert np.all(abs(window[:, :m].T - (op_a @ op_b + beta * c.astype(float))) <= bound)
    window[:, :m] = 0
    before[2 : 2 + ldc * n].reshape(n, ldc)[:, :m] = 0
    np.testing.assert_array_equal(flat_c, before, "written outside of the matrix")


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_overwrites_what_is_not_a_number_when_beta_is_zero(dtype: type) -> None:
    c = np.array([math.nan], dtype)
    multiply(
        NO_TRANSPOSE, NO_TRANSPOSE, 1, 1, 1, np.array([2], dtype), 0, 1, np.array([3], dtype), 0, 1, dtype(0), c, 0, 1
    )
    assert c[0] == 6


def test_gemm_over_no_rows_is_zero() -> None:
    """An empty micro-batch: the sum over no samples."""
    c, empty = np.array([5.0, 5.0]), np.zeros(0)
    multiply(NO_TRANSPOSE, TRANSPOSE, 2, 1, 0, empty, 0, 2, empty, 0, 1, 0.0, c, 0, 2)
    np.testing.assert_array_equal(c, [0.0, 0.0])


def test_gemm_refuses_mixed_types() -> None:
    a, b = np.zeros(1), np.zeros(1, np.float32)
    with pytest.raises(numba.TypingError):
        multiply(NO_TRANSPOSE, NO_TRANSPOSE, 1, 1, 1, a, 0, 1, b, 0, 1, 0.0, a, 0, 1)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2.0**50), (np.float64, 2.0**480)])
@pytest.mark.parametrize("size", [1, 7, 8, 64, 1001])
def test_is_large_finds_one_value_anywhere(dtype: type, limit: float, size: int) -> None:
    for bad in (math.nan, -math.nan, math.inf, -math.inf, limit * (1 + 2**-20), -limit * (1 + 2**-20)):
        for place in {0, size // 2, size - 1}:
            values = np.zeros(size, dtype)
            values[place] = bad
            assert search(values), (bad, place)
            assert is_large(values), (bad, place)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2.0**50), (np.float64, 2.0**480)])
def test_is_large_lets_everything_else_pass(dtype: type, limit: float) -> None:
    values = np.array([limit, -limit, 0.0, -0.0, 5e-324, -1.0], dtype)
    assert not search(values)
    assert not is_large(values)
    assert not search(np.zeros(0, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_typed_helpers_say_the_same_without_the_compiler(dtype: type) -> None:
    value = dtype(2)
    assert type(like(value, 0.5)) is dtype
    row = np.array([1.5, -2.5], dtype)
    np.testing.assert_array_equal(row_as(row.view(np.uint8), row), row)
