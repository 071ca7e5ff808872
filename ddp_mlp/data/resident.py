"""All rows in memory, normalised as far as it pays, once for each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import Normalization, normalize
from ddp_mlp.data.rows import Rows

#: Rows read from the file at a time.
BLOCK_ROWS = 8192

#: How features lie in memory; the kernels know the same two codes.
_AS_DTYPE, _AS_UINT8 = 0, 1


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """The preprocessing of rows on their way into memory.

    Attributes
    ----------
    features : Normalization
    targets : Normalization or None
        None leaves targets as they are.
    autoencode : bool
        The normalised features are the targets, in place of those of the file.
    weighted : bool
        Keep a weight for each row: that of the file, or 1, times that of its class.
    class_weights : ndarray of float64, shape (C,), or None
    imputed_columns : int
        Features of which values were missing in the training rows.
    """

    features: Normalization
    target_normalization: Normalization | None = None
    autoencode: bool = False
    weighted: bool = False
    class_weights: NDArray[np.float64] | None = None
    imputed_columns: int = 0


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
        Labels are whole numbers, T = 1; quantities are normalised where that is asked for.
    starts : tuple of int
        First row of each split, and N at the end.
    weights : ndarray of shape (N,), dtype of training, or None
        What each sample weighs in training, None where all weigh 1.
    """

    features: NDArray[np.uint8]
    stored: int
    offset: NDArray[np.floating]
    scale: NDArray[np.floating]
    targets: NDArray[np.floating]
    starts: tuple[int, ...]
    weights: NDArray[np.floating] | None = None


def _as_bytes(splits: Sequence[Split]) -> bool:
    return all(split.feature_dtype == np.uint8 for split in splits)


def sizes_of_rows(
    splits: Sequence[Split], n_features: int, n_targets: int, dtype: str, *, weighted: bool = False
) -> tuple[int, int, int]:
    """Return the bytes of memory that the features, targets and weights of splits take.

    Parameters
    ----------
    n_features, n_targets : int
        Columns of the features and of the targets in memory.
    dtype : str
        That of training.
    weighted : bool
        Whether each row has a weight.
    """
    n_rows = sum(split.n_samples for split in splits)
    itemsize = np.dtype(dtype).itemsize
    feature_bytes = n_rows * n_features * (1 if _as_bytes(splits) else itemsize)
    return feature_bytes, n_rows * n_targets * itemsize, n_rows * itemsize if weighted else 0


def load_resident(
    splits: Sequence[Split],
    preprocessing: Preprocessing,
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
    preprocessing : Preprocessing
        Normalisations are applied in float64 before rounding to `dtype`, so that large
        offsets cost no digits.
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
    normalization, weighted = preprocessing.features, preprocessing.weighted
    feature_bytes, target_bytes, weight_bytes = sizes_of_rows(
        splits, len(normalization.offset), n_targets, dtype, weighted=weighted
    )
    features = allocate(feature_bytes).reshape(starts[-1], -1)
    targets = allocate(target_bytes).view(dtype).reshape(starts[-1], n_targets)
    resident = Resident(
        features=features,
        stored=_AS_UINT8 if as_bytes else _AS_DTYPE,
        offset=normalization.offset.astype(dtype),
        scale=normalization.scale.astype(dtype),
        targets=targets,
        starts=tuple(starts),
        weights=allocate(weight_bytes).view(dtype) if weighted else None,
    )
    for split, start in zip(splits, starts, strict=False):
        first, last = split.n_samples * part // n_parts, split.n_samples * (part + 1) // n_parts
        _fill(resident, split, start, first, last, preprocessing)
    return resident


def _fill(resident: Resident, split: Split, start: int, first: int, last: int, preprocessing: Preprocessing) -> None:
    features, dtype = resident.features, resident.targets.dtype
    for at in range(first, last, BLOCK_ROWS):
        stop = min(at + BLOCK_ROWS, last)
        rows = split.read(at, stop)
        to = slice(start + at, start + stop)
        resident.targets[to] = _targets(rows, preprocessing, dtype)
        if resident.weights is not None:
            resident.weights[to] = _weights(rows, preprocessing)
        if resident.stored == _AS_UINT8:
            features[to] = rows.features
        else:
            features[to].view(dtype)[...] = normalize(preprocessing.features, rows.features, dtype)


def _targets(rows: Rows, preprocessing: Preprocessing, dtype: np.dtype[Any]) -> NDArray[Any]:
    if preprocessing.autoencode:
        return normalize(preprocessing.features, rows.features, dtype)
    if not rows.targets.shape[1]:  # rows that are only to be answered
        return np.zeros((len(rows.features), 1), dtype)
    return (
        rows.targets
        if preprocessing.target_normalization is None
        else normalize(preprocessing.target_normalization, rows.targets, dtype)
    )


def _weights(rows: Rows, preprocessing: Preprocessing) -> NDArray[np.float64]:
    weights = np.ones(len(rows.targets)) if rows.weights is None else rows.weights
    if preprocessing.class_weights is not None:
        weights = weights * preprocessing.class_weights[rows.targets[:, 0].astype(np.int64)]
    return weights
