"""Sums of gradients over micro-batches: of small whole numbers they are exact, so values are compared as they are."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.kernels.network.gradient_sums import Sums, bias_gradient, part_of_weight, whole_weight
from ddp_mlp.core.kernels.network.layers import BIAS, DELTA_AT, INPUT_AT, ROWS_AT_ONCE, WEIGHT, WorkSpace
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.sharding import fold_intervals
from tests.building import network_of

SIZES = (50, 21, 3)
CAPACITY = 16
#: Worker, first and last row of four micro-batches: two of each worker, one of them empty.
ROW_RANGES = np.array([[0, 0, 5], [0, 5, 11], [1, 0, 0], [1, 0, 7]])
MERGES = np.array(fold_intervals((m, m + 1) for m in range(4))[0])


@pytest.fixture
def layers() -> np.ndarray:
    table = layer_table(network_of(SIZES), training=True).layers.copy()
    table[:, ROWS_AT_ONCE] = 8
    return table


@pytest.fixture(params=["float32", "uint16"])
def factors(request: pytest.FixtureRequest) -> np.ndarray:
    """Let products take numbers as they are, or in bfloat16, which holds those of `works`."""
    return np.zeros(0, request.param)


@pytest.fixture
def works(rng: np.random.Generator) -> np.ndarray:
    columns = layer_table(network_of(SIZES), training=True).columns
    return rng.integers(-3, 4, (2, CAPACITY * columns)).astype(np.float32)


def expected_weight(layers: np.ndarray, works: np.ndarray, k: int, row_ranges: np.ndarray) -> np.ndarray:
    """Return the sum of all outer products, one row after the other."""
    total = np.zeros((SIZES[k], SIZES[k + 1]), np.float32)
    for worker, first, last in row_ranges:
        h, delta = (works[worker, CAPACITY * layers[k, at] :] for at in (INPUT_AT, DELTA_AT))
        for row in range(first, last):
            total += np.outer(h[row * SIZES[k] :][: SIZES[k]], delta[row * SIZES[k + 1] :][: SIZES[k + 1]])
    return total


@pytest.mark.parametrize("k", [0, 1])
def test_a_worker_sums_its_micro_batches_where_the_parameters_lie(k, layers, works, factors) -> None:
    partials = np.full((3, network_of(SIZES).layout.n_parameters), np.nan, np.float32)
    whole_weight(layers, k, WorkSpace(works, CAPACITY, factors), ROW_RANGES[:2], Sums(partials, 1, MERGES[:2]))
    found = partials[1, layers[k, WEIGHT] : layers[k, BIAS]].reshape(SIZES[k], SIZES[k + 1])
    np.testing.assert_array_equal(found, expected_weight(layers, works, k, ROW_RANGES[:2]))
    assert np.isnan(partials[1]).sum() == partials.shape[1] - found.size, "nothing else is touched"


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("first", [0, 5, 20, 62])
def test_a_part_of_a_weight_is_the_sum_over_all_workers(k, first, layers, works, factors) -> None:
    """It begins with the row of a parameter, and goes on for eight rows, or to the end."""
    begin, width = int(layers[k, WEIGHT]), SIZES[k + 1]
    end = network_of(SIZES).layout.n_parameters
    part = np.full((3, 8 * width), np.nan, np.float32)
    start, stop = part_of_weight(
        layers, WorkSpace(works, CAPACITY, factors), ROW_RANGES, MERGES, begin + first, end, part
    )
    row = first // width
    last = min(row + 8, SIZES[k])
    assert (start, stop) == (begin + row * width, begin + last * width)
    wanted = expected_weight(layers, works, k, ROW_RANGES)[row:last]
    np.testing.assert_array_equal(part[0, : stop - start].reshape(-1, width), wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 8, 13])
@pytest.mark.parametrize("rows", [1, 16, 40, 64])
def test_sums_of_many_are_those_of_single_ones(rows, count, dtype, rng) -> None:
    """Whole tiles of a weight take some micro-batches together, beside rows that were summed before."""
    network, capacity = network_of((141, 64, 3)), 64 * 16
    table = layer_table(network, training=True)
    space = WorkSpace(rng.normal(size=(2, capacity * table.columns)).astype(dtype), capacity, np.zeros(0, dtype))
    merges, left = (
        fold_intervals((m, m + 1) for m in range(3 + count))[0],
        np.zeros((9, network.layout.n_parameters), dtype),
    )
    sizes = rng.integers(max(0, rows - 2), rows + 1, 3 + count)
    ends = np.cumsum(sizes)
    row_ranges = np.array([[m % 2, end - size, end] for m, (size, end) in enumerate(zip(sizes, ends, strict=True))])
    row, together = 0, None
    for m, pairs in enumerate(merges):  # one after the other
        if m == 3:
            together, start = left.copy(), row
        whole_weight(table.layers, 0, space, row_ranges[m : m + 1], Sums(left, row, np.array([pairs])))
        row += 1 - pairs
    whole_weight(table.layers, 0, space, row_ranges[3:], Sums(together, start, np.array(merges[3:])))
    np.testing.assert_array_equal(together[:row], left[:row])


def test_a_part_ends_with_the_row_of_the_last_parameter(layers, works, factors) -> None:
    part = np.zeros((3, 8 * SIZES[1]), np.float32)
    begin, width = int(layers[0, WEIGHT]), SIZES[1]
    assert part_of_weight(
        layers, WorkSpace(works, CAPACITY, factors), ROW_RANGES, MERGES, begin, begin + width + 1, part
    ) == (
        begin,
        begin + 2 * width,
    )


def test_column_sums_are_added_in_the_tree(rng) -> None:
    sums = rng.integers(-9, 10, (4, 5)).astype(np.float32)
    partials = np.full((4, 9), np.nan, np.float32)
    bias_gradient(sums, 2, Sums(partials, 0, MERGES))
    np.testing.assert_array_equal(partials[0, 2:7], sums.sum(axis=0))
    unmerged = np.full((4, 9), np.nan, np.float32)
    bias_gradient(sums, 2, Sums(unmerged, 0, 0 * MERGES))
    np.testing.assert_array_equal(unmerged[:, 2:7], sums)
