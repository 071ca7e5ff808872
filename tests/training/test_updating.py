"""What an update does beside the optimiser: clipping, penalties, norms of layers, looking ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.kernels.step.penalties import clip_factor
from ddp_mlp.core.update_rules import UpdateRules
from ddp_mlp.engine.engine import Engine
from tests import reference
from tests.building import engine_of, network_of, parameters_of, resident_of, targets_for

SIZES, N_ROWS = (20, 40, 30, 3), 24


@pytest.fixture
def parts(rng: np.random.Generator) -> Any:
    network = network_of(SIZES, "tanh", "cross_entropy")
    x, t = rng.normal(0, 1, (N_ROWS, SIZES[0])), targets_for(network, N_ROWS, rng)
    theta = parameters_of(network, rng)
    theta[[0, 5]] = 0.0  # where |w| has no derivative
    gradient = reference.gradient_sum(network, theta, x, t) / N_ROWS
    return network, resident_of(x, t), theta, gradient


def step(engine: Engine, *coefficients: float) -> Any:
    (report,) = engine.run([(0, N_ROWS)], [coefficients])
    return report


def weights_of(network: Any) -> list[slice]:
    return [slice(s.start, s.stop) for s in network.layout.segments() if s.name.endswith("weight")]


@pytest.mark.parametrize("threads", [1, 3])
def test_clipping_shortens_and_keeps_the_direction(parts: Any, threads: int) -> None:
    network, resident, theta, gradient = parts
    norm = np.linalg.norm(gradient)
    with engine_of(network, resident, theta, threads=threads, rules=UpdateRules(clip_norm=norm / 4)) as engine:
        report = step(engine, 1.0)
        np.testing.assert_allclose(theta - engine.parameters, gradient / 4, rtol=0, atol=1e-14)
    assert report.grad_norm == pytest.approx(norm, rel=1e-12), "reported before clipping"


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam"])
def test_a_limit_that_is_not_reached_changes_no_bit(parts: Any, optimizer: str) -> None:
    network, resident, theta, _ = parts
    found = []
    for rules in (UpdateRules(), UpdateRules(clip_norm=1e6)):
        with engine_of(network, resident, theta, optimizer, rules=rules) as engine:
            for _ in range(3):
                step(engine, 0.1, 0.9, 0.9, 0.1, 0.1, 1.0, 1e-3)
            found.append(engine.parameters.copy())
    np.testing.assert_array_equal(*found)


def test_clipping_a_gradient_whose_squares_overflow(rng: np.random.Generator) -> None:
    """In float32 squares end at 3.4e38. A linear unit whose only feature is 1e13 has slopes of 1e26."""
    resident = resident_of([[1e13], [1e13]], [[-1e13], [-1e13]], "float32")
    network, theta = network_of((1, 1)), np.zeros(2, np.float32)
    rules = UpdateRules(clip_norm=1.0)
    with engine_of(network, resident, theta, rules=rules, micro_batches=2) as engine:
        (report,) = engine.run([(0, 2)], [(1.0,)])
        # The slope by the bias, 1e13, is lost beside 1e26 to float32. A dozen roundings.
        np.testing.assert_allclose(engine.parameters, [-1.0, 0.0], rtol=12 * np.finfo(np.float32).eps, atol=1e-12)
    assert report.grad_norm == pytest.approx(1e26, rel=float(12 * np.finfo(np.float32).eps))


def test_factor_of_clipping() -> None:
    assert [clip_factor(16.0, limit) for limit in (0.0, 1.0, 4.0, 5.0)] == [1.0, 0.25, 1.0, 1.0]


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        (UpdateRules(l1=0.25), lambda w: 0.25 * abs(w).sum()),
        (UpdateRules(l2=0.25), lambda w: 0.125 * (w**2).sum()),
        (UpdateRules(lq=0.25, q=1.0), lambda w: 0.25 * abs(w).sum()),
        (UpdateRules(lq=0.25, q=1.5), lambda w: 0.25 * (abs(w) ** 1.5).sum()),
        (UpdateRules(lq=0.25, q=3.0), lambda w: 0.25 * (abs(w) ** 3).sum()),
        (
            UpdateRules(l1=0.1, l2=0.2, lq=0.3, q=4.0),
            lambda w: 0.1 * abs(w).sum() + 0.1 * (w**2).sum() + 0.3 * (w**4).sum(),
        ),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_penalties_are_those_of_the_weights(parts: Any, rules: UpdateRules, value: Any, threads: int) -> None:
    network, resident, theta, gradient = parts
    for where in weights_of(network):
        w = theta[where]
        slope = reference.central_differences(value, w)
        slope[w == 0] = 0.0
        gradient[where] += slope
    with engine_of(network, resident, theta, threads=threads, rules=rules) as engine:
        report = step(engine, 1.0)
        # Central differences err by h^2/6 f''' < 1e-12 and by eps f / h < 2e-16 * 100 / 1e-6.
        np.testing.assert_allclose(theta - engine.parameters, gradient, rtol=0, atol=1e-7)
    assert report.penalty == pytest.approx(sum(value(theta[where]) for where in weights_of(network)), rel=1e-12)
    assert report.grad_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def test_norms_of_layers(parts: Any) -> None:
    network, resident, theta, gradient = parts
    with engine_of(network, resident, theta, threads=2, rules=UpdateRules(layer_norms=True)) as engine:
        report = step(engine, 1.0)
    expected = [np.linalg.norm(gradient[where]) for where in weights_of(network)]
    assert report.layer_norms == pytest.approx(expected, rel=1e-12)
    with engine_of(network, resident, theta) as engine:
        assert step(engine, 1.0).layer_norms == ()


@pytest.mark.parametrize(("activation", "vanishes"), [("sigmoid", True), ("relu", False)])
def test_norms_of_layers_show_a_gradient_that_vanishes(
    activation: str, vanishes: bool, rng: np.random.Generator
) -> None:
    """Six layers of slopes of at most 1/4 leave the first weight less than a thousandth of the last one's gradient."""
    network = network_of((20, *[30] * 6, 3), activation, "cross_entropy")
    start = initial_parameters(network, "auto", 0, "float64")
    resident = resident_of(rng.normal(0, 1, (N_ROWS, 20)), targets_for(network, N_ROWS, rng))
    with engine_of(network, resident, start, rules=UpdateRules(layer_norms=True)) as engine:
        first, *_, last = step(engine, 1.0).layer_norms
    assert (first < 1e-3 * last) == vanishes
    assert vanishes or first > 0.1 * last


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_looking_ahead_gives_the_bits_of_the_update(parts: Any, dtype: str) -> None:
    """A resume rebuilds with NumPy what the kernel wrote before the run was stopped."""
    network, resident, theta, _ = parts
    resident = resident_of(resident.features.view(np.float64), resident.targets, dtype)
    with engine_of(network, resident, theta.astype(dtype), "nesterov") as engine:
        step(engine, 0.1, 0.9, 0.7)
        ahead = engine.gradient_at.copy()
        assert np.any(ahead != engine.parameters)
        engine.gradient_at[:] = 0
        engine.vectors.resume(engine.moments.copy(), 0.7)
        np.testing.assert_array_equal(engine.gradient_at, ahead)


def test_without_nesterov_there_is_no_second_vector(parts: Any) -> None:
    network, resident, theta, _ = parts
    with engine_of(network, resident, theta, "momentum") as engine:
        assert engine.gradient_at is engine.parameters


def test_a_line_search_finds_the_gradient_in_the_engine(parts: Any) -> None:
    network, resident, theta, gradient = parts
    with engine_of(network, resident, theta, "line_search", threads=2) as engine:
        step(engine, 1.0)
        np.testing.assert_array_equal(engine.parameters, theta)
        np.testing.assert_allclose(engine.gradient, gradient, rtol=0, atol=1e-14)
