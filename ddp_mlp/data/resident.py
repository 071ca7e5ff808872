"""All rows in memory, normalised as far as it pays, once for each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import Normalization, normalize, normalize_into
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
    weight_scale : float
        By what all weights are multiplied.
    imputed_columns : int
        Features of which values were missing in the training rows.
    only_target : sequence of float, or None
        The targets that all training rows have, if they are the same.
    absent_classes : sequence of int
        Classes that no training row has.
    """

    features: Normalization
    target_normalization: Normalization | None = None
    autoencode: bool = False
    weighted: bool = False
    class_weights: NDArray[np.float64] | None = None
    weight_scale: float = 1.0
    imputed_columns: int = 0
    only_target: Sequence[float] | None = None
    absent_classes: Sequence[int] = ()


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


def are_bytes(splits: Sequence[Split]) -> bool:
    """Tell whether the features of all splits can be kept as raw uint8."""
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
    return sizes_in_memory(n_rows, n_features, n_targets, dtype, as_bytes=are_bytes(splits), weighted=weighted)


def sizes_in_memory(
    n_rows: int, n_features: int, n_targets: int, dtype: str, *, as_bytes: bool, weighted: bool = False
) -> tuple[int, int, int]:
    """Return the bytes of memory that the features, targets and weights of `n_rows` rows take.

    Parameters
    ----------
    n_features, n_targets, dtype, weighted
        As of `sizes_of_rows`.
    as_bytes : bool
        Whether features are kept as raw uint8.
    """
    itemsize = np.dtype(dtype).itemsize
    feature_bytes = n_rows * n_features * (1 if as_bytes else itemsize)
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
    starts = np.cumsum([0, *(split.n_samples for split in splits)]).tolist()
    resident = make_memory(
        starts[-1], preprocessing, dtype, n_targets, as_bytes=are_bytes(splits), allocate=allocate, starts=tuple(starts)
    )
    fill_rows(resident, splits, preprocessing, part, n_parts)
    return resident


def make_memory(
    n_rows: int,
    preprocessing: Preprocessing,
    dtype: str,
    n_targets: int,
    *,
    as_bytes: bool,
    allocate: Callable[[int], NDArray[np.uint8]],
    starts: tuple[int, ...] = (),
) -> Resident:
    """Lay out memory for `n_rows` rows, of which none is read yet.

    Parameters
    ----------
    as_bytes : bool
        Whether features are kept as raw uint8.
    allocate : callable
        As of `load_resident`; it is asked for features, targets and weights, as `sizes_in_memory` tells them.
    """
    normalization, weighted = preprocessing.features, preprocessing.weighted
    feature_bytes, target_bytes, weight_bytes = sizes_in_memory(
        n_rows, len(normalization.offset), n_targets, dtype, as_bytes=as_bytes, weighted=weighted
    )
    return Resident(
        features=allocate(feature_bytes).reshape(n_rows, -1),
        stored=_AS_UINT8 if as_bytes else _AS_DTYPE,
        offset=normalization.offset.astype(dtype),
        scale=normalization.scale.astype(dtype),
        targets=allocate(target_bytes).view(dtype).reshape(n_rows, n_targets),
        starts=starts,
        weights=allocate(weight_bytes).view(dtype) if weighted else None,
    )


def fill_rows(
    resident: Resident, splits: Sequence[Split], preprocessing: Preprocessing, part: int = 0, n_parts: int = 1
) -> None:
    """Read splits, or one of the parts of each, into memory.

    Parameters
    ----------
    part, n_parts : int
        As of `load_resident`.

    Raises
    ------
    DataError
        If a value is not finite or a label is out of range.
    """
    for split, start in zip(splits, resident.starts, strict=False):
        first, last = split.n_samples * part // n_parts, split.n_samples * (part + 1) // n_parts
        for at in range(first, last, BLOCK_ROWS):
            put_rows(resident, start + at, split.read(at, min(at + BLOCK_ROWS, last)), preprocessing)


def put_rows(resident: Resident, at: int, rows: Rows, preprocessing: Preprocessing) -> None:
    """Put rows into memory from row number `at` on, normalised if they are not kept raw."""
    features, dtype, to = resident.features, resident.targets.dtype, slice(at, at + len(rows.features))
    resident.targets[to] = _targets(rows, preprocessing, dtype)
    if resident.weights is not None:
        resident.weights[to] = _weights(rows, preprocessing)
    if resident.stored == _AS_UINT8:
        features[to] = rows.features
    else:
        normalize_into(preprocessing.features, rows.features, features[to].view(dtype))


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
    weights = weights * preprocessing.weight_scale
    if preprocessing.class_weights is not None:
        weights = weights * preprocessing.class_weights[rows.targets[:, 0].astype(np.int64)]
    return weights
