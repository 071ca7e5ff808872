"""The oracle itself: held by central differences and by closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference
from tests.building import network_of, parameters_of, targets_for


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_derivatives_of_activations_are_their_slopes(name: str, rng: np.random.Generator) -> None:
    value, derivative = reference.ACTIVATIONS[name]
    a = rng.normal(0, 2, 200)
    h = 1e-6
    # h^2/6 |g'''| <= 1e-12, and rounding eps |g| / h ~ 1e-16 * 10 / 1e-6.
    np.testing.assert_allclose((value(a + h) - value(a - h)) / (2 * h), derivative(a), atol=2e-9)
    assert np.all((derivative(a) >= 0) & (derivative(a) <= 1)), "assumed by the bounds of rounding"


@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 3, 4, 3)])
def test_gradients_are_slopes_of_the_loss(
    sizes: tuple[int, ...], activation: str, loss: str, rng: np.random.Generator
) -> None:
    network = network_of(sizes, activation, loss)
    theta, x = parameters_of(network, rng), rng.normal(0, 1, (5, sizes[0]))
    t = targets_for(network, 5, rng)
    slopes = reference.central_differences(lambda v: reference.loss_sum(network, v, x, t), theta)
    gradient = reference.gradient_sum(network, theta, x, t)
    # h = 1e-6: the difference loses eps * loss / h ~ 1e-16 * 30 / 1e-6 = 3e-9.
    np.testing.assert_allclose(slopes, gradient, rtol=1e-7, atol=2e-8)


def test_losses_have_their_textbook_values() -> None:
    # 1/2 (3^2 + 4^2); -log(1/2) for each undecided bit; -log(e / (e + 1)) for label 1.
    mse = reference.LOSSES["mse"][0](np.array([[1.0, -2.0]]), np.array([[4.0, 2.0]]))
    bits = reference.LOSSES["binary_cross_entropy"][0](np.zeros((1, 2)), np.array([[0.0, 1.0]]))
    label = reference.LOSSES["cross_entropy"][0](np.array([[0.0, 1.0]]), np.array([[1.0]]))
    np.testing.assert_allclose([*mse, *bits, *label], [12.5, 2 * np.log(2), np.log1p(np.exp(-1))], rtol=1e-15)


def test_pack_undoes_unpack(rng: np.random.Generator) -> None:
    theta = rng.normal(size=3 * 4 + 4 + 4 * 2 + 2)
    np.testing.assert_array_equal(reference.pack(reference.unpack(theta, (3, 4, 2))), theta)


def test_momentum_gathers_speed() -> None:
    # Constant gradient 1, eta 1, mu 1/2: steps of 1, 3/2, 7/4.
    rule = reference.Optimizer("momentum", 1, momentum=0.5)
    theta = np.zeros(1)
    for expected in (-1.0, -2.5, -4.25):
        theta = rule.step(theta, np.ones(1), 1.0)
        assert theta[0] == expected


def test_adam_begins_with_steps_of_the_learning_rate() -> None:
    # A constant gradient: both corrected moments are exact, so each step is eta g / (|g| + eps).
    rule = reference.Optimizer("adam", 2, beta1=0.9, beta2=0.999, eps=1e-8)
    theta = np.zeros(2)
    for k in range(1, 4):
        theta = rule.step(theta, np.array([100.0, -0.5]), 0.1)
        np.testing.assert_allclose(theta, [-0.1 * k, 0.1 * k], rtol=1e-7)


def test_adagrad_slows_down_and_rmsprop_forgets() -> None:
    # Constant gradient 3: r is 9 k, so step k is eta / sqrt(k); or it tends to 9, so steps tend to eta.
    adagrad = reference.Optimizer("adagrad", 1, eps=1e-12)
    rmsprop = reference.Optimizer("rmsprop", 1, rho=0.5, eps=1e-12)
    theta = np.zeros(1)
    for k in range(1, 5):
        before, theta = theta, adagrad.step(theta, np.full(1, 3.0), 0.5)
        np.testing.assert_allclose(before - theta, 0.5 / np.sqrt(k), rtol=1e-11)
    for k in range(1, 5):
        before, theta = theta, rmsprop.step(theta, np.full(1, 3.0), 0.5)
        np.testing.assert_allclose(before - theta, 0.5 / np.sqrt(1 - 0.5**k), rtol=1e-11)
