"""Rows of files, read into memory some at a time as training has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.resident import Preprocessing, Resident, are_bytes, make_memory, put_rows, sizes_in_memory
from ddp_mlp.data.rows import Rows

Ids = NDArray[np.int64]

#: Bytes of rows that are read at a time where some of them are looked for.
READ_BYTES = 2**21


@dataclass(frozen=True, eq=False)
class RowReader:
    """Reads rows of splits, which are numbered one split after the other.

    Attributes
    ----------
    splits : tuple of Split
    preprocessing : Preprocessing
    dtype : str
        That of training.
    n_targets : int
        Columns of the targets in memory.
    """

    splits: tuple[Split, ...]
    preprocessing: Preprocessing
    dtype: str
    n_targets: int

    @property
    def row_bytes(self) -> int:
        """Bytes that one row takes in memory."""
        return sum(
            sizes_in_memory(
                1, len(self.preprocessing.features.offset), self.n_targets, self.dtype,
                as_bytes=are_bytes(self.splits), weighted=self.preprocessing.weighted,
            )
        )  # fmt: skip

    def memory(self, n_rows: int, allocate: Callable[[int], NDArray[np.uint8]]) -> Resident:
        """Lay out memory for `n_rows` rows; see `make_memory`."""
        as_bytes = are_bytes(self.splits)
        return make_memory(n_rows, self.preprocessing, self.dtype, self.n_targets, as_bytes=as_bytes, allocate=allocate)

    def read(self, split: int, start: int, stop: int, memory: Resident, at: int) -> None:
        """Read rows ``start <= row < stop`` of a split into memory.

        Parameters
        ----------
        split : int
            Its place among `splits`.
        memory : Resident
            As `memory` lays it out.
        at : int
            Row of it for the first of these.

        Raises
        ------
        DataError, StorageError
            As `Split.read`.
        """
        put_rows(memory, at, self.splits[split].read(start, stop), self.preprocessing)

    def read_ids(self, ids: Ids, memory: Resident, at: int) -> None:
        """Read the rows with these numbers, in ascending order, to row `at` of some memory and those that follow.

        Raises
        ------
        DataError, StorageError
            As `Split.read`.
        """
        first_of_split = 0
        for split in self.splits:
            begin, end = np.searchsorted(ids, (first_of_split, first_of_split + split.n_samples))
            self._read_some(split, ids[begin:end] - first_of_split, memory, at + int(begin))
            first_of_split += split.n_samples

    def _read_some(self, split: Split, ids: Ids, memory: Resident, at: int) -> None:
        most, done = self._rows_at_once(split), 0
        while done < len(ids):
            start = int(ids[done])
            end = int(np.searchsorted(ids, start + most))
            rows, chosen = split.read(start, int(ids[end - 1]) + 1), ids[done:end] - start
            put_rows(memory, at + done, _chosen(rows, chosen), self.preprocessing)
            done = end

    def _rows_at_once(self, split: Split) -> int:
        width = len(self.preprocessing.features.offset)
        return max(1, READ_BYTES // (width * split.feature_dtype.itemsize))


def _chosen(rows: Rows, chosen: Ids) -> Rows:
    if len(chosen) == len(rows.features):
        return rows
    return Rows(rows.features[chosen], rows.targets[chosen], None if rows.weights is None else rows.weights[chosen])


def rows_of(reader: RowReader, ids: Ids) -> Resident:
    """Return some rows, in ascending order of their numbers, in memory of this process alone."""
    memory = reader.memory(len(ids), lambda n_bytes: np.zeros(n_bytes, np.uint8))
    reader.read_ids(ids, memory, 0)
    return memory
