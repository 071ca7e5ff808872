"""Start weights: their spread, their independence, and the same for every rank."""

from __future__ import annotations

import math
from itertools import combinations
from typing import get_args

import numpy as np
import pytest

from ddp_mlp.config.schema import Init
from ddp_mlp.core.initializers import initial_parameters
from tests.building import network_of

RANDOM = [name for name in get_args(Init) if name not in ("auto", "zeros")]


def weights(network, scheme: str, seed: int = 0, dtype: str = "float64") -> list[np.ndarray]:
    vector = initial_parameters(network, scheme, seed, dtype)
    return [network.layout.weight(layer).view(vector) for layer in range(network.layout.n_layers)]


@pytest.mark.parametrize("scheme", ["he_normal", "he_uniform", "glorot_normal", "glorot_uniform"])
def test_spread_follows_the_fans(scheme: str) -> None:
    for weight in weights(network_of((300, 100, 400, 50), "relu"), scheme):
        n_in, n_out = weight.shape
        variance = 2 / n_in if scheme.startswith("he") else 2 / (n_in + n_out)
        # The variance of a sample variance is (kurtosis - 1) sigma^4 / n, the kurtosis 3 or 9/5.
        kurtosis = 1.8 if scheme.endswith("uniform") else 3.0
        five_sigma = 5 * variance * math.sqrt((kurtosis - 1) / weight.size)
        assert abs(np.mean(weight**2) - variance) < five_sigma
        assert abs(weight.mean()) < 5 * math.sqrt(variance / weight.size)
        if scheme.endswith("uniform"):
            half_width = math.sqrt(3 * variance)
            assert 0.99 * half_width < abs(weight).max() <= half_width
        else:
            # A normal sample of 15000 or more goes beyond 3.2 sigma; a uniform one ends at 1.73.
            assert abs(weight).max() > 3.2 * math.sqrt(variance)


@pytest.mark.parametrize("scheme", [*RANDOM, "auto"])
def test_no_two_layers_of_equal_shape_are_equal(scheme: str) -> None:
    layers = weights(network_of((6, 6, 6, 6, 6), "tanh"), scheme)
    for a, b in combinations(layers, 2):
        # 36 pairs of independent numbers: correlated less than 5 / sqrt(36).
        assert not np.any(a == b)
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / 6


@pytest.mark.parametrize("scheme", [*RANDOM, "auto", "zeros"])
def test_biases_are_zero(scheme: str) -> None:
    network = network_of((5, 4, 3), "relu")
    vector = initial_parameters(network, scheme, 3, "float32")
    for layer in range(2):
        assert not network.layout.bias(layer).view(vector).any()


@pytest.mark.parametrize("scheme", RANDOM)
def test_precision_rounds_and_does_not_redraw(scheme: str) -> None:
    network = network_of((20, 10, 5), "relu")
    wide, narrow = (initial_parameters(network, scheme, 5, dtype) for dtype in ("float64", "float32"))
    assert (wide.dtype, narrow.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


def test_seed_decides_and_nothing_else() -> None:
    network = network_of((20, 10, 5), "relu")
    first = initial_parameters(network, "auto", 5, "float64")
    np.random.default_rng(0).normal(size=100)
    np.testing.assert_array_equal(initial_parameters(network, "auto", 5, "float64"), first)
    other = initial_parameters(network, "auto", 6, "float64")
    assert not np.any((other == first) & (first != 0))


def test_a_layer_keeps_its_weights_when_the_network_grows() -> None:
    """Each layer draws from a stream of its own."""
    short, long = (weights(network_of(sizes, "tanh"), "auto") for sizes in [(8, 6, 4), (8, 6, 4, 2)])
    np.testing.assert_array_equal(long[0], short[0])
    np.testing.assert_array_equal(long[1], short[1])


def test_zeros() -> None:
    assert not initial_parameters(network_of((8, 6, 4), "tanh"), "zeros", 1, "float32").any()


def test_auto_picks_for_each_activation() -> None:
    """He for a rectifier, Glorot for the others and for the output."""
    network = network_of((7, 5, 6, 4), ["relu", "tanh"])
    chosen, he, glorot = (weights(network, scheme) for scheme in ("auto", "he_normal", "glorot_uniform"))
    np.testing.assert_array_equal(chosen[0], he[0])
    np.testing.assert_array_equal(chosen[1], glorot[1])
    np.testing.assert_array_equal(chosen[2], glorot[2])


def test_golden_weights() -> None:
    """Pinned: other weights would make every seed another run."""
    (found,) = weights(network_of((2, 2)), "glorot_uniform", seed=1)
    # Half-width sqrt(6 / (n_in + n_out)), from Philox with the first 8 bytes of SHA-256("weights/1/0").
    expected = [[-0.9543518790636412, -0.9065630535866465], [1.0955651813719127, 1.002943966279493]]
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(float).eps)
