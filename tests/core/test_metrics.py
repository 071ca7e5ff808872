"""Metrics from the sums of blocks: closed forms, and the same however the blocks fell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddp_mlp.core.metrics import metrics_from_sums, sums_columns


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
