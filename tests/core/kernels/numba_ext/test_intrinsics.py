"""The search for large values, and constants of the right type."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.intrinsics import distance, is_large, row_as

DTYPES = [np.float32, np.float64]


@numba.njit
def elements_between(values, index, others, other):
    return distance(values, index, others, other)


@numba.njit
def search(values):
    return is_large(values)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2.0**24), (np.float64, 2.0**240)])
@pytest.mark.parametrize("size", [1, 7, 8, 64, 1001])
def test_is_large_finds_one_value_anywhere(dtype: type, limit: float, size: int) -> None:
    for bad in (math.nan, -math.nan, math.inf, -math.inf, limit * (1 + 2**-20), -limit * (1 + 2**-20)):
        for place in {0, size // 2, size - 1}:
            values = np.zeros(size, dtype)
            values[place] = bad
            assert search(values), (bad, place)
            assert is_large(values), (bad, place)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2.0**24), (np.float64, 2.0**240)])
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_distance_counts_elements_between_arrays(dtype: type) -> None:
    memory = np.zeros(100, dtype)
    assert elements_between(memory[10:], 5, memory[40:], 2) == 15 - 42
    assert elements_between(memory[40:], 2, memory[10:], 5) == 42 - 15
