"""How far the spread of an ensemble can be trusted: sums over fixed blocks of rows, and the figures they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.ensembles.spread import DEVIATION, DISAGREEMENT, ENTROPY, Combined, both_probabilities, labels_of
from ddp_mlp.core.kernels.evaluation_sums import (
    ANSWER,
    BLOCK_CORRECT,
    BLOCK_LOSS,
    BLOCK_SAMPLES,
    EVALUATION_ROWS,
    PER_TARGET,
    PLACE,
    RECORD_COLUMNS,
    SCORE,
    SUMS_PER_TARGET,
)

Numbers = NDArray[np.float64]

#: Bins of equal width in which the confidence of a class is compared with how often it is right.
BINS = 15
#: Sums of a block, of each target: squares of the spread, rows within one and two of it, and what a correlation needs.
_SQUARES, _WITHIN_1, _WITHIN_2, _SPREAD, _ERROR, _ERROR_SQUARES, _PRODUCT = range(7)
#: Sums of a block of classes: entropy, disagreement, rows of one voice, those that are right, then of each bin three.
_ENTROPY, _DISAGREEMENT, _AGREED, _AGREED_RIGHT, _PER_BIN = range(5)
_COUNT, _CONFIDENCE, _RIGHT = range(3)


def _block_sums(values: Numbers) -> Numbers:
    """Return the sums of each block of `EVALUATION_ROWS` rows."""
    return np.add.reduceat(values, np.arange(0, len(values), EVALUATION_ROWS), axis=0)


def sums_of_quantities(answers: Combined, targets: Numbers, first: Numbers, units: Numbers | None) -> Numbers:
    """Return the sums of each block for `ddp_mlp.core.metrics`, and behind these those of the spread.

    Parameters
    ----------
    answers : Combined
        In units of the data.
    targets : ndarray of shape (n, T)
        Likewise.
    first : ndarray of shape (T,)
        The targets of the first row of all.
    units : ndarray of shape (T,), or None
        What 1 in the loss is in the data; None where members differ in it, so that there is no loss: it is NaN.
    """
    error = answers.outputs - targets
    n, n_targets = error.shape
    sums = np.zeros((n, PER_TARGET + SUMS_PER_TARGET * n_targets))
    sums[:, BLOCK_SAMPLES] = 1
    sums[:, BLOCK_LOSS] = np.nan if units is None else ((error / units) ** 2).sum(axis=1) / 2
    from_first = targets - first
    sums[:, PER_TARGET:] = np.stack([error**2, abs(error), from_first, from_first**2], axis=2).reshape(n, -1)
    spread, size = answers.spread[DEVIATION], abs(error)
    own = [spread**2, size <= spread, size <= 2 * spread, spread, size, size**2, spread * size]
    return _block_sums(np.hstack([sums, np.stack(own, axis=2).reshape(n, -1)]))


def split_sums(sums: Numbers, n_targets: int) -> tuple[Numbers, Numbers]:
    """Return the sums for `ddp_mlp.core.metrics`, and those of the spread, shape (n_blocks, T, 7)."""
    width = PER_TARGET + SUMS_PER_TARGET * n_targets
    return sums[:, :width], sums[:, width:].reshape(len(sums), n_targets, -1)


def spread_of_quantities(sums: Numbers, n_samples: int, names: Sequence[str]) -> tuple[dict[str, Any], list[Any]]:
    """Return the figures of the spread over all targets, and those of each.

    ``spread`` is the root mean square of the standard deviations, which is the RMSE where they are right on average;
    ``within_1_std`` and ``within_2_std`` the part of the answers so near to what is true (0.683 and 0.954 of a normal
    distribution); ``spread_error_correlation`` that of standard deviation and absolute error, None where one is
    constant.
    """
    total = np.array([[math.fsum(column) for column in target.T] for target in sums.transpose(1, 0, 2)])
    found = [
        {
            "target": name,
            "spread": math.sqrt(row[_SQUARES] / n_samples),
            "within_1_std": row[_WITHIN_1] / n_samples,
            "within_2_std": row[_WITHIN_2] / n_samples,
            "spread_error_correlation": _correlation(row, n_samples),
        }
        for name, row in zip(names, total.tolist(), strict=True)
    ]
    known = [each["spread_error_correlation"] for each in found if each["spread_error_correlation"] is not None]
    mean = (total[:, [_SQUARES, _WITHIN_1, _WITHIN_2]].sum(axis=0) / (n_samples * len(found))).tolist()
    overall = {
        "spread": math.sqrt(mean[0]), "within_1_std": mean[1], "within_2_std": mean[2],
        "spread_error_correlation": math.fsum(known) / len(known) if known else None,
    }  # fmt: skip
    return overall, found


def _correlation(row: Sequence[float], n: int) -> float | None:
    """Return the correlation of spread and absolute error; None where rounding alone may have made one of them vary."""
    spread = row[_SQUARES] - row[_SPREAD] ** 2 / n
    error = row[_ERROR_SQUARES] - row[_ERROR] ** 2 / n
    least = 1e-12
    if not (spread > least * row[_SQUARES] and error > least * row[_ERROR_SQUARES]):
        return None
    found = (row[_PRODUCT] - row[_SPREAD] * row[_ERROR] / n) / math.sqrt(spread * error)
    return max(-1.0, min(1.0, found))


def records_of(answers: Combined, labels: NDArray[np.int64]) -> Numbers:
    """Return the record of each row, as kernels write it: class, place of the true class, and score."""
    p = both_probabilities(answers.outputs)
    true = p[np.arange(len(labels)), labels][:, None]
    before = np.arange(p.shape[1]) < labels[:, None]
    records = np.empty((len(labels), RECORD_COLUMNS))
    records[:, ANSWER] = labels_of(answers.outputs)
    records[:, PLACE] = ((p > true) | ((p == true) & before)).sum(axis=1)
    records[:, SCORE] = answers.outputs[:, 0]
    return records


def sums_of_classes(answers: Combined, labels: NDArray[np.int64], dtype: np.dtype[np.floating]) -> Numbers:
    """Return the sums of each block for `ddp_mlp.core.metrics`, and behind these those of the spread.

    The loss of a row is the negative log of its mean probability. A dtype has a smallest probability, and one nearest
    to 1: what is beyond counts as these, so that the loss is at least this.
    """
    p, answer = both_probabilities(answers.outputs), labels_of(answers.outputs)
    n, true, is_right = len(labels), p[np.arange(len(labels)), labels], answer == labels
    limits = np.finfo(dtype)
    least = np.full(n, float(limits.smallest_subnormal))
    if answers.outputs.shape[1] == 1:
        least[labels == 0] = float(limits.epsneg)
    sums = np.zeros((n, PER_TARGET))
    sums[:, BLOCK_SAMPLES], sums[:, BLOCK_CORRECT] = 1, is_right
    sums[:, BLOCK_LOSS] = -np.log(np.maximum(true, least))
    confidence = p[np.arange(n), answer]
    place = np.minimum(np.nan_to_num(confidence * BINS).astype(np.int64), BINS - 1)
    disagreement = answers.spread[DISAGREEMENT][:, 0]
    own = np.zeros((n, _PER_BIN + 3 * BINS))
    own[:, _ENTROPY], own[:, _DISAGREEMENT] = answers.spread[ENTROPY][:, 0], disagreement
    own[:, _AGREED], own[:, _AGREED_RIGHT] = disagreement == 0, (disagreement == 0) & is_right
    for what, values in ((_COUNT, 1.0), (_CONFIDENCE, confidence), (_RIGHT, is_right)):
        own[np.arange(n), _PER_BIN + 3 * place + what] = values
    return _block_sums(np.hstack([sums, own]))


def spread_of_classes(sums: Numbers, n_samples: int) -> dict[str, Any]:
    """Return the figures of the spread, from the sums behind `PER_TARGET`.

    ``calibration_error`` is the mean of how far, in each of `BINS` bins of confidence, that is from the part that is
    right (the expected calibration error of Naeini, Cooper, Hauskrecht, AAAI 2015); ``entropy`` and ``disagreement``
    are means; ``agreed`` is the part of the rows of whose class all members are, and ``agreed_accuracy`` how many of
    these are right, None where there are none.
    """
    total = [math.fsum(column) for column in sums[:, PER_TARGET:].T]
    bins = np.array(total[_PER_BIN:]).reshape(BINS, 3)
    return {
        "calibration_error": math.fsum(abs(bins[:, _CONFIDENCE] - bins[:, _RIGHT]).tolist()) / n_samples,
        "entropy": total[_ENTROPY] / n_samples,
        "disagreement": total[_DISAGREEMENT] / n_samples,
        "agreed": total[_AGREED] / n_samples,
        "agreed_accuracy": total[_AGREED_RIGHT] / total[_AGREED] if total[_AGREED] else None,
    }
