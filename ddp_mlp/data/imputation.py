"""Fill missing values by what the training rows had most often in their column: median, or most frequent category."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def fill_missing(features: NDArray[Any], fill: NDArray[np.float64] | None) -> NDArray[Any]:
    """Return features, shape (n, F), with NaN replaced by the value of their column in `fill`; None leaves them."""
    if fill is None or features.dtype.kind != "f":
        return features
    missing = np.isnan(features)
    return np.where(missing, fill, features) if missing.any() else features


def fit_fill(
    blocks: Iterable[NDArray[Any]], columns: NDArray[np.int64], n_features: int, one_hot: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return what fills the missing values of each column.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n, F)
        The training rows.
    columns : ndarray of int64
        Columns with missing values; only these are held in memory.
    n_features : int
        Columns F.
    one_hot : sequence of sequences of int
        Columns that stand for one category each, of which a row has one: they are filled together, with the
        category that most rows have.

    Returns
    -------
    ndarray of float64, shape (F,)
        The median of the values that are there; 0 where there are none, and in other columns.
    """
    fill = np.zeros(n_features)
    values = np.concatenate([np.asarray(block[:, columns], np.float64) for block in blocks])
    at = {column: i for i, column in enumerate(columns.tolist())}
    grouped: set[int] = set()
    for group in one_hot:
        if members := [column for column in group if column in at]:
            sums = {column: float(np.nansum(values[:, at[column]])) for column in members}
            fill[Counter(sums).most_common(1)[0][0]] = 1.0
            grouped.update(members)
    for column in columns.tolist():
        there = values[:, at[column]][~np.isnan(values[:, at[column]])]
        if column not in grouped and len(there):
            fill[column] = float(np.median(there))
    return fill
