"""The quality of answers as curves: ROC, precision and recall, calibration, residuals; and the worst rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

#: Points of a curve that a screen can show.
_POINTS = 200


def roc_curve(is_true: NDArray[np.bool_], scores: Numbers) -> tuple[Numbers, Numbers]:
    """Return the false and the true positive rates at each threshold, from (0, 0) to (1, 1)."""
    true, false = _counts(is_true, scores)
    return _thinned(np.r_[0.0, false / max(1.0, false[-1])], np.r_[0.0, true / max(1.0, true[-1])])


def precision_recall(is_true: NDArray[np.bool_], scores: Numbers) -> tuple[Numbers, Numbers]:
    """Return recall and precision at each threshold, the highest first."""
    true, false = _counts(is_true, scores)
    return _thinned(true / max(1.0, true[-1]), true / (true + false))


def _counts(is_true: NDArray[np.bool_], scores: Numbers) -> tuple[Numbers, Numbers]:
    """Return how many of either kind score at least as much as each distinct score, from the highest on."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])  # rows of one score pass a threshold together
    true = np.cumsum(is_true[order])[last].astype(np.float64)
    return true, last + 1.0 - true


def _thinned(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    kept = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    return x[kept], y[kept]


def calibration(confidence: Numbers, is_right: NDArray[np.bool_], bins: int = 10) -> tuple[Numbers, Numbers, list[int]]:
    """Return, of each bin of confidence with rows in it, the mean confidence, the part that is right, and the rows."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    means = (np.bincount(place, weights, bins)[filled] / counts[filled] for weights in (confidence, is_right))
    mean, right = means
    return mean, right, counts[filled].tolist()


def worst(losses: Numbers, most: int = 20) -> NDArray[np.int64]:
    """Return the positions of the rows of the highest loss, the worst first; NaN counts as the worst of all."""
    return np.argsort(-np.where(np.isnan(losses), np.inf, losses), kind="stable")[:most]


def class_losses(probabilities: Numbers, labels: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """Return of each row the negative log of the probability of its class, and that probability; (n, C) and (n,)."""
    true = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(true, 1e-300)), true
