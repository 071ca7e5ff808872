"""Rows of one run after the other, kept where those of the next are the same, and shared with other processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.comm.node_memory import NodeMemory, node_memory
from ddp_mlp.config import Config
from ddp_mlp.data.resident import Resident, are_bytes, fill_rows, make_memory, sizes_of_rows
from ddp_mlp.data.row_reader import RowReader

#: Keys that choose among rows which are all in memory.
_CHOOSING = ("folds", "fold", "valid_fraction", "split_seed", "stratify", "group_by", "time_by")
_LINE = 64


class RowsAtHand:
    """The rows of the newest run, in memory that other processes of the machine may share."""

    def __init__(self) -> None:
        self._name = ""
        self._memory: NodeMemory | None = None
        self._resident: Resident | None = None

    def load(self, reader: RowReader, content: str) -> Resident | None:
        """Return all rows of a reader; None where there is no memory to be shared.

        Parameters
        ----------
        content : str
            Of `content_of`.

        Raises
        ------
        DataError
            If a value is not finite or a label is out of range.
        """
        name = hashlib.sha256(content.encode()).hexdigest()[:40]
        if name != self._name:
            self.close()
            sizes = [-(-size // _LINE) * _LINE for size in _sizes(reader)]

            def fill(memory: NDArray[np.uint8]) -> None:
                fill_rows(_laid_out(reader, memory), reader.splits, reader.preprocessing)

            self._memory = node_memory(name, sum(sizes), fill)
            if self._memory is None:
                return None
            self._name, self._resident = name, _laid_out(reader, self._memory.content)
        return self._resident

    def close(self) -> None:
        """Keep no rows any more."""
        if self._memory:
            self._memory.close()
        self._name, self._memory, self._resident = "", None, None


def content_of(config: Config, fingerprint: str, fitted: str) -> str:
    """Return a text that differs where rows in memory do.

    Parameters
    ----------
    fingerprint : str
        Hash of the data files.
    fitted : str
        Of `fit_preprocessing`.
    """
    data = {name: value for name, value in msgspec.to_builtins(config.data).items() if name not in _CHOOSING}
    return json.dumps([fingerprint, fitted, held_dtype(config.train.dtype), data], default=str)


def _sizes(reader: RowReader) -> tuple[int, int, int]:
    n_features = len(reader.preprocessing.features.offset)
    weighted = reader.preprocessing.weighted
    return sizes_of_rows(reader.splits, n_features, reader.n_targets, reader.dtype, weighted=weighted)


def _laid_out(reader: RowReader, memory: NDArray[np.uint8]) -> Resident:
    """Return the rows of a reader as they lie in memory."""

    def parts() -> Iterator[NDArray[np.uint8]]:
        at = 0
        for size in _sizes(reader):
            yield memory[at : at + size]
            at += -(-size // _LINE) * _LINE

    part = parts()
    starts = np.cumsum([0, *(split.n_samples for split in reader.splits)]).tolist()
    return make_memory(
        starts[-1], reader.preprocessing, reader.dtype, reader.n_targets, as_bytes=are_bytes(reader.splits),
        allocate=lambda n_bytes: next(part)[:n_bytes], starts=tuple(starts),
    )  # fmt: skip
