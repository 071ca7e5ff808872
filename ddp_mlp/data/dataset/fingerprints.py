"""A hash over the content of a data set, to tell on a resume that it is still the same."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.dataset.split import Split
    from ddp_mlp.data.rows import Rows, Task

SMALL_BYTES = 256 * 2**20
_BLOCK_BYTES = 2**20
#: Blocks that are read and not hashed yet, at most.
_MOST_WAITING = 16


def fingerprint(task: Task, n_outputs: int, splits: Mapping[str, Split]) -> str:
    """Return a hash over description and rows of all splits, in hexadecimal.

    Rows are hashed in blocks of about 1 MiB, values little-endian. Up to 256 MiB it is one
    SHA-256 over all of them. Beyond that there are two, with a point between: one over 256 blocks
    spread evenly over the splits by their size, by which earlier versions knew such a file, and
    one over the hashes of all blocks, which are taken beside reading.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    row_bytes = {name: _row_bytes(split) for name, split in splits.items()}
    total = sum(row_bytes[name] * split.n_samples for name, split in splits.items())
    digest, hashes = hashlib.sha256(json.dumps([task, n_outputs]).encode()), _Hashes()
    with closing(hashes):
        for name in sorted(splits):
            split, block_rows = splits[name], max(1, _BLOCK_BYTES // row_bytes[name])
            sampled = set(_sampled(split.n_samples, block_rows, min(1.0, SMALL_BYTES / total)))
            for start in range(0, split.n_samples, block_rows):
                rows = split.read_stored(start, min(start + block_rows, split.n_samples))
                header = json.dumps([name, split.n_samples, _header(rows)]).encode() if start == 0 else b""
                content: list[bytes | memoryview] = [header, *map(_little_endian, _arrays(rows))]
                if start in sampled:
                    for part in content:
                        digest.update(part)
                if total > SMALL_BYTES:
                    hashes.add(content)
        return digest.hexdigest() if total <= SMALL_BYTES else f"{digest.hexdigest()}.{hashes.hexdigest()}"


def is_same_content(stored: str, found: str) -> bool:
    """Tell whether a fingerprint that was kept, perhaps by an earlier version, is that of the content found.

    Both may be of several files, joined by ``+``.
    """
    files = list(zip(stored.split("+"), found.split("+"), strict=False))
    same_number = stored.count("+") == found.count("+")
    return same_number and all(new == old or new.partition(".")[0] == old for old, new in files)


class _Hashes:
    """SHA-256 of blocks in their order, each taken on a thread of its own: hashing lets go of the interpreter."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._waiting: deque[Future[bytes]] = deque()
        self._digest = hashlib.sha256()

    def add(self, content: Sequence[bytes | memoryview]) -> None:
        """Hash a block."""
        if len(self._waiting) == _MOST_WAITING:
            self._digest.update(self._waiting.popleft().result())
        self._waiting.append(self._pool.submit(_hash, content))

    def hexdigest(self) -> str:
        """Return the hash over the hashes of all blocks."""
        while self._waiting:
            self._digest.update(self._waiting.popleft().result())
        return self._digest.hexdigest()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)


def _hash(content: Sequence[bytes | memoryview]) -> bytes:
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return digest.digest()


def _sampled(n_rows: int, block_rows: int, share: float) -> Iterator[int]:
    """Yield the first row of each of a share of all blocks, evenly spaced, with the first and the last."""
    n_blocks = -(-n_rows // block_rows)
    chosen = n_blocks if share >= 1 else max(2, int(n_blocks * share))
    for index in range(min(chosen, n_blocks)):
        yield (index if chosen >= n_blocks else index * (n_blocks - 1) // (chosen - 1)) * block_rows


def _row_bytes(split: Split) -> int:
    return sum(array.nbytes for array in _arrays(split.read_stored(0, 1)))


def _arrays(rows: Rows) -> list[NDArray[Any]]:
    targets = [rows.targets] if rows.targets.shape[1] else []
    return [rows.features, *targets] + ([] if rows.weights is None else [rows.weights])


def _header(rows: Rows) -> list[list[Any]]:
    return [[array.dtype.name, list(array.shape[1:])] for array in _arrays(rows)]


def _little_endian(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data.cast("B")
