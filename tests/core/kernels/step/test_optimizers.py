"""Optimiser kernels with their coefficients: twenty steps against the rules of the book."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.catalog.optimizers import COEFFICIENTS, OPTIMIZERS
from ddp_mlp.config import OptimizerConfig
from ddp_mlp.core.kernels.network.codes import UPDATE_CODES
from ddp_mlp.core.kernels.step.optimizers import descend, look_ahead, scale, update
from tests import reference

#: What needs norms of whole layers, as LAMB, is tested where there are layers.
KNOWN = [name for name, entry in OPTIMIZERS.items() if name in reference.RULES and not entry.scales_layers]


def settings_of(name: str, **changed: float) -> OptimizerConfig:
    """Return a configuration of an optimiser, as complete as the checks make it."""
    return OptimizerConfig(name=name, **(OPTIMIZERS[name].defaults | changed))  # type: ignore[arg-type]


def run(name: str, settings: OptimizerConfig, theta: np.ndarray, gradients: np.ndarray, rates: np.ndarray) -> None:
    """Take a step for each gradient, in place, as two blocks of the vector."""
    optimizer = OPTIMIZERS[name]
    moments = np.zeros((len(optimizer.moments), len(theta)), theta.dtype)
    half = len(theta) // 2
    for step, (g, rate) in enumerate(zip(gradients, rates, strict=True)):
        c = np.zeros(COEFFICIENTS, theta.dtype)
        values = optimizer.coefficients(settings, rate, step)
        c[: len(values)] = values
        for start, stop in ((0, half), (half, len(theta))):
            update(UPDATE_CODES[name], theta[start:stop], g[start:stop].copy(), moments, start, c, True)


@pytest.mark.parametrize("name", KNOWN)
def test_twenty_steps_are_those_of_the_book(name: str, rng: np.random.Generator) -> None:
    theta, gradients = rng.normal(size=33), rng.normal(size=(20, 33))
    gradients[:, 0] = 0.0  # a parameter that no sample touches
    rates = 0.1 / (1 + np.arange(20))  # a schedule: each step has a rate of its own
    settings = settings_of(name)
    rule = reference.Optimizer(name, 33, **OPTIMIZERS[name].defaults)
    expected = theta.copy()
    for g, rate in zip(gradients, rates, strict=True):
        expected = rule.step(expected, g, rate)
    run(name, settings, theta, gradients, rates)
    # Below 16 roundings a step, each relative to theta or to a step: |theta| < 4, and a step is
    # below rate / (1 - momentum) |g| < 4 and, for Adam, below rate sqrt(1 / (1 - beta2)) < 4.
    np.testing.assert_allclose(theta, expected, rtol=0, atol=20 * 16 * 4 * np.finfo(float).eps)
    assert theta[0] == expected[0]


@pytest.mark.parametrize("name", KNOWN)
def test_every_setting_counts(name: str, rng: np.random.Generator) -> None:
    """A coefficient that is passed on but never read would leave the result as it was."""
    gradients, rates = rng.normal(size=(5, 3)), np.full(5, 0.1)
    plain = np.ones(3)
    run(name, settings_of(name), plain, gradients, rates)
    for key, value in OPTIMIZERS[name].defaults.items():
        changed = np.ones(3)
        settings = settings_of(name, **{key: 0.1 if key == "eps" else value / 2})
        run(name, settings, changed, gradients, rates)
        assert np.all(changed != plain), key


def test_first_steps_by_hand() -> None:
    """Eta 1/2, g = 2: sgd steps by 1; momentum 1/2 by 1, then 3/2; adam by 1/2 to its eps of 0."""
    for name, changed, expected in [
        ("sgd", {}, [-1.0, -2.0]),
        ("momentum", {"momentum": 0.5}, [-1.0, -2.5]),
        ("adam", {"beta1": 0.5, "beta2": 0.75, "eps": 1e-300}, [-0.5, -1.0]),
    ]:
        for n_steps in (1, 2):
            theta = np.zeros(1)
            run(name, settings_of(name, **changed), theta, np.full((n_steps, 1), 2.0), np.full(n_steps, 0.5))
            assert theta[0] == expected[n_steps - 1], name


def test_coefficients_fit_their_row() -> None:
    for name, optimizer in OPTIMIZERS.items():
        assert len(optimizer.coefficients(settings_of(name), 0.1, 0)) <= COEFFICIENTS, name


def test_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown optimiser"):
        update(99, np.zeros(1), np.zeros(1), np.zeros((0, 1)), 0, np.zeros(COEFFICIENTS), True)


def test_scale() -> None:
    values = np.array([1.0, -3.0])
    scale(values, 0.5)
    np.testing.assert_array_equal(values, [0.5, -1.5])


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_biases_do_not_decay(name: str) -> None:
    """Without a gradient only the decay is left."""
    c = np.zeros(COEFFICIENTS)
    values = OPTIMIZERS[name].coefficients(settings_of(name, weight_decay=0.25), 0.5, 0)
    c[: len(values)] = values
    for is_weight, expected in ((True, 0.25), (False, 0.0)):
        theta, g, moments = np.ones(3), np.zeros(3), np.zeros((2, 3))
        update(UPDATE_CODES[name], theta, g, moments, 0, c, is_weight)
        direction = (1 - theta) / 0.5 if name == "adamw" else g
        np.testing.assert_allclose(direction, expected, rtol=1e-15)


def test_line_search_leaves_the_parameters_alone() -> None:
    theta = np.ones(3)
    update(UPDATE_CODES["line_search"], theta, np.ones(3), np.zeros((0, 3)), 0, np.ones(COEFFICIENTS), True)
    np.testing.assert_array_equal(theta, 1)


def test_look_ahead_and_descend() -> None:
    theta, out = np.array([1.0, 2.0]), np.zeros(2)
    look_ahead(theta, np.array([4.0, -4.0]), 0.5, out)
    np.testing.assert_array_equal(out, [3.0, 0.0])
    descend(theta, out, 2.0)
    np.testing.assert_array_equal(theta, [-5.0, 2.0])
