"""Vectors and sums in memory that all ranks of a node see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.core.kernels.step.arena import TAIL_COLUMNS
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.sharding import ReductionPlan
from ddp_mlp.engine.optimizer_shards import OptimizerShards

_LINE = 64


@dataclass(frozen=True)
class SumTable:
    """Rows of one gradient vector and one tail each, in memory that a node shares.

    Attributes
    ----------
    rows : ndarray of uint8, shape (n_rows, stride)
        The whole memory: what travels between nodes.
    sums : ndarray of shape (n_rows, stride / itemsize)
        The same memory; the first P columns are the gradient sum.
    tails : ndarray of float64, shape (n_rows, TAIL_COLUMNS)
        The same memory, behind the gradient sum.
    """

    rows: NDArray[np.uint8]
    sums: Floats
    tails: NDArray[np.float64]


def shared_table(comm: Communicator, n_rows: int, n_parameters: int, dtype: np.dtype[Any]) -> SumTable:
    """Collective. Allocate a table whose rows start on cache lines; pages take memory when they are written.

    There are two rows and a line of sums at least, since `Arena` wants gaps between the tails, and
    for one row, or nothing between two, NumPy sees none.
    """
    n_rows, tail_at = max(2, n_rows), max(1, -(-n_parameters * dtype.itemsize // _LINE)) * _LINE
    stride = tail_at + TAIL_COLUMNS * 8
    rows = comm.node_shared(n_rows * stride, zeroed=False).reshape(n_rows, stride)
    return SumTable(rows, rows.view(dtype), rows[:, tail_at:].view(np.float64))


@dataclass(frozen=True)
class SumTables:
    """Where the gradient sums of a node lie.

    Attributes
    ----------
    own : SumTable
        Of its workers; a few for each.
    top : SumTable
        Of all nodes, in their order, in the blocks that this node owns. Where these are all,
        and the sums of the node end in the first rows of `own`, the rows are the same memory.
    """

    own: SumTable
    top: SumTable

    @property
    def n_bytes(self) -> int:
        """Bytes of all rows."""
        own, top = self.own.rows, self.top.rows
        return top.nbytes + (0 if np.may_share_memory(own, top) else own.nbytes)


def sum_tables(comm: Communicator, plan: ReductionPlan, shares: OptimizerShards, start: Floats) -> SumTables:
    """Collective. Allocate the sums that the workers of a node, and the nodes, fold."""
    n_top, first = sum(plan.sums_of_node), sum(plan.sums_of_node[: comm.node])
    n_own = max(2, len(plan.runs) * plan.depth)  # a part of `top` must have two as well
    if shares.is_sharded:
        own = shared_table(comm, n_own, len(start), start.dtype)
        return SumTables(own, shared_table(comm, n_top, shares.n_values, start.dtype))
    top = shared_table(comm, max(n_top, first + n_own), len(start), start.dtype)
    rows = slice(first, first + n_own)
    return SumTables(SumTable(top.rows[rows], top.sums[rows], top.tails[rows]), top)


def shared_array(comm: Communicator, shape: tuple[int, ...], dtype: DTypeLike, *, zeroed: bool = True) -> NDArray[Any]:
    """Collective. Allocate an array that all ranks of the node see, of zeros or, faster, of anything."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return comm.node_shared(size, zeroed=zeroed).view(dtype).reshape(shape)


def private_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate zeros of this rank alone that begin on a cache line, as NumPy's do not."""
    return shared_array(SingleProcess(), shape, dtype)
