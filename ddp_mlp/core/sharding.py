"""Who computes which partial of the fixed tree: pure functions of integers.

The micro-batches of a global batch are the leaves 0 .. M-1 of a binary tree, M a power of
two. A partial is the sum over an interval of leaves, a node of that tree. A worker (a thread of
a rank) owns a contiguous run of leaves. Folding its run leaves one partial, or a few where the
run does not begin and end where a partial does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

Interval = tuple[int, int]

#: As said, or where it pays.
AutoBool = bool | Literal["auto"]

#: Bytes of other nodes' sums in a step, from which on it pays to receive less in one more exchange.
_WORTH_BYTES = 2**20


#: Rows of samples that a worker takes through the layers at once, where its micro-batches have fewer.
_ROWS_AT_ONCE = 512
#: From so many values of work space for each parameter on, it pays a worker no longer to read the rows of all others.
_WORK_PER_PARAMETER = 1.25
#: So many values of any dtype fill cache lines.
_WHOLE_LINES = 16


def micro_batches_at_once(global_batch_size: int, micro_batches: int, run: int) -> int:
    """Return how many micro-batches a worker takes through the layers together.

    They are its whole `run` of them, as far as few rows allow: many small products cost more
    than one, and have the same bits.

    Examples
    --------
    >>> [micro_batches_at_once(size, 8, 4) for size in (256, 2048, 4096)]
    [4, 2, 1]
    """
    return max(1, min(run, _ROWS_AT_ONCE * micro_batches // global_batch_size))


def rows_at_once(global_batch_size: int, micro_batches: int, run: int) -> int:
    """Return room for the rows of the micro-batches that a worker takes through the layers together.

    Every quantity of a row then begins on a cache line.

    Examples
    --------
    >>> rows_at_once(200, 8, 4)
    112
    """
    together = micro_batches_at_once(global_batch_size, micro_batches, run)
    return -(-global_batch_size * together // micro_batches // _WHOLE_LINES) * _WHOLE_LINES


def defers_weights(global_batch_size: int, micro_batches: int, run: int, columns: int, n_parameters: int) -> bool:
    """Tell whether each worker of a node takes the gradient sums of just the weights that it updates.

    It then reads the work space of all workers, of so many `columns`, rather than their sums
    of its part of the parameters, and these need not be written. The rows of a whole `run`
    of micro-batches must be there at once.

    Parameters
    ----------
    global_batch_size, micro_batches : int
        Rows and parts of a batch.
    run : int
        Micro-batches of a worker.
    columns : int
        Values of work space for each row.
    n_parameters : int

    Examples
    --------
    >>> [defers_weights(size, 2, 1, columns=3866, n_parameters=931_850) for size in (128, 512)]
    [True, False]
    """
    together = micro_batches_at_once(global_batch_size, micro_batches, run)
    return together == run and global_batch_size * columns <= _WORK_PER_PARAMETER * n_parameters


def is_sharded(choice: AutoBool, n_nodes: int, n_bytes: int) -> bool:
    """Tell whether nodes share out the update of parameters of so many bytes.

    Each of N nodes receives the sums of all others, (N - 1) P, or its parts of the sums and
    the others' parts of the parameters, 2 (N - 1) / N P, with one more exchange in a step.
    """
    if n_nodes == 1:
        return False
    return (n_nodes - 1) * n_bytes >= _WORTH_BYTES if choice == "auto" else choice


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


def default_micro_batches(workers: int) -> int:
    """Return M where a configuration leaves it open: the same for whoever starts with up to eight workers.

    Examples
    --------
    >>> [default_micro_batches(workers) for workers in (1, 2, 8, 9, 40)]
    [8, 8, 8, 16, 64]
    """
    return max(8, power_of_two_at_least(workers))


def _are_siblings(left: Interval, right: Interval) -> bool:
    size = left[1] - left[0]
    return left[1] == right[0] and right[1] - right[0] == size and left[0] % (2 * size) == 0


def fold_intervals(intervals: Iterable[Interval]) -> tuple[list[int], list[Interval]]:
    """Fold partials as far as they reach.

    Parameters
    ----------
    intervals : iterable of (start, stop)
        Partials as the ranges of leaves they cover, in their order.

    Returns
    -------
    merges : list of int
        How many pairs of siblings are complete, and added, after each partial is pushed.
    remaining : list of (start, stop)
        The partials that are left, in order.

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
    """Return the most partials that are on the stack at once."""
    deepest = depth = 0
    for count in merges:
        deepest = max(deepest, depth + 1)
        depth += 1 - count
    return max(deepest, 1)


@dataclass(frozen=True)
class ReductionPlan:
    """How the workers of one node compute and fold their part of the tree.

    A node is a set of workers that share memory: all threads of all ranks of a machine.

    Attributes
    ----------
    runs : tuple of (start, stop)
        Micro-batches of each worker of this node.
    worker_merges : tuple of int, one for each of the M micro-batches
        Pairs that its worker adds after that micro-batch; 0 outside this node's runs.
    depth : int
        Gradient vectors that one worker needs.
    rows, merges : tuple of int
        Where the workers leave their sums (worker times depth, plus position), and how
        these fold.
    sums_of_node : tuple of int
        How many sums each node is left with.
    top_merges : tuple of int
        How the sums of all nodes, in order of node, fold to one.
    """

    runs: tuple[Interval, ...]
    worker_merges: tuple[int, ...]
    depth: int
    rows: tuple[int, ...]
    merges: tuple[int, ...]
    sums_of_node: tuple[int, ...]
    top_merges: tuple[int, ...]


def plan_reduction(micro_batches: int, workers_of_node: Sequence[int], node: int) -> ReductionPlan:
    """Cut the tree of `micro_batches` leaves between the workers of all nodes.

    Parameters
    ----------
    micro_batches : int
        Leaves of the tree, a power of two, at least the number of workers.
    workers_of_node : sequence of int
        Number of workers of each node.
    node : int
        The node whose plan is wanted.
    """
    n_workers = sum(workers_of_node)
    firsts = list(accumulate(workers_of_node, initial=0))
    runs = [fair_bounds(micro_batches, w, n_workers) for w in range(firsts[node], firsts[node + 1])]
    folded = [fold_intervals(_leaves(run)) for run in runs]
    worker_merges = [0] * micro_batches
    for (start, stop), (merges, _) in zip(runs, folded, strict=True):
        worker_merges[start:stop] = merges
    depth = max(_depth(merges) for merges, _ in folded)
    sums_by_node = [
        fold_intervals(
            _leaves(
                (
                    fair_bounds(micro_batches, first, n_workers)[0],
                    fair_bounds(micro_batches, last - 1, n_workers)[1],
                )
            )
        )[1]
        for first, last in pairwise(firsts)
    ]
    return ReductionPlan(
        runs=tuple(runs),
        worker_merges=tuple(worker_merges),
        depth=depth,
        rows=tuple(w * depth + i for w, (_, sums) in enumerate(folded) for i in range(len(sums))),
        merges=tuple(fold_intervals(part for _, sums in folded for part in sums)[0]),
        sums_of_node=tuple(len(sums) for sums in sums_by_node),
        top_merges=tuple(fold_intervals(part for sums in sums_by_node for part in sums)[0]),
    )


def _leaves(run: Interval) -> Iterable[Interval]:
    return ((leaf, leaf + 1) for leaf in range(*run))
