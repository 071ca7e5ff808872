"""The samples of each step, as pure functions of (seed, epoch, step)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.config import Config
from ddp_mlp.core.kernels.entry_points import shuffle
from ddp_mlp.core.sharding import fair_bounds

Ids = NDArray[np.int64]


def stream_key(*parts: int | str) -> np.uint64:
    """Return the 64-bit key of the random stream that `parts` name.

    Streams of different names are independent as far as SHA-256 goes.
    """
    text = "/".join(str(part) for part in parts)
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def permuted(ids: Ids, *stream: int | str) -> Ids:
    """Return `ids` (n,) in the random order of a stream.

    The order is a Fisher-Yates shuffle from a counter-based generator of our own, so it
    does not change with the version of NumPy.
    """
    shuffled = ids.copy()
    shuffle(shuffled, stream_key(*stream))
    return shuffled


def epoch_order(train_ids: Ids, seed: int, epoch: int) -> Ids:
    """Return the rows of the training split in the order of `epoch` (counted from 0)."""
    return permuted(train_ids, "epoch order", seed, epoch)


def split_ids(n_samples: int, valid_fraction: float, seed: int) -> tuple[Ids, Ids]:
    """Set aside a random part of the rows for validation.

    Returns
    -------
    train_ids, valid_ids : ndarray of int64
        Disjoint, each sorted. At least one row trains; of several, one validates if any should.
    """
    ids = np.arange(n_samples, dtype=np.int64)
    wanted = round(n_samples * valid_fraction)
    n_valid = min(max(wanted, 1 if valid_fraction > 0 else 0), n_samples - 1)
    if n_valid <= 0:
        return ids, ids[:0]
    mixed = permuted(ids, "validation split", seed)
    return np.sort(mixed[n_valid:]), np.sort(mixed[:n_valid])


def fold_ids(n_samples: int, fold: int, folds: int, seed: int) -> tuple[Ids, Ids]:
    """Return the rows that train and those that validate in fold number `fold` of `folds`.

    The folds part the rows at random into sets that differ by at most one in size; each
    row validates in exactly one of them.
    """
    mixed = permuted(np.arange(n_samples, dtype=np.int64), "folds", seed)
    start, stop = fair_bounds(n_samples, fold, folds)
    return np.sort(np.concatenate([mixed[:start], mixed[stop:]])), np.sort(mixed[start:stop])


def steps_per_epoch(n_samples: int, global_batch_size: int) -> int:
    """Return the number of global batches in an epoch, the short last one included."""
    return -(-n_samples // global_batch_size)


def batch_bounds(n_samples: int, global_batch_size: int, position: int) -> tuple[int, int]:
    """Return the range of the epoch's order that batch number `position` takes."""
    start = position * global_batch_size
    return start, min(start + global_batch_size, n_samples)


def global_batch_size(config: Config, n_train: int) -> int:
    """Return the samples of a full global batch; no more than there are."""
    size = config.train.global_batch_size
    return n_train if size == "full" else min(size, n_train)
