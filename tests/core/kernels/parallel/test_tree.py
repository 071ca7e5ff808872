"""The fold of gradient sums: the tree of the micro-batches, to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddp_mlp.core.kernels.parallel.tree import fold_block, fold_tails
from ddp_mlp.core.kernels.parallel.words import BLOCK, STACK_DEPTH
from ddp_mlp.core.kernels.vector_ops import add_into, copy, square_sum, sum_of
from ddp_mlp.core.sharding import fold_intervals


def tree(leaves: np.ndarray) -> np.ndarray:
    """Add rows by halves: the definition of the canonical sum."""
    if len(leaves) == 1:
        return leaves[0].copy()
    middle = len(leaves) // 2
    return tree(leaves[:middle]) + tree(leaves[middle:])


def nodes_of(leaves: np.ndarray, cuts: list[int]) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the nodes that workers with these bounds are left with, and their sums."""
    intervals = []
    for start, stop in zip([0, *cuts], [*cuts, len(leaves)], strict=True):
        intervals += fold_intervals((i, i + 1) for i in range(start, stop))[1]
    return intervals, np.array([tree(leaves[a:b]) for a, b in intervals])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [[], [8], [1], [15], [5, 11], [3, 4, 9], list(range(1, 16))])
def test_fold_is_the_same_tree_however_it_was_cut(cuts: list[int], dtype: type, rng: np.random.Generator) -> None:
    # Magnitudes far apart: any other order of additions gives other bits.
    leaves = (rng.normal(size=(16, 40)) * 10.0 ** rng.integers(-4, 5, (16, 40))).astype(dtype)
    intervals, sums = nodes_of(leaves, cuts)
    merges = np.array(fold_intervals(intervals)[0])
    rows = rng.permutation(len(sums)) + 2
    memory = np.full((len(sums) + 4, 48), np.nan, dtype)
    memory[rows, :40] = sums
    before = memory.copy()
    stack = np.full((STACK_DEPTH, 64), np.nan, dtype)
    assert fold_block(memory, rows, merges, 10, 37, stack) == 1
    np.testing.assert_array_equal(stack[0, :27], tree(leaves)[10:37])
    np.testing.assert_array_equal(memory, before)


def test_order_of_additions_shows_in_the_bits(rng: np.random.Generator) -> None:
    """Holds the test above: summing first to last is another number."""
    leaves = (rng.normal(size=(16, 40)) * 10.0 ** rng.integers(-4, 5, (16, 40))).astype(np.float32)
    in_turn = leaves[0].copy()
    for leaf in leaves[1:]:
        in_turn += leaf
    assert not np.array_equal(in_turn, tree(leaves))


def test_incomplete_nodes_stay_apart() -> None:
    nodes = np.arange(12.0).reshape(3, 4)
    stack = np.zeros((STACK_DEPTH, 8))
    assert fold_block(nodes, np.arange(3), np.array([0, 1, 0]), 0, 4, stack) == 2
    np.testing.assert_array_equal(stack[:2, :4], [nodes[0] + nodes[1], nodes[2]])


def test_tails_fold_into_the_rows_they_came_from() -> None:
    tails = np.arange(24.0).reshape(6, 4)
    expected = [tails[0] + tails[2], tails[5]]
    fold_tails(tails, np.array([0, 2, 5]), np.array([0, 1, 0]), tails)
    np.testing.assert_array_equal(tails[:2], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 513, BLOCK - 1, BLOCK])
def test_square_sum(size: int, dtype: type, rng: np.random.Generator) -> None:
    values = rng.normal(size=size).astype(dtype)
    exact = math.fsum(float(v) ** 2 for v in values)
    scratch = np.full(BLOCK, np.nan, dtype)
    # All terms are positive: the square and log2(BLOCK) = 10 additions round relative to the sum.
    assert square_sum(values, scratch) == pytest.approx(exact, rel=float(12 * np.finfo(dtype).eps))


def test_small_loops(rng: np.random.Generator) -> None:
    left, right = rng.normal(size=(2, 7))
    total = left + right
    add_into(left, right)
    np.testing.assert_array_equal(left, total)
    copy(right, left)
    np.testing.assert_array_equal(left, right)
    assert sum_of(np.array([1e16, 1.0, 1.0, -1e16])) == 0.0, "first to last: each 1 is lost in 1e16"
