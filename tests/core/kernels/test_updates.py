"""Optimiser kernels with their coefficients: twenty steps against the rules of the book."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ddp_mlp.config import OPTIMIZER_DEFAULTS
from ddp_mlp.core.kernels.updates import COEFFICIENTS, UPDATE_CODES, UPDATES, scale, update
from ddp_mlp.core.optimizers import OPTIMIZERS
from tests import reference

KNOWN = [name for name in UPDATES if name in reference.RULES]


def settings_of(name: str, **changed: float) -> SimpleNamespace:
    """Return a configuration of an optimiser, as complete as the checks make it."""
    return SimpleNamespace(**(OPTIMIZER_DEFAULTS[name] | changed))


def run(name: str, settings: SimpleNamespace, theta: np.ndarray, gradients: np.ndarray, rates: np.ndarray) -> None:
    """Take a step for each gradient, in place, as two blocks of the vector."""
    optimizer = OPTIMIZERS[name]
    moments = np.zeros((len(optimizer.moments), len(theta)), theta.dtype)
    half = len(theta) // 2
    for step, (g, rate) in enumerate(zip(gradients, rates, strict=True)):
        c = np.zeros(COEFFICIENTS, theta.dtype)
        values = optimizer.coefficients(settings, rate, step)
        c[: len(values)] = values
        for start, stop in ((0, half), (half, len(theta))):
            update(UPDATE_CODES[name], theta[start:stop], g[start:stop].copy(), moments, start, c)


@pytest.mark.parametrize("name", KNOWN)
def test_twenty_steps_are_those_of_the_book(name: str, rng: np.random.Generator) -> None:
    theta, gradients = rng.normal(size=33), rng.normal(size=(20, 33))
    gradients[:, 0] = 0.0  # a parameter that no sample touches
    rates = 0.1 / (1 + np.arange(20))  # a schedule: each step has a rate of its own
    settings = settings_of(name)
    rule = reference.Optimizer(name, 33, **vars(settings))
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
    for key, value in OPTIMIZER_DEFAULTS[name].items():
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
    assert OPTIMIZERS.keys() == UPDATES.keys() == OPTIMIZER_DEFAULTS.keys()
    for name, optimizer in OPTIMIZERS.items():
        assert len(optimizer.coefficients(settings_of(name), 0.1, 0)) <= COEFFICIENTS, name


def test_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown optimiser"):
        update(99, np.zeros(1), np.zeros(1), np.zeros((0, 1)), 0, np.zeros(COEFFICIENTS))


def test_scale() -> None:
    values = np.array([1.0, -3.0])
    scale(values, 0.5)
    np.testing.assert_array_equal(values, [0.5, -1.5])
