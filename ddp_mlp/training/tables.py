"""Vectors and sums in memory that all ranks of a node see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.network import TAIL_COLUMNS
from ddp_mlp.core.layout import Floats

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
    """Collective. Allocate a table whose rows start on cache lines."""
    tail_at = -(-n_parameters * dtype.itemsize // _LINE) * _LINE
    stride = tail_at + TAIL_COLUMNS * 8
    rows = comm.node_shared(n_rows * stride).reshape(n_rows, stride)
    return SumTable(rows, rows.view(dtype), rows[:, tail_at:].view(np.float64))


def shared_array(comm: Communicator, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Collective. Allocate zeros that all ranks of the node see."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return comm.node_shared(size).view(dtype).reshape(shape)
