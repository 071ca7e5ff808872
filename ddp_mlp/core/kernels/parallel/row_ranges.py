"""Where the rows of micro-batches lie: in the order of samples, and in the work space of workers.

`row_ranges` is int64 of shape (n, 3): of each micro-batch the worker that has its rows, and the
first and last (exclusive) of them there.
"""

from __future__ import annotations

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit

WORKER, FROM, TO = range(3)


@jit
def edge(batch, micro_batches, m):
    """Return where micro-batch `m` of a batch begins in the order."""
    return batch[0] + (batch[1] - batch[0]) * m // micro_batches


@jit
def count_fitting(batch, micro_batches, first, last, capacity):
    """Return how many micro-batches, from `first` on, fit `capacity`: at least one; empty ones always fit."""
    begin, count = edge(batch, micro_batches, first), 1
    while first + count < last and edge(batch, micro_batches, first + count + 1) - begin <= capacity:
        count += 1
    return count


@jit
def write_row_ranges(batch, micro_batches, worker, first, row_ranges):
    """Write down the row ranges of micro-batches that a worker takes together, from `first` on."""
    begin = edge(batch, micro_batches, first)
    for i in range(row_ranges.shape[0]):
        row_ranges[i, WORKER] = worker
        row_ranges[i, FROM] = edge(batch, micro_batches, first + i) - begin
        row_ranges[i, TO] = edge(batch, micro_batches, first + i + 1) - begin
