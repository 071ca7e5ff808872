"""Where the rows of micro-batches lie."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.core.kernels.parallel.row_ranges import FROM, TO, WORKER, count_fitting, edge, write_row_ranges
from ddp_mlp.core.sharding import fair_bounds


@given(start=st.integers(0, 1000), size=st.integers(0, 500), exponent=st.integers(0, 7))
def test_micro_batches_cut_a_batch_fairly(start: int, size: int, exponent: int) -> None:
    batch, m = np.array([start, start + size]), 2**exponent
    edges = [edge(batch, m, i) - start for i in range(m + 1)]
    assert edges == [fair_bounds(size, i, m)[0] for i in range(m)] + [size]


@given(size=st.integers(0, 500), exponent=st.integers(0, 5), capacity=st.integers(0, 600), data=st.data())
def test_as_many_are_taken_together_as_fit(size: int, exponent: int, capacity: int, data: st.DataObject) -> None:
    batch, m = np.array([7, 7 + size]), 2**exponent
    first = data.draw(st.integers(0, m - 1))
    last = data.draw(st.integers(first + 1, m))
    count = count_fitting(batch, m, first, last, capacity)
    rows = [edge(batch, m, first + n) - edge(batch, m, first) for n in range(last - first + 1)]
    assert count == max([1, *(n for n in range(1, last - first + 1) if rows[n] <= capacity)])


def test_row_ranges_follow_each_other_in_the_rows_of_a_worker() -> None:
    row_ranges = np.zeros((3, 3), np.int64)
    write_row_ranges(np.array([100, 122]), 8, 5, 2, row_ranges)
    assert row_ranges[:, WORKER].tolist() == [5, 5, 5]
    assert row_ranges[:, [FROM, TO]].tolist() == [[0, 3], [3, 6], [6, 8]]  # 105, 108, 111, 113
