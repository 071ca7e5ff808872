from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.ensembles.calibration import (
    records_of,
    split_sums,
    spread_of_classes,
    spread_of_quantities,
    sums_of_classes,
    sums_of_quantities,
)
from ddp_mlp.core.ensembles.spread import combine
from ddp_mlp.core.kernels.evaluation_sums import ANSWER, BLOCK_LOSS, BLOCK_SAMPLES, EVALUATION_ROWS, PLACE, SCORE
from ddp_mlp.core.metrics import metrics_from_sums


def test_sums_of_pieces_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    n, first = 3 * EVALUATION_ROWS + 17, np.array([5.0, 6.0])
    members = [rng.normal(size=(n, 2)) for _ in range(3)]
    targets = rng.normal(size=(n, 2)) + first
    whole = sums_of_quantities(combine(members, "regression"), targets, first, np.ones(2))
    parts = [
        sums_of_quantities(combine([m[rows] for m in members], "regression"), targets[rows], first, np.ones(2))
        for rows in (slice(0, 2 * EVALUATION_ROWS), slice(2 * EVALUATION_ROWS, n))
    ]
    assert (np.concatenate(parts) == whole).all()
    assert whole[:, BLOCK_SAMPLES].tolist() == [256, 256, 256, 17]


def test_a_spread_that_is_right_is_said_to_be() -> None:
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.1, 3, (30_000, 1))
    members = [scale * rng.normal(size=scale.shape) for _ in range(30)]
    found = combine(members, "regression")
    targets = found.outputs + scale * rng.normal(size=scale.shape)
    sums, of_spread = split_sums(sums_of_quantities(found, targets, np.zeros(1), np.ones(1)), 1)
    metrics = metrics_from_sums(sums, "regression")
    figures, of_targets = spread_of_quantities(of_spread, 30_000, ["y"])
    assert figures["spread"] == pytest.approx(metrics["rmse"], rel=0.02)
    assert figures["within_1_std"] == pytest.approx(0.683, abs=0.02)
    assert figures["within_2_std"] == pytest.approx(0.954, abs=0.02)
    assert figures["spread_error_correlation"] > 0.4
    assert of_targets[0] == {"target": "y", **figures}


def test_a_constant_spread_has_no_correlation_and_other_units_no_loss() -> None:
    members = [np.full((9, 1), v) for v in (0.1, 0.3)]
    targets = np.arange(9.0)[:, None]
    sums, of_spread = split_sums(sums_of_quantities(combine(members, "regression"), targets, targets[0], None), 1)
    assert np.isnan(sums[:, BLOCK_LOSS]).all()
    assert spread_of_quantities(of_spread, 9, ["y"])[0]["spread_error_correlation"] is None


def test_certain_and_wrong_answers_have_a_finite_loss_of_at_least_that_of_their_dtype() -> None:
    for task, outputs, label, least in (
        ("multiclass", [[1.0, 0.0, 0.0]], 2, 103.2),
        ("binary", [[1.0]], 0, 16.6),
        ("binary", [[0.0]], 1, 103.2),
    ):
        found = combine([np.float32(outputs)] * 2, task)
        sums = sums_of_classes(found, np.array([label]), np.dtype("float32"))
        assert sums[0, BLOCK_LOSS] == pytest.approx(least, rel=0.01)


def test_records_are_those_of_kernels() -> None:
    found = combine([np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])] * 2, "multiclass")
    records = records_of(found, np.array([1, 0]))
    assert records[:, ANSWER].tolist() == [0, 2]
    assert records[:, PLACE].tolist() == [1, 2], "of equal ones the first comes first"
    binary = records_of(combine([np.array([[0.8], [0.5]])] * 2, "binary"), np.array([1, 1]))
    assert binary[:, ANSWER].tolist() == [1, 0]
    assert binary[:, PLACE].tolist() == [0, 1]
    assert binary[:, SCORE].tolist() == [0.8, 0.5]


def test_calibration_of_classes_counts_bins_and_voices() -> None:
    one, other = np.array([[0.9], [0.9], [0.2], [0.6]]), np.array([[0.9], [0.9], [0.2], [0.3]])
    sums = sums_of_classes(combine([one, other], "binary"), np.array([1, 0, 0, 1]), np.dtype("float64"))
    found = spread_of_classes(sums, 4)
    # bins: 0.9 twice (one right), 0.8 once (right), 0.55 once (wrong: the mean of the last is 0.45)
    assert found["calibration_error"] == pytest.approx((abs(1.8 - 1) + abs(0.8 - 1) + abs(0.55 - 0)) / 4)
    assert found["disagreement"] == pytest.approx(0.5 / 4)
    assert (found["agreed"], found["agreed_accuracy"]) == (0.75, pytest.approx(2 / 3))
