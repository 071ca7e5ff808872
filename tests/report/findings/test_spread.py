from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.report.findings.spread import error_by_spread, normal_within, right_by_voices, within


def test_errors_of_a_spread_that_is_right_lie_on_the_diagonal_and_within_as_a_normal_distribution_does() -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 5, 40_000)
    error = rng.normal(size=40_000) * spread
    x, y = error_by_spread(spread, error)
    assert len(x) == 10
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(y, x, rtol=0.05)
    times = np.array([0.0, 0.5, 1, 2, 3])
    np.testing.assert_allclose(within(spread, error, times), normal_within(times), atol=0.01)


def test_few_rows_and_a_spread_of_nothing_are_drawn_too() -> None:
    x, y = error_by_spread(np.zeros(3), np.array([1.0, -2, 3]))
    assert x.tolist() == [0, 0, 0]
    assert y.tolist() == [1, 2, 3]
    assert within(np.zeros(2), np.array([0.0, 1.0]), np.array([1.0])).tolist() == [0.5]


def test_rows_are_counted_by_how_many_disagree() -> None:
    disagreement = np.array([0, 1 / 3, 1 / 3, 2 / 3])
    right = np.array([True, True, False, False])
    assert right_by_voices(disagreement, right, 3) == [(0, 1, 1.0), (1, 2, 0.5), (2, 1, pytest.approx(0.0))]
