"""The gradient check finds what is wrong and only that."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.gradcheck import check_gradient
from ddp_mlp.core.layout import Layout

LAYOUT = Layout((3, 4, 2))


def quadratic(theta):
    return 0.5 * float((np.arange(1, len(theta) + 1) * theta**2).sum())


@pytest.fixture
def theta(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=LAYOUT.n_parameters)


def test_a_right_gradient_passes(theta: np.ndarray) -> None:
    findings = check_gradient(quadratic, theta, np.arange(1, 27) * theta, LAYOUT, 0)
    assert [f.name for f in findings] == ["layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias"]
    assert [f.n_checked for f in findings] == [12, 4, 8, 2]
    assert all(f.passed and f.n_kinks == 0 and f.error < 1e-6 for f in findings)


@pytest.mark.parametrize("wrong", [0.999, -1.0, 0.0, 2.0])
def test_a_wrong_value_is_found_where_it_is(theta: np.ndarray, wrong: float) -> None:
    gradient = np.arange(1, 27) * theta
    at = 16 + int(abs(gradient[16:24]).argmax())
    gradient[at] *= wrong
    findings = check_gradient(quadratic, theta, gradient, LAYOUT, 0)
    assert [f.passed for f in findings] == [True, True, False, True]


def test_kinks_are_passed_over_and_counted() -> None:
    """Slopes -1 and 1: anything between is no mistake, anything beyond is one."""
    theta = np.zeros(LAYOUT.n_parameters)

    def loss(v):
        return float(abs(v).sum())

    findings = check_gradient(loss, theta, np.full(26, 0.3), LAYOUT, 0)
    assert [(f.n_checked, f.n_kinks, f.passed) for f in findings] == [(0, n, False) for n in (12, 4, 8, 2)]
    beyond = check_gradient(loss, theta, np.full(26, 1.5), LAYOUT, 0)
    assert not any(f.passed for f in beyond)
    assert [f.n_kinks for f in beyond] == [0] * 4


def test_large_segments_are_sampled(rng: np.random.Generator) -> None:
    layout = Layout((40, 10))
    seen = []

    def loss(v):
        seen.append(np.flatnonzero(v))
        return 0.0

    findings = check_gradient(loss, np.zeros(410), np.zeros(410), layout, 1, most=50)
    assert [f.n_checked for f in findings] == [50, 10]
    assert len({int(ids[0]) for ids in seen if len(ids)}) == 60
