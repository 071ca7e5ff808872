"""Worked examples from the lectures that the network is built after, with their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import OptimizerConfig
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.engine.evaluation import Evaluator
from tests import reference
from tests.building import engine_of, gradient_of, network_of, resident_of

XOR_X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
XOR_T = [[0.0], [1.0], [1.0], [0.0]]
DTYPES = ["float32", "float64"]


def outputs(network, theta, x, dtype: str = "float64") -> np.ndarray:
    resident = resident_of(x, np.zeros((len(x), network.layout.sizes[-1])), dtype)
    evaluator = Evaluator(network, "regression", resident, SingleProcess(), 1)
    return evaluator.predict(np.asarray(theta, dtype), np.arange(len(x)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_xor_with_given_weights(dtype: str) -> None:
    """Example 1: "Deep Learning" (2016), section 6.1. All numbers are small integers, so exact."""
    network = network_of((2, 2, 1), "relu")
    theta = reference.pack([([[1, 1], [1, 1]], [0, -1]), ([[1], [-2]], [0])])
    np.testing.assert_array_equal(outputs(network, theta, XOR_X, dtype), XOR_T)
    np.testing.assert_array_equal(reference.predict(network, theta, XOR_X), XOR_T)


def test_best_linear_model_of_xor_answers_one_half() -> None:
    """Example 1: w = 0 and w0 = 1/2 is where the gradient of the squared error vanishes."""
    network = network_of((2, 1))
    gradient, report = gradient_of(network, resident_of(XOR_X, XOR_T), np.array([0.0, 0.0, 0.5]))
    np.testing.assert_array_equal(gradient, [0, 0, 0])
    assert report.loss_sum == 4 * 0.5 * 0.25
    theta = train(network, XOR_X, XOR_T, "sgd", 0.5, 400, np.array([0.3, -0.7, 0.2]))
    np.testing.assert_allclose(theta, [0, 0, 0.5], atol=1e-12)


def train(network, x, t, optimizer: str, rate: float, n_steps: int, start: np.ndarray) -> np.ndarray:
    """Descend on all rows at once and return the parameters."""
    settings = OptimizerConfig(name=optimizer, **OPTIMIZERS[optimizer].defaults)  # type: ignore[arg-type]
    with engine_of(network, resident_of(x, t), start, optimizer, micro_batches=2) as engine:
        for first in range(0, n_steps, 200):
            steps = range(first, min(first + 200, n_steps))
            coefficients = [OPTIMIZERS[optimizer].coefficients(settings, rate, step) for step in steps]
            engine.run([(0, len(x))] * len(steps), coefficients)
        return engine.parameters.copy()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_xor_is_learned_from_data(activation: str) -> None:
    """Example 1: what no linear model can, a few hidden units learn."""
    network = network_of((2, 6, 1), activation, "binary_cross_entropy")
    start = initial_parameters(network, "auto", 3, "float64")
    theta = train(network, XOR_X, XOR_T, "adam", 0.05, 1000, start)
    np.testing.assert_allclose(outputs(network, theta, XOR_X), XOR_T, atol=0.02)


@pytest.mark.parametrize("dtype", DTYPES)
def test_three_two_one_network_of_sigmoids(dtype: str) -> None:
    """Example 2. The lecture prints 0.68, 0.62, 0.74: it adds up the second unit wrongly."""
    network = network_of((3, 2, 1), "sigmoid", "binary_cross_entropy")
    theta = reference.pack([([[1.0, 0.5], [0.2, 1.2], [1.2, 0.1]], [0.1, 0.2]), ([[0.3], [0.9]], [0.3])])
    x = [[0.4, 0.2, 0.2]]
    hidden = reference.forward(network, theta, x)[1][1]
    np.testing.assert_allclose(hidden, [[0.685680, 0.659260]], atol=5e-7)
    np.testing.assert_allclose(reference.predict(network, theta, x), [[0.750080]], atol=5e-7)
    np.testing.assert_allclose(outputs(network, theta, x, dtype), [[0.750080]], atol=5e-7)


def test_product_of_a_sum() -> None:
    """Example 3: f(x, y, z) = (x + y) z at (-2, 5, -4), df = (z, z, x + y)."""
    f = lambda v: (v[0] + v[1]) * v[2]  # noqa: E731
    slopes = reference.central_differences(f, np.array([-2.0, 5.0, -4.0]))
    np.testing.assert_allclose(slopes, [-4, -4, 3], rtol=1e-8)


def test_product_of_a_sum_as_a_network() -> None:
    """Example 3, by the product: x + y is a hidden unit, z its weight, and the loss 1/2 f^2 has f df."""
    network = network_of((2, 1, 1), "identity")
    theta = reference.pack([([[1.0], [1.0]], [0.0]), ([[-4.0]], [0.0])])
    gradient, report = gradient_of(network, resident_of([[-2.0, 5.0]], [[0.0]]), theta)
    f = -12.0
    assert report.loss_sum == 0.5 * f**2
    # Weight k of the sum has df = x_k z, its bias z, the weight z has x + y, the last bias 1.
    np.testing.assert_array_equal(gradient, f * np.array([-2 * -4.0, 5 * -4.0, -4.0, 3.0, 1.0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_sigmoid_unit(dtype: str) -> None:
    """Example 4: w = (2, -3), w2 = -3, x = (-1, -2) make a = 1: value 0.731059, slope 0.196612."""
    network = network_of((2, 1, 1), "sigmoid")
    theta = reference.pack([([[2.0], [-3.0]], [-3.0]), ([[1.0]], [0.0])])
    x = [[-1.0, -2.0]]
    value = outputs(network, theta, x, dtype)[0, 0]
    assert value == pytest.approx(0.731059, abs=5e-7)
    # A target of one less than the value makes d loss / d value = 1, so the gradient is the slope times x.
    t = [[float(value) - 1.0]]
    gradient, _ = gradient_of(network, resident_of(x, t, dtype), theta.astype(dtype))
    np.testing.assert_allclose(gradient[:3], 0.196612 * np.array([-1, -2, 1]), rtol=5e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layer_by_layer(dtype: str) -> None:
    """Example 5: a 2-2-1 network of a rectifier and a linear unit, worked by hand.

    x = (1, 2), W0 = [[1, -1], [1, 1]], b0 = (0, -2): a = (3, -1), h = (3, 0).
    W1 = (2, 5), b1 = -1: y = 5, and t = 3 makes L = 2 and dL/dy = 2.
    dL/db1 = 2, dL/dW1 = h 2 = (6, 0), dL/dh = 2 W1 = (4, 10), times (1, 0) is (4, 0),
    dL/db0 = (4, 0), dL/dW0 = x (4, 0) = [[4, 0], [8, 0]].
    """
    network = network_of((2, 2, 1), "relu")
    theta = reference.pack([([[1, -1], [1, 1]], [0, -2]), ([[2], [5]], [-1])])
    x, t = np.array([[1.0, 2.0]]), np.array([[3.0]])
    expected = reference.pack([([[4, 0], [8, 0]], [4, 0]), ([[6], [0]], [2])])
    np.testing.assert_array_equal(reference.gradient_sum(network, theta, x, t), expected)
    gradient, report = gradient_of(network, resident_of(x, t, dtype), theta.astype(dtype))
    np.testing.assert_array_equal(gradient, expected)
    assert report.loss_sum == 2.0


def test_one_hidden_layer_fits_the_sine() -> None:
    """Example 6: to 1e-3 RMS on [-pi, pi]."""
    x = np.linspace(-np.pi, np.pi, 64)[:, None]
    network = network_of((1, 16, 1), "tanh")
    theta = initial_parameters(network, "auto", 1, "float64")
    for rate in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001):
        theta = train(network, x, np.sin(x), "adam", rate, 2000, theta)
    error = outputs(network, theta, x) - np.sin(x)
    assert np.sqrt((error**2).mean()) < 1e-3
