"""Column sums: the order of additions, and large values that are found wherever they are."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from ddp_mlp.core.kernels.network.column_sums import add_columns
from ddp_mlp.core.kernels.numba_ext.intrinsics import is_large

SHAPES = [(1, 1), (3, 10), (4, 16), (5, 17), (8, 64), (13, 33), (130, 10)]


@njit(error_model="numpy")
def add(rows: np.ndarray, total: np.ndarray) -> bool:
    return bool(add_columns(rows, total))


def added(rows: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the sums, four rows at a time and then one by one, in the dtype of the rows."""
    fours = len(rows) // 4 * 4
    for i in range(0, fours, 4):
        total = total + ((rows[i] + rows[i + 1]) + (rows[i + 2] + rows[i + 3]))
    for row in rows[fours:]:
        total = total + row
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_have_the_bits_of_their_order(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for n_rows, n in SHAPES:
        rows, start = rng.normal(0, 1, (n_rows, n)).astype(dtype), rng.normal(0, 1, n).astype(dtype)
        total = np.concatenate([start, np.full(20, 7, dtype)])  # what lies behind stays
        assert not add(rows.reshape(-1), total[:n])
        assert total[:n].tobytes() == added(rows, start).tobytes()
        assert (total[n:] == 7).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_values_are_found_at_every_place(dtype: type) -> None:
    limit = dtype(2.0**24 if dtype is np.float32 else 2.0**240)
    above = np.nextafter(limit, dtype(np.inf))
    for n_rows, n in SHAPES:
        for place in {0, n - 1, n_rows * n // 2, n_rows * n - 1}:
            for value in (limit, -limit, above, -above, dtype(np.nan), dtype(-np.inf)):
                rows = np.zeros(n_rows * n, dtype)
                rows[place] = value
                found = add(rows, np.zeros(n, dtype))
                assert found == is_large(rows) == (not abs(value) <= limit)
