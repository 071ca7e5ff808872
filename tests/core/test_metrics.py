"""Metrics from the sums of blocks: closed forms, and the same however the blocks fell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ddp_mlp.core.kernels.evaluation_sums import ANSWER, RECORD_COLUMNS
from ddp_mlp.core.metrics import MOST_IN_A_MATRIX, classification_metrics, metrics_from_sums, sums_columns


def regression_sums(y: np.ndarray, t: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Return what the kernels sum over each block of rows: loss, rows, none right, and four for each target."""
    rows = []
    for start, stop in zip([0, *cuts], [*cuts, len(t)], strict=True):
        e, block = y[start:stop] - t[start:stop], t[start:stop]
        per_target = np.stack([(e**2).sum(0), abs(e).sum(0), block.sum(0), (block**2).sum(0)], axis=1)
        rows.append([0.5 * (e**2).sum(), stop - start, 0.0, *per_target.ravel()])
    return np.array(rows)


@pytest.mark.parametrize("cuts", [[], [1], [10, 20, 30]])
def test_regression(cuts: list[int], rng: np.random.Generator) -> None:
    t = rng.normal(2, 3, (40, 3))
    y = t + rng.normal(0, 1, (40, 3))
    sums = regression_sums(y, t, cuts)
    assert sums.shape[1] == sums_columns("regression", 3)
    r2 = 1 - ((y - t) ** 2).sum(axis=0) / ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    expected = {
        "n_samples": 40,
        "loss": 0.5 * ((y - t) ** 2).sum() / 40,
        "rmse": math.sqrt(((y - t) ** 2).mean()),
        "mae": abs(y - t).mean(),
        "r2": r2.mean(),
    }
    found = metrics_from_sums(sums, "regression")
    assert found.keys() == expected.keys()
    # Sums of 40 terms; the variance of t loses mean^2 / variance < 2 of its digits' worth.
    assert found == pytest.approx(expected, rel=4 * 40 * np.finfo(float).eps)


def test_perfect_and_constant_targets() -> None:
    t = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert metrics_from_sums(regression_sums(t, t, []), "regression")["r2"] == 1.0
    y = t + np.array([0.0, 1.0])  # a constant target, missed: its r2 counts as 0
    found = metrics_from_sums(regression_sums(y, t, []), "regression")
    assert (found["r2"], found["mae"], found["rmse"]) == (0.5, 0.5, math.sqrt(0.5))


def test_predicting_the_mean_explains_nothing() -> None:
    t = np.array([[1.0], [2.0], [6.0]])
    assert metrics_from_sums(regression_sums(np.full((3, 1), 3.0), t, [1]), "regression")["r2"] == 0.0


def test_r2_survives_targets_far_from_zero(rng: np.random.Generator) -> None:
    """Years, prices, kelvins: a spread of 1 around 1e6 leaves 1e-4 of float64 in the squares, not less."""
    t = 1e6 + rng.normal(0, 1, (500, 1))
    y = t + rng.normal(0, 0.5, (500, 1))
    found = metrics_from_sums(regression_sums(y, t, [256]), "regression")["r2"]
    exact = 1 - ((y - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()
    # Sum of squares 500e12: one ulp of it is 0.06, against a variation of 500.
    assert found == pytest.approx(exact, abs=0.06 * 10 / 500)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classification(task: str) -> None:
    sums = np.array([[6.0, 4, 3], [1.5, 1, 0]])
    assert sums.shape[1] == sums_columns(task, 10)
    assert metrics_from_sums(sums, task) == {"n_samples": 5, "loss": 1.5, "accuracy": 0.6}


def test_blocks_are_added_exactly() -> None:
    """Whatever the order of the blocks, the sum is rounded once."""
    sums = np.array([[1e16, 1, 1], [1.0, 1, 0], [-1e16, 1, 0], [1.0, 1, 1]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        assert metrics_from_sums(sums[order], "binary")["loss"] == 0.5


def counted(labels: list[int], answers: list[int], n_classes: int) -> dict[str, Any]:
    records = np.zeros((len(labels), RECORD_COLUMNS))
    records[:, ANSWER] = answers
    return classification_metrics(np.array(labels), records, n_classes)


@pytest.mark.parametrize(
    ("labels", "answers", "macro_f1"),
    [
        ([2] * 10, [2] * 10, 1.0),  # one class of three, all right
        ([2] * 10, [0] * 10, 0.0),
        ([0, 0, 1, 1], [0, 0, 1, 1], 1.0),
        ([0, 0], [0, 2], (2 * 1 / (2 + 1) + 0) / 2),  # a class that is answered counts, one that is nowhere does not
        ([0, 1, 2], [0, 1, 1], (1 + 2 / 3 + 0) / 3),
    ],
)
def test_macro_f1_is_over_the_classes_that_occur(labels: list[int], answers: list[int], macro_f1: float) -> None:
    for n_classes in (3, 30_000):
        assert counted(labels, answers, n_classes)["macro_f1"] == pytest.approx(macro_f1, rel=1e-15)


def test_many_classes_have_pairs_in_place_of_a_matrix(rng: np.random.Generator) -> None:
    labels, answers = rng.integers(0, MOST_IN_A_MATRIX, (2, 5000))
    few = counted(labels.tolist(), answers.tolist(), MOST_IN_A_MATRIX)
    many = counted(labels.tolist(), answers.tolist(), 30_000)
    matrix = np.array(few["confusion"])
    assert "confusion" not in many
    assert sum(matrix[i, j] == count for i, j, count in many["confusion_pairs"]) == np.count_nonzero(matrix)
    assert sum(count for *_, count in many["confusion_pairs"]) == matrix.sum() == 5000
    np.testing.assert_array_equal(matrix.sum(axis=1), [row["n_samples"] for row in few["classes"]])
    assert many["classes"][:MOST_IN_A_MATRIX] == few["classes"]
    assert many["macro_f1"] == few["macro_f1"]
