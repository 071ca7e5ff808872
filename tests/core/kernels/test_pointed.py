"""Arrays behind one pointer are those that Python sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from ddp_mlp.core.kernels.arrays import Doubles1, Doubles2, Floats2, Floats3, Integers1, Tails2, write_table
from ddp_mlp.core.kernels.pointed import Pointed, pointer_to


class Some(NamedTuple):
    numbers: Integers1
    matrix: Floats2
    cube: Floats3
    none: Doubles1
    gaps: Tails2
    last: Doubles2


some_at = pointer_to(Some)


@njit
def read(table, example, i, j, k):
    some = some_at(table, example)
    return some.numbers[i], some.matrix[i, j], some.cube[i, j, k], some.gaps[i, j], some.last[i, j]


@njit
def shapes(table, example):
    some = some_at(table, example)
    return (some.numbers.shape, some.matrix.shape, some.cube.shape, some.none.shape, some.gaps.shape, some.last.shape)


@njit
def write(table, example):
    some = some_at(table, example)
    some.gaps[1] = 7.0
    for value in range(some.numbers.size):
        some.numbers[value] += value
    some.matrix[:] = some.matrix * some.cube[0, 0, 0]
    return some.cube[1].copy(), some.last


@njit
def unknown(table, example):
    return some_at(table, example).nothing


def arrays(dtype: type) -> Some:
    rng = np.random.default_rng(0)
    return Some(
        np.arange(5), rng.random((3, 4)).astype(dtype), rng.random((2, 3, 4)).astype(dtype), np.zeros(0),
        rng.random((3, 9))[:, :4], rng.random((2, 2)),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_field_is_read_where_it_lies(dtype: type) -> None:
    some = arrays(dtype)
    table, example = write_table(some), np.zeros(0, dtype)
    for i, j, k in ((0, 0, 0), (1, 1, 3), (0, 1, 2)):
        expected = some.numbers[i], some.matrix[i, j], some.cube[i, j, k], some.gaps[i, j], some.last[i, j]
        assert read(table, example, i, j, k) == expected
    assert shapes(table, example) == tuple(array.shape for array in some)


def test_what_is_written_is_there_and_parts_of_it_may_leave() -> None:
    some = arrays(np.float32)
    before = some.matrix.copy()
    copied, last = write(write_table(some), np.zeros(0, np.float32))
    assert (some.gaps[1] == 7.0).all()
    assert some.numbers.tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_array_equal(some.matrix, before * some.cube[0, 0, 0])
    np.testing.assert_array_equal(copied, some.cube[1])
    np.testing.assert_array_equal(last, some.last)
    assert last.base is None, "memory that others own is not counted"


def test_a_field_that_is_not_there_is_an_error_of_types() -> None:
    with pytest.raises(TypingError, match="nothing"):
        unknown(write_table(arrays(np.float32)), np.zeros(0, np.float32))


def test_types_differ_by_the_dtype_of_training() -> None:
    assert Pointed(Some, "float32") == Pointed(Some, "float32") != Pointed(Some, "float64")
