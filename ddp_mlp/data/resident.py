"""All rows in memory, normalised as far as it pays, once for each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.hdf5 import Split
from ddp_mlp.data.normalization import Normalization, normalize

#: Rows read from the file at a time.
BLOCK_ROWS = 8192

#: How features lie in memory; the kernels know the same two codes.
_AS_DTYPE, _AS_UINT8 = 0, 1


@dataclass(frozen=True)
class Resident:
    """The samples of one or more splits, one after the other.

    Attributes
    ----------
    features : ndarray of uint8, shape (N, bytes of a row)
        Rows of the dtype of training, normalised; or raw uint8 values, which are four
        times smaller and normalised when they are gathered.
    stored : int
        0 for rows in the dtype of training, 1 for raw uint8.
    offset, scale : ndarray of shape (F,), dtype of training
        ``(x - offset) * scale`` normalises raw values.
    targets : ndarray of shape (N, T), dtype of training
        Labels are whole numbers, T = 1.
    starts : tuple of int
        First row of each split, and N at the end.
    """

    features: NDArray[np.uint8]
    stored: int
    offset: NDArray[np.floating]
    scale: NDArray[np.floating]
    targets: NDArray[np.floating]
    starts: tuple[int, ...]


def _as_bytes(splits: Sequence[Split]) -> bool:
    return all(split.feature_dtype == np.uint8 for split in splits)


def sizes_of_rows(splits: Sequence[Split], n_features: int, n_targets: int, dtype: str) -> tuple[int, int]:
    """Return the bytes of memory that the features and the targets of splits take."""
    n_rows = sum(split.n_samples for split in splits)
    itemsize = np.dtype(dtype).itemsize
    return n_rows * n_features * (1 if _as_bytes(splits) else itemsize), n_rows * n_targets * itemsize


def load_resident(
    splits: Sequence[Split],
    normalization: Normalization,
    dtype: str,
    n_targets: int,
    *,
    allocate: Callable[[int], NDArray[np.uint8]],
    part: int = 0,
    n_parts: int = 1,
) -> Resident:
    """Read splits into memory that `allocate` gives, possibly shared by several readers.

    Parameters
    ----------
    normalization : Normalization
        Applied in float64 before rounding to `dtype`, so that large offsets cost no digits.
    allocate : callable
        Returns zeroed memory of so many bytes.
    part, n_parts : int
        This reader fills part number `part` of each split; the caller waits for all.

    Raises
    ------
    DataError
        If a value is not finite or a label is out of range.
    """
    as_bytes = _as_bytes(splits)
    starts = np.cumsum([0, *(split.n_samples for split in splits)]).tolist()
    n_features = len(normalization.offset)
    feature_bytes, target_bytes = sizes_of_rows(splits, n_features, n_targets, dtype)
    features = allocate(feature_bytes).reshape(starts[-1], -1)
    targets = allocate(target_bytes).view(dtype).reshape(starts[-1], n_targets)
    resident = Resident(
        features=features,
        stored=_AS_UINT8 if as_bytes else _AS_DTYPE,
        offset=normalization.offset.astype(dtype),
        scale=normalization.scale.astype(dtype),
        targets=targets,
        starts=tuple(starts),
    )
    for split, start in zip(splits, starts, strict=False):
        first, last = split.n_samples * part // n_parts, split.n_samples * (part + 1) // n_parts
        _fill(resident, split, start, first, last, normalization)
    return resident


def _fill(resident: Resident, split: Split, start: int, first: int, last: int, normalization: Normalization) -> None:
    features = resident.features
    for at in range(first, last, BLOCK_ROWS):
        stop = min(at + BLOCK_ROWS, last)
        rows = split.read(at, stop)
        to = slice(start + at, start + stop)
        resident.targets[to] = rows.targets
        if resident.stored == _AS_UINT8:
            features[to] = rows.features
        else:
            dtype = resident.targets.dtype
            features[to].view(dtype)[...] = normalize(normalization, rows.features, dtype)
