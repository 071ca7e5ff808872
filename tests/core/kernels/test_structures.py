"""Maxout and tied weights: closed forms, and gradients against central differences of the engine's own loss."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.kernels.network.maxout import give_to_winner, take_largest
from ddp_mlp.core.layout import Layout
from ddp_mlp.core.network import Network
from ddp_mlp.engine.evaluation import Evaluator
from tests.building import gradient_of, resident_of
from tests.reference import central_differences


def test_the_largest_piece_wins_and_the_first_of_equals() -> None:
    pieces = np.array([[1.0, 5.0, 3.0, 5.0, 1.0, 2.0], [-1.0, 0.0, -1.0, 0.0, -2.0, 0.0]])  # 2 rows, 2 units, 3 pieces
    work = np.concatenate([pieces.ravel(), np.zeros(4), [10.0, 20.0, 30.0, 40.0]])
    take_largest(work, 0, 12, 2, 2, 6)
    assert work[12:16].tolist() == [3.0, 5.0, -1.0, 0.0]
    give_to_winner(work, 0, 16, 2, 2, 6)
    assert work[:12].reshape(2, 6).tolist() == [[0, 20, 10, 0, 0, 0], [30, 40, 0, 0, 0, 0]]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_stays_visible(place: int) -> None:
    work = np.array([1.0, 2.0, 3.0, 0.0])
    work[place] = math.nan
    take_largest(work, 0, 3, 1, 1, 3)
    assert math.isnan(work[3])


def outputs(network: Network, theta, x) -> np.ndarray:
    resident = resident_of(x, np.zeros((len(x), network.layout.sizes[-1])))
    return Evaluator(network, "regression", resident, SingleProcess(), 1).predict(theta, np.arange(len(x)))


def test_maxout_is_the_maximum_of_linear_pieces(rng: np.random.Generator) -> None:
    """Two pieces can make an absolute value: max(x, -x)."""
    network = Network(Layout((1, 1, 1), (2, 1)), ("maxout", "identity"), "mse", "linear")
    theta = np.array([1.0, -1.0, 0.0, 0.0, 1.0, 0.0])  # weight (1, 2), bias (2,), then 1 x + 0
    x = rng.normal(size=(20, 1))
    np.testing.assert_array_equal(outputs(network, theta, x), abs(x))


def tied(sizes, activation="tanh") -> Network:
    hidden = (activation,) * (len(sizes) - 2)
    return Network(Layout(tuple(sizes), (), True), (*hidden, "identity"), "mse", "linear", (0.1,) * (len(sizes) - 1))


def test_the_decoder_is_the_encoder_transposed(rng: np.random.Generator) -> None:
    network = tied((5, 4, 2, 4, 5))
    layout = network.layout
    assert [s.name for s in layout.segments()] == [
        "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias", "layer3.bias", "layer4.bias",
    ]  # fmt: skip
    assert layout.n_parameters == 5 * 4 + 4 * 2 + 4 + 2 + 4 + 5
    theta, x = rng.normal(0, 0.5, layout.n_parameters), rng.normal(size=(7, 5))
    w1, w2 = (layout.weight(k).view(theta) for k in (0, 1))
    h = x
    for k, weight in enumerate((w1, w2, w2.T, w1.T)):
        h = h @ weight + layout.bias(k).view(theta)
        h = np.tanh(h) if k < 3 else h
    np.testing.assert_allclose(outputs(network, theta, x), h, atol=1e-14)


CASES = [
    tied((5, 3, 5)),
    tied((5, 4, 2, 4, 5), "leaky_relu"),
    tied((3, 8, 3), "elu"),
    Network(Layout((4, 3, 2), (3, 1)), ("maxout", "identity"), "mse", "linear"),
    Network(Layout((4, 3, 5, 2), (2, 4, 1)), ("maxout", "maxout", "identity"), "cross_entropy", "softmax"),
    Network(Layout((4, 3, 5, 1), (1, 2, 1)), ("tanh", "maxout", "identity"), "binary_cross_entropy", "sigmoid"),
]


@pytest.mark.parametrize("network", CASES)
def test_gradient_is_the_slope_of_the_loss(network: Network, rng: np.random.Generator) -> None:
    """The gradients of both uses of a tied weight come together in one place."""
    n_in, n_out = network.layout.sizes[0], network.layout.sizes[-1]
    theta, x = rng.normal(0, 0.5, network.layout.n_parameters), rng.normal(size=(6, n_in))
    t = {"mse": rng.normal(size=(6, n_out)), "cross_entropy": rng.integers(0, n_out, (6, 1))}.get(
        network.loss, rng.integers(0, 2, (6, 1))
    )
    resident = resident_of(x, t)
    gradient, report = gradient_of(network, resident, theta)
    slopes = central_differences(lambda v: gradient_of(network, resident, v)[1].loss_sum / 6, theta, h=1e-6)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6 * abs(gradient).max())
    assert report.is_finite


@pytest.mark.parametrize("network", CASES)
def test_threads_and_micro_batches(network: Network, rng: np.random.Generator) -> None:
    """Empty micro-batches add nothing, and threads change no bit."""
    n_in, n_out = network.layout.sizes[0], network.layout.sizes[-1]
    theta, x = rng.normal(0, 0.5, network.layout.n_parameters), rng.normal(size=(5, n_in))
    resident = resident_of(x, rng.normal(size=(5, n_out)) if network.loss == "mse" else rng.integers(0, 2, (5, 1)))
    alone, _ = gradient_of(network, resident, theta, micro_batches=8)
    np.testing.assert_array_equal(gradient_of(network, resident, theta, micro_batches=8, threads=3)[0], alone)
    np.testing.assert_allclose(gradient_of(network, resident, theta, micro_batches=1)[0], alone, atol=1e-14)
