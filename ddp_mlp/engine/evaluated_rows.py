"""Rows that are evaluated: in memory already, or read from a file a piece at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS
from ddp_mlp.data.resident import Resident
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.engine.shared_memory import private_array

Ids = NDArray[np.int64]

#: Memory of the rows that a rank has read and not evaluated yet.
PIECE_BYTES = 32 * 2**20
#: Blocks of them at most, since outputs may be wider than rows.
MOST_BLOCKS = 256


class EvaluatedRows(Protocol):
    """Brings blocks of `EVALUATION_ROWS` rows into memory.

    Attributes
    ----------
    memory : Resident
        Where they are then.
    most_blocks : int or None
        How many at a time; None for any number.
    """

    memory: Resident
    most_blocks: int | None

    def bring(self, ids: Ids, first: int, last: int) -> tuple[Ids, int]:
        """Bring blocks ``first <= block < last`` of the rows `ids`, which ascend, into memory.

        Returns
        -------
        order : ndarray of int64
            Where rows are in memory. The first is that of the first row of all, from which targets are counted.
        shift : int
            Block b of `ids` is block b - shift of `order`; -1 at least.
        """


class HeldRows:
    """Rows that are all in memory."""

    def __init__(self, memory: Resident) -> None:
        self.memory = memory
        self.most_blocks: int | None = None

    def bring(self, ids: Ids, first: int, last: int) -> tuple[Ids, int]:  # noqa: ARG002 - all are there
        """Return the rows themselves."""
        return ids, 0


class ReadRows:
    """Rows that are read when they are needed, into memory of this rank, behind a block that holds the first of all."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        n_blocks = PIECE_BYTES // (EVALUATION_ROWS * reader.row_bytes)
        self.most_blocks: int | None = max(1, min(n_blocks, MOST_BLOCKS))
        n_rows = (1 + self.most_blocks) * EVALUATION_ROWS
        self.memory = reader.memory(n_rows, lambda n_bytes: private_array((n_bytes,), np.uint8))
        self._first_id = -1
        self._there = np.zeros(0, np.int64)

    def bring(self, ids: Ids, first: int, last: int) -> tuple[Ids, int]:
        """Read the rows of some blocks.

        Raises
        ------
        DataError, StorageError
            If they cannot be read.
        """
        if self._first_id != ids[0]:
            self._reader.read_ids(ids[:1], self.memory, 0)
            self._first_id = int(ids[0])
        wanted = ids[first * EVALUATION_ROWS : last * EVALUATION_ROWS]
        if not np.array_equal(wanted, self._there):  # else another network has asked for them
            self._there = wanted[:0]
            self._reader.read_ids(wanted, self.memory, EVALUATION_ROWS)
            self._there = wanted.copy()
        return np.arange(EVALUATION_ROWS + len(wanted)), first - 1


def evaluated_rows(rows: Resident | RowReader | EvaluatedRows) -> EvaluatedRows:
    """Return rows in memory, or in a file, as rows to evaluate; several networks may take them by turns."""
    if isinstance(rows, RowReader):
        return ReadRows(rows)
    return HeldRows(rows) if isinstance(rows, Resident) else rows
