"""The fixed tree over gradient sums, evaluated block by block.

Nodes come in the order of the micro-batches they cover. After each node is pushed on a
stack, ``merges[i]`` pairs on its top are complete siblings of the tree and are added,
left + right. So the order of additions is a property of the nodes' intervals alone,
whoever computed them.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.vector_ops import add_into, copy

#: Values folded at a time: a stack of such blocks stays in the first-level cache.
BLOCK = 1024
#: Depth of the stack: enough for 2^30 micro-batches.
STACK_DEPTH = 32


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
