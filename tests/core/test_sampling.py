"""Orders and splits: permutations, from the seed alone, and the same for ever."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.core.sampling import batch_bounds, epoch_order, permuted, split_ids, steps_per_epoch, stream_key

#: Worked out once with Python's exact integers, apart from the kernels.
GOLDEN_ORDERS = [
    [3, 9, 2, 7, 11, 0, 10, 1, 4, 8, 5, 6],
    [6, 1, 9, 5, 2, 3, 4, 11, 10, 0, 7, 8],
    [7, 11, 0, 5, 10, 4, 9, 6, 1, 8, 2, 3],
    [10411, 32629, 45973, 25029, 32953, 36298],
]
GOLDEN_SPLIT = [7, 8, 12, 14, 16]


@given(n=st.integers(1, 500), seed=st.integers(0, 2**40), epoch=st.integers(0, 10_000))
def test_an_epoch_takes_each_sample_once(n: int, seed: int, epoch: int) -> None:
    ids = np.arange(n, dtype=np.int64) * 3 + 1
    order = epoch_order(ids, seed, epoch)
    assert sorted(order.tolist()) == ids.tolist()
    np.testing.assert_array_equal(ids, np.arange(n) * 3 + 1, "the ids are not changed")


@given(n=st.integers(1, 1000), size=st.integers(1, 1200))
def test_batches_of_an_epoch_cover_it(n: int, size: int) -> None:
    bounds = [batch_bounds(n, size, position) for position in range(steps_per_epoch(n, size))]
    assert (bounds[0][0], bounds[-1][1]) == (0, n)
    assert all(left[1] == right[0] for left, right in pairwise(bounds))
    assert all(stop - start == size for start, stop in bounds[:-1])
    assert 0 < bounds[-1][1] - bounds[-1][0] <= size


def test_golden_orders() -> None:
    """Pinned: another order would make every seed, and every resumed run, another run."""
    assert epoch_order(np.arange(12), 0, 0).tolist() == GOLDEN_ORDERS[0]
    assert epoch_order(np.arange(12), 0, 1).tolist() == GOLDEN_ORDERS[1]
    assert epoch_order(np.arange(12), 7, 0).tolist() == GOLDEN_ORDERS[2]
    assert epoch_order(np.arange(60_000), 1, 2)[:6].tolist() == GOLDEN_ORDERS[3]


def test_golden_split() -> None:
    train, valid = split_ids(20, 0.25, 3)
    assert valid.tolist() == GOLDEN_SPLIT
    assert train.tolist() == [i for i in range(20) if i not in GOLDEN_SPLIT]


@given(n=st.integers(1, 400), fraction=st.floats(0, 0.999), seed=st.integers(0, 2**30))
def test_split_is_disjoint_and_whole(n: int, fraction: float, seed: int) -> None:
    train, valid = split_ids(n, fraction, seed)
    assert sorted([*train.tolist(), *valid.tolist()]) == list(range(n))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(valid) > 0)
    assert len(train) >= 1
    assert len(valid) == min(max(round(n * fraction), int(fraction > 0)), n - 1)
    assert train.dtype == valid.dtype == np.int64


def test_seed_epoch_and_purpose_name_different_streams() -> None:
    ids = np.arange(50)
    orders = [epoch_order(ids, seed, epoch).tobytes() for seed in range(5) for epoch in range(5)]
    orders.append(permuted(ids, "validation split", 0).tobytes())
    assert len(set(orders)) == 26
    assert stream_key("a", 1, 11) != stream_key("a", 11, 1)


def test_stream_key_is_of_the_text() -> None:
    digest = hashlib.sha256(b"epoch order/5/2").digest()
    assert int(stream_key("epoch order", 5, 2)) == int.from_bytes(digest[:8], "little")


@pytest.mark.parametrize("n", [3, 4])
def test_all_orders_are_equally_likely(n: int) -> None:
    """A shuffle that draws from one element too many or too few is far from uniform."""
    n_orders, n_draws = {3: 6, 4: 24}[n], 4800
    counts = Counter(tuple(epoch_order(np.arange(n), 0, epoch).tolist()) for epoch in range(n_draws))
    expected = n_draws / n_orders
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert len(counts) == n_orders
    assert chi_squared < {3: 20.5, 4: 49.7}[n], "the quantile of 0.999 with n! - 1 degrees of freedom"
