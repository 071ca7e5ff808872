"""The fixed tree over gradient sums, evaluated block by block.

Nodes come in the order of the micro-batches they cover. After each node is pushed on a
stack, ``merges[i]`` pairs on its top are complete siblings of the tree and are added,
left + right. So the order of additions is a property of the nodes' intervals alone,
whoever computed them.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.intrinsics import jit, like

#: Values folded at a time: a stack of such blocks stays in the first-level cache.
BLOCK = 1024
#: Depth of the stack: enough for 2^30 micro-batches.
STACK_DEPTH = 32


@jit
def add_into(left, right):
    """``left += right``, element by element."""
    for i in range(left.shape[0]):
        left[i] += right[i]


@jit
def add_columns(rows, total):
    """Add the column sums of `rows` (B * O,) to `total` (O,), four rows at a time and then one by one."""
    n = total.shape[0]
    fours = rows.shape[0] // (4 * n) * (4 * n)
    for start in range(0, fours, 4 * n):
        first, second = rows[start : start + n], rows[start + n : start + 2 * n]
        third, fourth = rows[start + 2 * n : start + 3 * n], rows[start + 3 * n : start + 4 * n]
        for c in range(n):
            total[c] += (first[c] + second[c]) + (third[c] + fourth[c])
    for start in range(fours, rows.shape[0], n):
        add_into(total, rows[start : start + n])


@jit
def copy(source, target):
    """``target[:] = source``; a loop compiles ten times faster than Numba's assignment of slices."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@jit
def merge(nodes, row, merges, start, stop):
    """Add `merges` complete pairs of ``nodes[: row + 1, start:stop]``, the right one of the first in row `row`."""
    for i in range(merges):
        add_into(nodes[row - i - 1, start:stop], nodes[row - i, start:stop])


@jit
def fold_block(nodes, rows, merges, start, stop, stack):
    """Fold ``nodes[rows, start:stop]`` and return how many nodes are left on `stack`."""
    size = stop - start
    depth = 0
    for i in range(rows.shape[0]):
        node = nodes[rows[i], start:stop]
        pending = merges[i]
        if pending > 0:  # add straight from memory, without a copy on the stack
            add_into(stack[depth - 1, :size], node)
            pending -= 1
        else:
            copy(node, stack[depth, :size])
            depth += 1
        while pending > 0:
            add_into(stack[depth - 2, :size], stack[depth - 1, :size])
            depth -= 1
            pending -= 1
    return depth


@jit
def fold_in_place(nodes, rows, merges, start, stop, stack):
    """Fold ``nodes[rows, start:stop]`` into the first rows of `nodes`, as many as are left."""
    for i in range(fold_block(nodes, rows, merges, start, stop, stack)):
        copy(stack[i, : stop - start], nodes[i, start:stop])


@jit
def fold_tails(tails, rows, merges, out):
    """Fold the tails of the same nodes in the same tree into the rows of `out`."""
    stack = np.empty((STACK_DEPTH, tails.shape[1]))
    depth = fold_block(tails, rows, merges, 0, tails.shape[1], stack)
    for i in range(depth):
        copy(stack[i], out[i])


@jit
def tree_sum(values, size):
    """Return the sum of ``values[:size]``, added in a fixed tree; `values` (BLOCK,) is overwritten.

    The values, with zeros up to a power of two, are halved, and the halves added, until one
    is left: all loops run over whole vectors, and the rounding error grows with the
    logarithm of the size only.
    """
    width = 1
    while width < size:
        width *= 2
    for i in range(size, width):
        values[i] = like(values, 0.0)
    half = width // 2
    while half > 0:
        upper = values[half : 2 * half]
        for i in range(half):
            values[i] += upper[i]
        half //= 2
    return np.float64(values[0])


@jit
def square_sum(values, scratch):
    """Return ``sum(values^2)`` of at most `BLOCK` values, by `tree_sum`; `scratch` is (BLOCK,)."""
    for i in range(values.shape[0]):
        scratch[i] = values[i] * values[i]
    return tree_sum(scratch, values.shape[0])


@jit
def wide_square_sum(values):
    """Return ``sum(values^2)``, first to last in float64, for values whose squares float32 cannot hold."""
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@jit
def sum_of(values):
    """Return the sum of `values`, first to last."""
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total
