"""Metrics from sums: each sample counted once, added in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.kernels.evaluation_sums import (
    ANSWER,
    BLOCK_CORRECT,
    BLOCK_LOSS,
    BLOCK_SAMPLES,
    PER_TARGET,
    PLACE,
    SCORE,
    SUMS_PER_TARGET,
)

#: Classes whose confusion matrix has at most a million cells; of more, few are not empty.
MOST_IN_A_MATRIX = 1000


def sums_columns(task: str, n_outputs: int) -> int:
    """Return the number of sums that an evaluation keeps for each block of samples."""
    return PER_TARGET + (SUMS_PER_TARGET * n_outputs if task == "regression" else 0)


def metrics_from_sums(sums: NDArray[np.float64], task: str, units: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Turn the sums of all blocks into the metrics of a task.

    Parameters
    ----------
    sums : ndarray of shape (n_blocks, columns)
        Sums of each block, in the order of the samples.
    task : str
        ``regression`` gives rmse, mae and r2 over all targets, others accuracy.
    units : ndarray of float64, shape (T,), optional
        What a difference of 1 between normalised targets is in the data.

    Returns
    -------
    dict
        ``n_samples``, ``loss`` (mean), and the metrics; fractions in [0, 1].
    """
    total = [math.fsum(column) for column in sums.T]
    n_samples = int(total[BLOCK_SAMPLES])
    result: dict[str, Any] = {"n_samples": n_samples, "loss": total[BLOCK_LOSS] / n_samples}
    if task != "regression":
        return result | {"accuracy": total[BLOCK_CORRECT] / n_samples}
    squared, absolute, r2 = _target_sums(sums, units)
    n_values = n_samples * len(r2)
    return result | {
        "rmse": math.sqrt(math.fsum(squared) / n_values),
        "mae": math.fsum(absolute) / n_values,
        "r2": math.fsum(r2) / len(r2),
    }


def metrics_of_targets(
    sums: NDArray[np.float64], units: NDArray[np.float64] | None = None, names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return rmse, mae and r2 of each target of a regression, from the same sums."""
    n_samples = math.fsum(sums[:, BLOCK_SAMPLES])
    columns = zip(*_target_sums(sums, units), strict=True)
    return [
        {
            "target": names[i] if names else f"target{i}",
            "rmse": math.sqrt(squared / n_samples),
            "mae": absolute / n_samples,
            "r2": r2,
        }
        for i, (squared, absolute, r2) in enumerate(columns)
    ]


def _target_sums(
    sums: NDArray[np.float64], units: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Return of each target the squared and absolute errors summed, in units of the data, and r2."""
    total = np.array([math.fsum(column) for column in sums.T[PER_TARGET:]])
    squared, absolute, target, target_squared = total.reshape(-1, SUMS_PER_TARGET).T
    variation = target_squared - target**2 / math.fsum(sums[:, BLOCK_SAMPLES])
    r2 = [1 - s / v if v > 0 else (1.0 if s == 0 else 0.0) for s, v in zip(squared, variation, strict=True)]
    if units is None:
        return squared, absolute, r2
    return squared * units**2, absolute * units, r2


def classification_metrics(
    labels: NDArray[np.int64],
    records: NDArray[np.float64],
    n_classes: int,
    names: Sequence[str] | None = None,
    top_k: int = 0,
) -> dict[str, Any]:
    """Return the metrics that counting the answers to all samples gives.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        The true classes.
    records : ndarray of shape (n, RECORD_COLUMNS)
        What `core.kernels.evaluation` writes down of each sample.
    n_classes : int
        2 for binary data.

    Returns
    -------
    dict
        ``macro_f1`` over the classes that are among the labels or the answers; for two classes ``roc_auc``, None
        where a class is missing; ``top_k`` and ``top_k_accuracy`` on request; ``classes``, of each precision, recall
        and F1 (0 where undefined) and the number of its samples; ``confusion``, where row i and column j count
        samples of class i that were taken for class j, or, of more than `MOST_IN_A_MATRIX` classes,
        ``confusion_pairs``, a list of [i, j, count] of the counts that are not 0.
    """
    answers = records[:, ANSWER].astype(np.int64)
    right = np.bincount(labels[labels == answers], minlength=n_classes)
    support, answered = (np.bincount(which, minlength=n_classes) for which in (labels, answers))
    precision, recall = _ratio(right, answered), _ratio(right, support)
    f1 = _ratio(2 * right, support + answered)
    found: dict[str, Any] = {"macro_f1": math.fsum(f1) / max(1, int(np.count_nonzero(support + answered)))}
    if n_classes == 2:
        found["roc_auc"] = roc_auc(labels, records[:, SCORE])
    if top_k:
        found |= {"top_k": top_k, "top_k_accuracy": float((records[:, PLACE] < top_k).mean())}
    columns = zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    return found | {
        "classes": [
            {"class": names[i] if names else str(i), "precision": p, "recall": r, "f1": f, "n_samples": n}
            for i, (p, r, f, n) in enumerate(columns)
        ],
        **_confusion(labels, answers, n_classes),
    }


def _confusion(labels: NDArray[np.int64], answers: NDArray[np.int64], n_classes: int) -> dict[str, list[list[int]]]:
    """Count each pair of label and answer: as a matrix of few classes, else those pairs that occur."""
    pairs, counts = np.unique(labels * n_classes + answers, return_counts=True)
    rows, columns = np.divmod(pairs, n_classes)
    if n_classes > MOST_IN_A_MATRIX:
        return {"confusion_pairs": np.stack([rows, columns, counts], axis=1).tolist()}
    confusion = np.zeros((n_classes, n_classes), np.int64)
    confusion[rows, columns] = counts
    return {"confusion": confusion.tolist()}


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def roc_auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float | None:
    """Return the area under the receiver operating characteristic; None where a class is missing.

    It is the probability that a sample of class 1 scores higher than one of class 0, ties
    counting half, so sums of ranks give it exactly: Hanley and McNeil, Radiology 143 (1982)
    29.
    """
    n_yes = int(np.count_nonzero(labels == 1))
    n_no = len(labels) - n_yes
    if n_yes == 0 or n_no == 0:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal scores the mean of their ranks
    return float((ranks[place][labels == 1].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no))
