"""The fixed tree over gradient sums, evaluated block by block.

A partial is a sum over an interval of micro-batches. Partials come in the order of their
intervals. After each is pushed on a stack, ``merges[i]`` pairs on its top are complete siblings
of the tree and are added, left + right. So the order of additions is a property of the intervals
alone, whoever computed them.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.parallel.words import STACK_DEPTH
from ddp_mlp.core.kernels.vector_ops import add_into, copy


@jit
def merge(partials, row, merges, start, stop):
    """Add `merges` complete pairs of ``partials[: row + 1, start:stop]``, the right one of the first in row `row`."""
    for i in range(merges):
        add_into(partials[row - i - 1, start:stop], partials[row - i, start:stop])


@jit
def fold_block(partials, rows, merges, start, stop, stack):
    """Fold ``partials[rows, start:stop]`` and return how many partials are left on `stack`."""
    size = stop - start
    depth = 0
    for i in range(rows.shape[0]):
        partial = partials[rows[i], start:stop]
        pending = merges[i]
        if pending > 0:  # add straight from memory, without a copy on the stack
            add_into(stack[depth - 1, :size], partial)
            pending -= 1
        else:
            copy(partial, stack[depth, :size])
            depth += 1
        while pending > 0:
            add_into(stack[depth - 2, :size], stack[depth - 1, :size])
            depth -= 1
            pending -= 1
    return depth


@jit
def fold_in_place(partials, rows, merges, start, stop, stack):
    """Fold ``partials[rows, start:stop]`` into the first rows of `partials`, as many as are left."""
    for i in range(fold_block(partials, rows, merges, start, stop, stack)):
        copy(stack[i, : stop - start], partials[i, start:stop])


@jit
def fold_tails(tails, rows, merges, out):
    """Fold the tails of the same partials in the same tree into the rows of `out`."""
    stack = np.empty((STACK_DEPTH, tails.shape[1]))
    depth = fold_block(tails, rows, merges, 0, tails.shape[1], stack)
    for i in range(depth):
        copy(stack[i], out[i])
