"""Guarded memory: what lies beyond an array cannot be touched, and what is not written is not zero."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from tests.faults.forked import ends_well
from tests.faults.guarded_memory import BEGINNING, END, guard_kernels, guarded_arrays, take

CRASH = "ended by SIGSEGV"


@pytest.fixture(scope="module", autouse=True)
def allocator() -> None:
    """Compile it here, once, and not in each child."""
    with guarded_arrays():
        pass


def crash(side: int, work: Callable[[], object]) -> bool:
    """Tell whether something crashes a child, and nothing else happens to it."""

    def under_guards() -> None:
        with guarded_arrays(side):
            work()

    how = ends_well(under_guards)
    assert how in ("", CRASH), how
    return how == CRASH


def touch(array: np.ndarray, at: int) -> int:
    """Read a byte at an offset from the first, or from the one behind the last, of an array."""
    return ctypes.c_uint8.from_address(array.ctypes.data + at).value


@pytest.mark.parametrize("make", [np.zeros, np.empty, np.ones], ids=["zeros", "empty", "ones"])
@pytest.mark.parametrize("size", [1, 3, 512, 513, 5000])
def test_arrays_of_numpy(size: int, make: Callable[[int], np.ndarray]) -> None:
    last = 8 * size - 1
    assert not any(crash(side, lambda at=at: touch(make(size), at)) for side in (END, BEGINNING) for at in (0, last))
    assert crash(END, lambda: touch(make(size), last + 1))
    assert crash(BEGINNING, lambda: touch(make(size), -1))


def test_an_array_that_is_gone() -> None:
    with guarded_arrays():
        address = np.zeros(9).ctypes.data
    assert crash(END, lambda: ctypes.c_uint8.from_address(address).value)


def test_what_is_not_asked_to_be_zero_is_nan() -> None:
    with guarded_arrays():
        assert np.isnan(np.empty(3)).all()
        assert np.isnan(np.empty(3, np.float32)).all()
        assert not take(5).any()
        assert (take(5, zeroed=False) == 255).all()


def test_arrays_that_kernels_make() -> None:
    def reading(side: int, size: int, at: int) -> None:
        guard_kernels()

        @njit
        def read(size, at):
            return np.empty(size)[at]

        with guarded_arrays(side):
            assert np.isnan(read(size, at))

    cases = [(END, 5, 4), (END, 5, 5), (END, 0, 0), (BEGINNING, 5, 0), (BEGINNING, 5, -6)]
    found = [ends_well(lambda case=case: reading(*case)) for case in cases]
    assert found == ["", CRASH, CRASH, "", CRASH]


def test_arrays_that_were_made_before_or_are_made_after_are_as_ever() -> None:
    before = np.zeros(3)
    with guarded_arrays():
        within = np.zeros(3) + before
    assert within.ctypes.data % 4096 == 4096 - 24
    assert within.tolist() == (np.zeros(3) + within).tolist()


def test_children_tell_how_they_end() -> None:
    def fail() -> None:
        raise ValueError

    assert ends_well(lambda: None) == ""
    assert ends_well(fail) == "ended with exit code 70"
    assert ends_well(lambda: ctypes.string_at(0)) == CRASH
    assert ends_well(lambda: time.sleep(60), 0.1).startswith("no end within 0.1 s")
