"""A hash over the content of a data set, to tell on a resume that it is still the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5 import Split
    from ddp_mlp.data.rows import Rows, Task

FULL_BYTES = 256 * 2**20
_BLOCK_BYTES = 2**20


def fingerprint(task: Task, n_outputs: int, splits: Mapping[str, Split]) -> str:
    """Return the SHA-256, in hexadecimal, over description and rows of all splits.

    Rows are hashed in blocks of about 1 MiB: all of them where the whole is at most
    256 MiB, else 256 blocks spread evenly over the splits by their size, always with the
    first and the last of each. Values are taken little-endian.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([task, n_outputs]).encode())
    row_bytes = {name: _row_bytes(split) for name, split in splits.items()}
    total = sum(row_bytes[name] * split.n_samples for name, split in splits.items())
    for name in sorted(splits):
        split = splits[name]
        share = 1.0 if total <= FULL_BYTES else FULL_BYTES / total
        for start, stop in _blocks(split.n_samples, max(1, _BLOCK_BYTES // row_bytes[name]), share):
            rows = split.read_unchecked(start, stop)
            if start == 0:
                digest.update(json.dumps([name, split.n_samples, _header(rows)]).encode())
            for array in _arrays(rows):
                digest.update(_little_endian(array))
    return digest.hexdigest()


def _blocks(n_rows: int, block_rows: int, share: float) -> Iterator[tuple[int, int]]:
    """Yield ``start, stop`` of a share of all blocks, evenly spaced, with the first and the last."""
    n_blocks = -(-n_rows // block_rows)
    chosen = n_blocks if share >= 1 else max(2, int(n_blocks * share))
    for index in range(min(chosen, n_blocks)):
        block = index if chosen >= n_blocks else index * (n_blocks - 1) // (chosen - 1)
        yield block * block_rows, min((block + 1) * block_rows, n_rows)


def _row_bytes(split: Split) -> int:
    return sum(array.nbytes for array in _arrays(split.read_unchecked(0, 1)))


def _arrays(rows: Rows) -> list[NDArray[Any]]:
    return [rows.features, rows.targets] + ([] if rows.weights is None else [rows.weights])


def _header(rows: Rows) -> list[list[Any]]:
    return [[array.dtype.name, list(array.shape[1:])] for array in _arrays(rows)]


def _little_endian(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data.cast("B")
