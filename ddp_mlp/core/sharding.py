"""Who computes which node of the fixed tree: pure functions of integers.

The micro-batches of a global batch are the leaves 0 .. M-1 of a binary tree, M a power of
two. A worker (a thread of a rank) owns a contiguous run of leaves. Folding its run leaves
one node, or a few where the run does not begin and end where a node does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Interval = tuple[int, int]


def fair_bounds(n: int, part: int, n_parts: int) -> Interval:
    """Return the half-open range of `n` things that part number `part` of `n_parts` gets.

    The parts are contiguous, differ by at most one in size, and may be empty.

    Examples
    --------
    >>> [fair_bounds(10, part, 4) for part in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return n * part // n_parts, n * (part + 1) // n_parts


def power_of_two_at_least(n: int) -> int:
    """Return the smallest power of two that is not below `n` (1 for ``n <= 1``)."""
    return 1 << max(0, n - 1).bit_length()


def _are_siblings(left: Interval, right: Interval) -> bool:
    size = left[1] - left[0]
    return left[1] == right[0] and right[1] - right[0] == size and left[0] % (2 * size) == 0


def fold_intervals(intervals: Iterable[Interval]) -> tuple[list[int], list[Interval]]:
    """Fold tree nodes as far as they reach.

    Parameters
    ----------
    intervals : iterable of (start, stop)
        Nodes of the tree as the ranges of leaves they cover, in their order.

    Returns
    -------
    merges : list of int
        How many pairs of siblings are complete, and added, after each node is pushed.
    remaining : list of (start, stop)
        The nodes that are left, in order.

    Examples
    --------
    >>> fold_intervals([(0, 1), (1, 2), (2, 4), (4, 5)])
    ([0, 1, 1, 0], [(0, 4), (4, 5)])
    """
    merges: list[int] = []
    stack: list[Interval] = []
    for interval in intervals:
        stack.append(interval)
        count = 0
        while len(stack) > 1 and _are_siblings(stack[-2], stack[-1]):
            right = stack.pop()
            stack[-1] = (stack[-1][0], right[1])
            count += 1
        merges.append(count)
    return merges, stack


def _depth(merges: Sequence[int]) -> int:
    """Return the most nodes that are on the stack at once."""
    deepest = depth = 0
    for count in merges:
        deepest = max(deepest, depth + 1)
        depth += 1 - count
    return max(deepest, 1)


@dataclass(frozen=True)
class ReductionPlan:
    """How one rank computes and folds its part of the tree.

    Attributes
    ----------
    runs : tuple of (start, stop)
        Micro-batches of each worker of this rank.
    worker_merges : tuple of int, one for each of the M micro-batches
        Pairs that the worker adds after that micro-batch; 0 outside this rank's runs.
    depth : int
        Gradient vectors that one worker needs.
    node_rows, node_merges : tuple of int
        Where the workers' nodes lie (worker times depth, plus position) and how the rank
        folds them.
    nodes_of_rank : tuple of int
        How many nodes each rank is left with.
    top_merges : tuple of int
        How the nodes of all ranks, in order of rank, fold to one.
    """

    runs: tuple[Interval, ...]
    worker_merges: tuple[int, ...]
    depth: int
    node_rows: tuple[int, ...]
    node_merges: tuple[int, ...]
    nodes_of_rank: tuple[int, ...]
    top_merges: tuple[int, ...]


def _worker_run(micro_batches: int, rank: int, thread: int, world_size: int, threads: int) -> Interval:
    return fair_bounds(micro_batches, rank * threads + thread, world_size * threads)


def plan_reduction(micro_batches: int, rank: int, world_size: int, threads: int) -> ReductionPlan:
    """Cut the tree of `micro_batches` leaves between the ranks and their threads.

    Parameters
    ----------
    micro_batches : int
        Leaves of the tree, a power of two, at least ``world_size * threads``.
    rank, world_size, threads : int
        This rank, the number of ranks, and of threads in each rank.
    """
    runs = [_worker_run(micro_batches, rank, t, world_size, threads) for t in range(threads)]
    folded = [fold_intervals((i, i + 1) for i in range(*run)) for run in runs]
    worker_merges = [0] * micro_batches
    for (start, stop), (merges, _) in zip(runs, folded, strict=True):
        worker_merges[start:stop] = merges
    depth = max(_depth(merges) for merges, _ in folded)
    node_rows = [t * depth + i for t, (_, nodes) in enumerate(folded) for i in range(len(nodes))]
    node_merges, _ = fold_intervals(node for _, nodes in folded for node in nodes)
    nodes_by_rank = [
        fold_intervals((i, i + 1) for i in range(*fair_bounds(micro_batches, r, world_size)))[1]
        for r in range(world_size)
    ]
    top_merges, _ = fold_intervals(node for nodes in nodes_by_rank for node in nodes)
    return ReductionPlan(
        runs=tuple(runs),
        worker_merges=tuple(worker_merges),
        depth=depth,
        node_rows=tuple(node_rows),
        node_merges=tuple(node_merges),
        nodes_of_rank=tuple(len(nodes) for nodes in nodes_by_rank),
        top_merges=tuple(top_merges),
    )
