"""The spread of an ensemble beside its errors: how large errors are where the spread is, and how many lie within it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def error_by_spread(spread: Numbers, error: Numbers, bins: int = 10) -> tuple[Numbers, Numbers]:
    """Return the root mean squares of spread and of error in parts of about as many rows, the least spread first.

    Parameters
    ----------
    spread, error : ndarray of shape (n,)
    """
    parts = np.array_split(np.argsort(spread, kind="stable"), min(bins, len(spread)))
    found = [[math.sqrt(np.mean(values[part] ** 2)) for part in parts] for values in (spread, error)]
    return np.array(found[0]), np.array(found[1])


def within(spread: Numbers, error: Numbers, times: Numbers) -> Numbers:
    """Return the part of the rows whose error is at most so many times their spread, for each of `times`."""
    away = np.abs(error)
    return np.array([np.mean(away <= z * spread) for z in times])


def normal_within(times: Numbers) -> Numbers:
    """Return the same part of a normal distribution with that standard deviation.

    Examples
    --------
    >>> normal_within(np.array([1.0, 2.0])).round(4).tolist()
    [0.6827, 0.9545]
    """
    return np.array([math.erf(z / math.sqrt(2)) for z in times])


def right_by_voices(disagreement: Numbers, is_right: NDArray[np.bool_], members: int) -> list[tuple[int, int, float]]:
    """Return how many members disagree, the rows where so many do, and the part of these that is right."""
    voices = np.rint(disagreement * members).astype(int)
    return [(int(n), int((voices == n).sum()), float(is_right[voices == n].mean())) for n in np.unique(voices)]
