"""Fill missing values by what the training rows had most often in their column: median, or most frequent category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

#: Values held at a time while medians are found: 256 MiB.
_MOST_VALUES = 2**25


def fill_missing(features: NDArray[Any], fill: NDArray[np.float64] | None) -> NDArray[Any]:
    """Return features, shape (n, F), with NaN replaced by the value of their column in `fill`; None leaves them."""
    if fill is None or features.dtype.kind != "f":
        return features
    missing = np.isnan(features)
    return np.where(missing, fill, features) if missing.any() else features


def fit_fill(
    blocks: Callable[[], Iterable[NDArray[Any]]], n_rows: int, n_features: int, one_hot: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return the value that fills a missing one of each column, also where none is missing in training.

    Parameters
    ----------
    blocks : callable
        Returns the training rows in blocks, shape (n, F), once more each time.
    n_rows, n_features : int
        Of all blocks together; columns F.
    one_hot : sequence of sequences of int
        Columns that stand for one category each, of which a row has one: they are filled together, with the
        category that most rows have.

    Returns
    -------
    ndarray of float64, shape (F,)
        The median of the values that are there; 0 where there are none, and of the categories that are not most
        frequent.
    """
    fill, sums = np.zeros(n_features), np.zeros(n_features)
    width = max(1, _MOST_VALUES // max(1, n_rows))
    for first in range(0, n_features, width):
        values = np.concatenate([np.asarray(block[:, first : first + width], np.float64) for block in blocks()])
        sums[first : first + width] = np.nansum(values, axis=0)
        for column, there in enumerate(values.T, first):
            known = there[~np.isnan(there)]
            fill[column] = np.median(known) if len(known) else 0.0
    for group in one_hot:
        members = np.array(group, np.int64)
        fill[members] = np.arange(len(group)) == np.argmax(sums[members])
    return fill
