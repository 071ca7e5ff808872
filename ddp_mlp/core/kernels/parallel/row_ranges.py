"""Where the rows of micro-batches lie: in the order of samples, and in the work space of workers.

`spans` is int64 of shape (n, 3): of each micro-batch the worker that has its rows, and the
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
def write_spans(batch, micro_batches, worker, first, spans):
    """Write down the spans of micro-batches that a worker takes together, from `first` on."""
    begin = edge(batch, micro_batches, first)
    for i in range(spans.shape[0]):
        spans[i, WORKER] = worker
        spans[i, FROM] = edge(batch, micro_batches, first + i) - begin
        spans[i, TO] = edge(batch, micro_batches, first + i + 1) - begin
