"""The health of data: of each feature its range, what is missing, whether it varies, and its drift between splits.

Drift is the statistic of Kolmogorov and Smirnov, the largest distance between the distributions of two splits: 0 where
they are the same, 1 where one lies wholly above the other. It is remarkable where it is more than `_LEAST_DRIFT` and
than what the same distribution would show once in a thousand reports, for all features together.

Source: Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals of Mathematical
Statistics 19 (1948).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.schema import Schema
from ddp_mlp.report.findings.samples import Sample

Numbers = NDArray[np.float64]

_LEAST_DRIFT, _CHANCE = 0.1, 1e-3
#: Rows of a split between which drift is measured, and features of which it is.
_DRIFT_ROWS, _DRIFT_FEATURES = 2000, 2000


@dataclass(frozen=True)
class FeatureHealth:
    """The values of a feature, among the rows that train where there are such.

    Attributes
    ----------
    low, high, mean, spread : float
        NaN where all values are missing; `spread` is the standard deviation.
    missing : float
        The part of the rows, of all splits, without a value.
    drift : dict of str to float
        By the name of each other split.
    remarks : tuple of str
    """

    name: str
    low: float
    high: float
    mean: float
    spread: float
    missing: float
    drift: dict[str, float]
    remarks: tuple[str, ...]


def health_of(schema: Schema, samples: Sequence[Sample]) -> list[FeatureHealth]:
    """Return the health of each feature, in their order."""
    first, *others = samples
    names = schema.feature_names or tuple(f"feature {i}" for i in range(schema.n_features))
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(first.features, axis=0), np.fmax.reduce(first.features, axis=0)
        counts = np.maximum(1, (~np.isnan(first.features)).sum(axis=0))
        mean = np.nansum(first.features, axis=0) / counts
        spread = np.sqrt(np.nansum(np.square(first.features - mean), axis=0) / counts)
    everything = [sample.features for sample in samples]
    missing = sum(np.isnan(part).sum(axis=0) for part in everything) / sum(map(len, everything))
    drifts = {other.name: _drifts(first, other) for other in others}
    limits = {other.name: _limit(first, other, schema.n_features * len(others)) for other in others}
    beyond = {other.name: _beyond(low, high, other.features) for other in others}
    found = []
    for i, name in enumerate(names):
        drift = {other: float(values[i]) for other, values in drifts.items() if i < len(values)}
        remarks = [*(["constant"] if low[i] == high[i] else []), *(["only missing"] if np.isnan(low[i]) else [])]
        remarks += [f"drifts in {other}" for other, value in drift.items() if value > limits[other]]
        remarks += [f"beyond the range of {first.name} in {other}" for other in beyond if beyond[other][i]]
        least, most, middle, width, gaps = (float(v[i]) for v in (low, high, mean, spread, missing))
        found.append(FeatureHealth(name, least, most, middle, width, gaps, drift, tuple(remarks)))
    return found


def _beyond(low: Numbers, high: Numbers, values: Numbers) -> NDArray[np.bool_]:
    """Tell of each feature whether a value lies beyond a range by more than its width."""
    width = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    found: NDArray[np.bool_] = np.any((values < low - width) | (values > high + width), axis=0)
    return found


def _drifts(first: Sample, other: Sample) -> Numbers:
    columns = min(first.features.shape[1], _DRIFT_FEATURES)
    return np.array([drift(*(_some(s.features[:, i]) for s in (first, other))) for i in range(columns)])


def _some(values: Numbers) -> Numbers:
    return values[:: -(-len(values) // _DRIFT_ROWS)]


def drift(a: Numbers, b: Numbers) -> float:
    """Return the largest distance between the distributions of two samples; 0 where one is empty.

    Examples
    --------
    >>> drift(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 5.0, 6.0]))
    0.5
    """
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if not len(a) or not len(b):
        return 0.0
    both = np.concatenate([a, b])
    below = [np.searchsorted(part, both, side="right") / len(part) for part in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _limit(first: Sample, other: Sample, n_tests: int) -> float:
    """Return the drift that is remarkable between two samples."""
    n, m = (len(_some(sample.features[:, 0])) for sample in (first, other))
    return max(_LEAST_DRIFT, math.sqrt(-math.log(_CHANCE / (2 * n_tests)) / 2 * (n + m) / (n * m)))
