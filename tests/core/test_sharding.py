"""Sharding: every division of the work folds to one and the same tree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.core.sharding import (
    AutoBool,
    ReductionPlan,
    fair_bounds,
    fold_intervals,
    is_sharded,
    plan_reduction,
    power_of_two_at_least,
)


@given(n=st.integers(0, 10_000), n_parts=st.integers(1, 300))
def test_fair_bounds_cover_everything_once(n: int, n_parts: int) -> None:
    bounds = [fair_bounds(n, part, n_parts) for part in range(n_parts)]
    assert (bounds[0][0], bounds[-1][1]) == (0, n)
    assert all(left[1] == right[0] for left, right in pairwise(bounds))
    sizes = {stop - start for start, stop in bounds}
    assert min(sizes) >= 0
    assert max(sizes) - min(sizes) <= 1


@given(exponent=st.integers(0, 6), finer=st.integers(0, 4), n=st.integers(0, 1000))
def test_fair_bounds_nest_for_powers_of_two(exponent: int, finer: int, n: int) -> None:
    """A part of 2^k is the union of its parts of 2^(k+j): leaves of a tree have the bounds of its nodes."""
    parts, more = 2**exponent, 2**finer
    for part in range(parts):
        inner = [fair_bounds(n, part * more + i, parts * more) for i in range(more)]
        assert (inner[0][0], inner[-1][1]) == fair_bounds(n, part, parts)


def test_power_of_two_at_least() -> None:
    expected = [1, 1, 2, 4, 4, 8, 8, 8, 8, 16]
    assert [power_of_two_at_least(n) for n in range(10)] == expected
    assert power_of_two_at_least(512) == 512
    assert power_of_two_at_least(513) == 1024


def canonical(start: int, stop: int) -> str:
    """Write the sum of the leaves as its definition brackets it."""
    if stop - start == 1:
        return str(start)
    middle = (start + stop) // 2
    return f"({canonical(start, middle)}+{canonical(middle, stop)})"


def push(stack: list[str], node: str, merges: int) -> None:
    """Push a node and add as many pairs as are complete, as the kernels do."""
    stack.append(node)
    for _ in range(merges):
        right, left = stack.pop(), stack.pop()
        stack.append(f"({left}+{right})")


def sums_of_node(plan: ReductionPlan) -> list[str]:
    """Do what the workers of a node do: leaves to rows, rows to the sums of the node."""
    memory: list[str | None] = [None] * (len(plan.runs) * plan.depth)
    for worker, (start, stop) in enumerate(plan.runs):
        row = worker * plan.depth
        for leaf in range(start, stop):
            assert row < (worker + 1) * plan.depth, "a worker writes into its neighbour's rows"
            memory[row] = str(leaf)
            row += 1
            for _ in range(plan.worker_merges[leaf]):
                memory[row - 2] = f"({memory[row - 2]}+{memory[row - 1]})"
                row -= 1
    stack: list[str] = []
    for row, merges in zip(plan.rows, plan.merges, strict=True):
        node = memory[row]
        assert node is not None, "a row that nobody has written"
        push(stack, node, merges)
    return stack


@st.composite
def worlds(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Draw a number of micro-batches, and nodes of workers that are together no more."""
    micro_batches = 2 ** draw(st.integers(0, 6))
    left = draw(st.integers(1, micro_batches))
    workers = []
    while left:
        workers.append(draw(st.integers(1, left)))
        left -= workers[-1]
    return micro_batches, workers


def check_world(micro_batches: int, workers: list[int]) -> None:
    plans = [plan_reduction(micro_batches, workers, node) for node in range(len(workers))]
    stack: list[str] = []
    merges = iter(plans[0].top_merges)
    for plan, n_workers in zip(plans, workers, strict=True):
        sums = sums_of_node(plan)
        assert len(plan.runs) == n_workers
        assert plan.depth <= micro_batches.bit_length(), "log2(M) + 1"
        assert (plan.sums_of_node, plan.top_merges) == (plans[0].sums_of_node, plans[0].top_merges)
        assert len(sums) == plan.sums_of_node[plans.index(plan)]
        assert len(sums) <= n_workers * plan.depth, "the sums of a node fit the rows of its workers"
        for node in sums:
            push(stack, node, next(merges))
    assert next(merges, None) is None
    assert stack == [canonical(0, micro_batches)]


@given(worlds())
def test_every_world_folds_to_the_canonical_tree(world: tuple[int, list[int]]) -> None:
    check_world(*world)


@pytest.mark.parametrize("micro_batches", [1, 2, 4, 8, 16])
def test_every_number_of_equal_nodes_and_workers(micro_batches: int) -> None:
    for nodes in range(1, micro_batches + 1):
        for per_node in range(1, micro_batches // nodes + 1):
            check_world(micro_batches, [per_node] * nodes)


@given(worlds())
def test_runs_cover_all_micro_batches(world: tuple[int, list[int]]) -> None:
    micro_batches, workers = world
    runs = [run for node in range(len(workers)) for run in plan_reduction(micro_batches, workers, node).runs]
    assert [leaf for start, stop in runs for leaf in range(start, stop)] == list(range(micro_batches))
    assert all(start < stop for start, stop in runs), "no more workers than micro-batches: nobody is idle"


@given(st.integers(0, 6), st.data())
def test_fold_leaves_the_largest_nodes(exponent: int, data: st.DataObject) -> None:
    """The rest of a run is its unique shortest cover by partials of the tree."""
    size = 2**exponent
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    merges, remaining = fold_intervals((i, i + 1) for i in range(start, stop))
    assert (remaining[0][0], remaining[-1][1]) == (start, stop)
    assert len(merges) == stop - start
    assert sum(merges) == stop - start - len(remaining)
    for left, right in pairwise(remaining):
        assert left[1] == right[0]
    for a, b in remaining:
        width = b - a
        assert width & (width - 1) == 0
        assert a % width == 0, "a partial of the tree"
        parent = a - a % (2 * width)
        assert parent < start or parent + 2 * width > stop, "its parent is not covered"


def test_fold_of_nothing() -> None:
    assert fold_intervals([]) == ([], [])


def test_nodes_that_only_touch_are_not_siblings() -> None:
    """[1, 2) and [2, 3) lie side by side and belong to different parents."""
    assert fold_intervals([(1, 2), (2, 3)]) == ([0, 0], [(1, 2), (2, 3)])
    assert fold_intervals([(2, 4), (4, 6)]) == ([0, 0], [(2, 4), (4, 6)])
    assert fold_intervals([(0, 1), (2, 3)]) == ([0, 0], [(0, 1), (2, 3)])


@pytest.mark.parametrize(
    ("choice", "n_nodes", "n_bytes", "expected"),
    [
        ("auto", 1, 2**30, False),
        ("auto", 2, 2**20 - 4, False),
        ("auto", 2, 2**20, True),
        ("auto", 5, 2**18, True),
        (True, 2, 4, True),
        (True, 1, 2**30, False),
        (False, 5, 2**30, False),
    ],
)
def test_the_update_is_shared_out_where_it_pays_or_as_said(
    choice: AutoBool, n_nodes: int, n_bytes: int, expected: bool
) -> None:
    assert is_sharded(choice, n_nodes, n_bytes) is expected
