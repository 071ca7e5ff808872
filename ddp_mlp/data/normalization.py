"""Normalise features with statistics of the training split that do not depend on who reads it.

``normalised = (x - offset) * scale``, column by column. The statistics are folded from
fixed blocks of rows in a fixed order, so one rank and many get the same bits: each block
of `BLOCK_ROWS` rows gives a `ColumnStats`, `fold_stats` merges them pairwise.

Source: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The American
Statistician 37 (1983), equations 2.1a and 2.1b: the pairwise merge, whose error grows with
the logarithm of the number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ddp_mlp.data.statistics.column_stats import ColumnStats, block_stats, fold_stats
from ddp_mlp.data.statistics.imputation import fill_missing
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import DTypeLike, NDArray

Kind = Literal["none", "unit", "standard", "minmax"]

KINDS: tuple[Kind, ...] = ("none", "unit", "standard", "minmax")

#: Rows of a block. Callers that share the work cut the split at its multiples.
BLOCK_ROWS = 4096

#: Values that are normalised at a time: 256 KiB of float64.
_VALUES_AT_ONCE = 2**15


@dataclass(frozen=True, eq=False)
class Normalization:
    """An affine map of each feature.

    Attributes
    ----------
    kind : str
        How it was fitted, one of `KINDS`.
    offset, scale : ndarray of float64, shape (F,)
        ``normalised = (x - offset) * scale``; `scale` is finite and positive.
    constant : tuple of int
        Columns that had one value only while fitting; their scale is 1.
    low, high : ndarray of float64, shape (F,), or None
        Range of each feature while fitting; None in models of earlier versions.
    fill : ndarray of float64, shape (F,), or None
        Takes the place of a missing value, before anything else; None where nothing was missing.
    """

    kind: Kind
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    constant: tuple[int, ...] = ()
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    fill: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Span:
    """Range of each feature, missing values aside.

    Attributes
    ----------
    low, high : ndarray of float64, shape (F,)
        NaN where all values are missing.
    n_missing : ndarray of int64, shape (F,)
        Values that are NaN.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_missing: NDArray[np.int64]

    def fills(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether most columns that vary reach into the upper half of what the dtype can hold, as pixels do."""
        varies = self.high > self.low
        reach = self.high[varies] > np.iinfo(dtype).max / 2
        return bool(2 * np.count_nonzero(reach) > len(reach))


def resolve_kind(kind: str, dtype: DTypeLike, span: Span | None = None) -> Kind:
    """Turn "auto" into a kind, and check that the kind fits the dtype of the features.

    "auto" is "unit" for booleans, and for unsigned integers of 8 and 16 bits whose values fill the range of the
    dtype, as pixels do; it is "standard" for all others, such as 0/1 in bytes or 12 bits in 16: dividing these
    by a range that they do not have would leave them all but equal.

    Raises
    ------
    UsageError
        For an unknown kind, and for "unit" on floats.
    """
    dtype = np.dtype(dtype)
    if kind == "auto":
        if dtype.kind == "b":
            return "unit"
        return "unit" if could_be_pixels(dtype) and span is not None and span.fills(dtype) else "standard"
    if kind == "unit" and dtype.kind == "f":
        raise UsageError(
            f"normalize is 'unit', but the features are {dtype.name}, which has no range; use 'standard' or 'minmax'"
        )
    for known in KINDS:
        if kind == known:
            return known
    raise UsageError(f"normalize is {kind!r}; allowed are auto, {', '.join(KINDS)}")


def could_be_pixels(dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype is one of those in which images are stored."""
    return dtype.kind == "u" and dtype.itemsize <= 2


def measure_span(blocks: Iterable[NDArray[Any]]) -> Span:
    """Measure the range of each column over blocks of rows, shape (n, F) each.

    Raises
    ------
    DataError
        If there are no blocks.
    """
    low = high = n_missing = None
    for block in blocks:
        least, most = np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)
        lost = np.isnan(block).sum(axis=0) if block.dtype.kind == "f" else np.zeros(block.shape[1], np.int64)
        low = least if low is None else np.fmin(low, least)
        high = most if high is None else np.fmax(high, most)
        n_missing = lost if n_missing is None else n_missing + lost
    if low is None or high is None or n_missing is None:
        raise DataError("no rows to measure; the training split needs at least one sample")
    return Span(low.astype(np.float64), high.astype(np.float64), n_missing)


def needs_statistics(kind: Kind) -> bool:
    """Tell whether a kind has to read the training split."""
    return kind in {"standard", "minmax"}


def fit_normalization(
    kind: str,
    blocks: Iterable[NDArray[Any]],
    dtype: DTypeLike,
    n_features: int,
    span: Span | None = None,
    key: str = "normalize",
) -> Normalization:
    """Fit a normalisation to blocks of rows.

    Parameters
    ----------
    kind : str
        One of `KINDS` or "auto".
    blocks : iterable of ndarray, shape (n, F)
        The training split in order, cut at multiples of `BLOCK_ROWS`; other cuts give other
        last bits. Not touched for "none" and "unit".
    dtype : dtype
        Dtype of the features as stored.
    n_features : int
        Columns F.
    span : Span, optional
        Range of the same rows; "auto" needs it for dtypes that may be pixels.
    key : str
        The key of the configuration that asks for it, for messages.

    Raises
    ------
    UsageError
        For an unknown kind, and for "unit" on floats.
    DataError
        If there are no rows, or values too large for float64 sums of squares.
    """
    resolved = resolve_kind(kind, dtype, span)
    if not needs_statistics(resolved):
        return fixed_normalization(resolved, dtype, n_features)
    return normalization_of(resolved, fold_stats(block_stats(block) for block in blocks), key)


def fixed_normalization(kind: Kind, dtype: DTypeLike, n_features: int) -> Normalization:
    """Return the normalisation of a kind that needs no rows: "none" or "unit"."""
    dtype = np.dtype(dtype)
    low, high = 0.0, 1.0
    if kind == "unit" and dtype.kind in "iu":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return Normalization(kind, np.full(n_features, low), np.full(n_features, 1.0 / (high - low)))


def normalization_of(kind: Kind, stats: ColumnStats, key: str = "normalize") -> Normalization:
    """Return the normalisation "standard" (mean 0, variance 1) or "minmax" (range 0 to 1).

    Raises
    ------
    DataError
        If the spread of a column, or its square, is beyond float64: too large, or too small.
    """
    # Equal ends, not zero variance: the mean of equal values may be off by one rounding.
    constant = stats.low == stats.high
    is_standard = kind == "standard"
    with np.errstate(over="ignore"):
        width = stats.squares / stats.count if is_standard else stats.high - stats.low
    offset = np.where(constant, stats.low, stats.mean if is_standard else stats.low)
    # Below the smallest normal number a variance lacks digits, and the reciprocal of a range is infinite.
    is_close = ~constant & (width < np.finfo(np.float64).tiny)
    scale = 1.0 / np.where(constant | is_close, 1.0, np.sqrt(width) if is_standard else width)
    usable = ~is_close & np.isfinite(scale) & (scale > 0) & np.isfinite(offset)
    if not usable.all():
        column = int(np.argmin(usable))
        role = "target" if key == "normalize_targets" else "feature"
        how = "close together" if is_close[column] else "far apart"
        raise DataError(
            f"{role} column {column}: values from {stats.low[column]:g} to {stats.high[column]:g} are too {how} to"
            f" normalise by {kind!r}; rescale the column or use {key} = 'none'"
        )
    return Normalization(kind, offset, scale, tuple(np.flatnonzero(constant).tolist()), stats.low, stats.high)


def normalize(normalization: Normalization, features: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return ``(features - offset) * scale``, shape (n, F), computed in float64, rounded once to `dtype`.

    Missing values are filled before.
    """
    out = np.empty(features.shape, dtype)
    normalize_into(normalization, features, out)
    return out


@np.errstate(over="ignore")
def normalize_into(normalization: Normalization, features: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the result of `normalize` into `out`, shape (n, F), of the dtype that is wanted.

    A few rows at a time, whose values in float64 stay in the cache. What the dtype does not hold becomes infinite.
    """
    if normalization.kind == "none":
        out[...] = fill_missing(features, normalization.fill)
        return
    n_rows = max(1, _VALUES_AT_ONCE // max(1, features.shape[1]))
    values = np.empty((min(n_rows, len(features)), features.shape[1]))
    for start in range(0, len(features), n_rows):
        part = fill_missing(features[start : start + n_rows], normalization.fill)
        wide = values[: len(part)]
        wide[...] = part
        wide -= normalization.offset
        wide *= normalization.scale
        out[start : start + n_rows] = wide
