"""Curves of quality against their definitions, counted row by row."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.metrics import roc_auc
from ddp_mlp.report.findings.quality import calibration, class_losses, precision_recall, roc_curve, worst


@pytest.mark.parametrize("ties", [False, True])
def test_roc_and_precision_are_what_counting_gives(rng, ties):
    truth = rng.random(150) < 0.3
    scores = rng.integers(0, 9, 150) / 9.0 if ties else rng.random(150)
    thresholds = sorted(set(scores.tolist()), reverse=True)
    counted = [((scores >= t) & truth).sum() for t in thresholds], [((scores >= t) & ~truth).sum() for t in thresholds]
    true, false = (np.array(part, float) for part in counted)
    x, y = roc_curve(truth, scores)
    np.testing.assert_allclose(x, np.r_[0, false / (~truth).sum()])
    np.testing.assert_allclose(y, np.r_[0, true / truth.sum()])
    assert (np.diff(x) * (y[1:] + y[:-1]) / 2).sum() == pytest.approx(roc_auc(truth.astype(np.int64), scores))
    recall, precision = precision_recall(truth, scores)
    np.testing.assert_allclose(recall, true / truth.sum())
    np.testing.assert_allclose(precision, true / (true + false))


def test_a_class_that_is_missing_or_alone_has_curves_all_the_same():
    for truth in (np.zeros(4, bool), np.ones(4, bool), np.ones(1, bool)):
        for curve in (roc_curve, precision_recall):
            assert np.isfinite(curve(truth, np.linspace(0, 1, len(truth)))).all()


def test_many_rows_become_few_points_with_both_ends(rng):
    x, y = roc_curve(rng.random(10_000) < 0.5, rng.random(10_000))
    assert len(x) <= 200
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_calibration_counts_each_row_once():
    confidence = np.array([0.05, 0.55, 0.56, 1.0, 0.95])
    mean, right, counts = calibration(confidence, np.array([False, True, False, True, True]))
    np.testing.assert_allclose(mean, [0.05, 0.555, 0.975])
    np.testing.assert_allclose(right, [0, 0.5, 1])
    assert counts == [1, 2, 2]


def test_the_worst_rows_come_first_and_those_without_a_number_before_them():
    assert worst(np.array([1.0, np.nan, 3.0, 2.0]), 3).tolist() == [1, 2, 3]
    losses, true = class_losses(np.array([[0.9, 0.1], [0.0, 1.0]]), np.array([1, 0]))
    assert true.tolist() == [0.1, 0.0]
    assert losses[0] == pytest.approx(-np.log(0.1))
    assert np.isfinite(losses).all()
