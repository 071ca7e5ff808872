"""Calls of kernels that are laid out once: values are replaced, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddp_mlp.core.kernels.entry_points import EntryPoint, shuffle


def _shuffled(n: int, key: int) -> list[int]:
    ids = np.arange(n)
    shuffle(ids, np.uint64(key))
    return ids.tolist()


def test_replaced_values_are_those_that_are_used() -> None:
    call = shuffle.on(np.arange(3), 1)
    for n, key in ((10, 1), (10, 2**64 - 1), (0, 5), (7, 0)):
        ids = np.arange(n)
        call.replace(0, ids)
        call.replace_number(1, key)
        call()
        assert ids.tolist() == _shuffled(n, key)


def test_memory_lives_as_long_as_the_call() -> None:
    call = shuffle.on(np.arange(10**6), 1)
    filled = [np.full(10**6, 7) for _ in range(3)]
    call()
    assert all((each == 7).all() for each in filled)


@pytest.mark.parametrize(
    "other", [np.arange(3.0), np.arange(3, dtype=">i8"), np.arange(6)[::2], np.arange(4).reshape(2, 2),
              np.frombuffer(bytes(24), np.int64)],
    ids=["dtype", "order of bytes", "gaps", "dimensions", "read-only"],
)  # fmt: skip
def test_what_does_not_fit_does_not_replace(other: np.ndarray[Any, Any]) -> None:
    ids = np.arange(5)
    call = shuffle.on(ids, 3)
    with pytest.raises(TypeError, match="no machine code"):
        call.replace(0, other)
    call()
    assert ids.tolist() == _shuffled(5, 3)


@pytest.mark.parametrize("key", [1.0, 1.5, -1, 2**64, None, "1"])
def test_numbers_of_another_kind_are_refused(key: Any) -> None:
    with pytest.raises(TypeError):
        shuffle(np.arange(3), key)


def test_without_machine_code_there_is_no_call() -> None:
    entry = EntryPoint("nothing")
    assert not entry.is_ready("float32")
    with pytest.raises(TypeError, match="no machine code of nothing for int64 in 1 dimensions, a number"):
        entry(np.arange(3), 1)
