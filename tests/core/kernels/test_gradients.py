"""Gradients of the real engine: against central differences, and against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.losses import LOSSES
from tests import reference
from tests.bfloat16 import EPS
from tests.building import (
    engine_of,
    gradient_of,
    network_of,
    parameters_of,
    resident_of,
    resident_of_bytes,
    targets_for,
)

KNOWN_ACTIVATIONS = [name for name in ACTIVATIONS if name in reference.ACTIVATIONS]
KNOWN_LOSSES = [name for name in LOSSES if name in reference.LOSSES]
SIZES = {0: (4, 3), 1: (4, 5, 3), 2: (3, 5, 4, 2), 3: (3, 4, 3, 5, 2)}
EVERYTHING = [
    (activation, loss, depth)
    for depth in SIZES
    for loss in KNOWN_LOSSES
    for activation in (KNOWN_ACTIVATIONS if depth else ["identity"])
]


def assert_away_from_kinks(network, theta, x) -> None:
    """The slope of a rectifier is no limit of differences at its kink: the case must avoid it."""
    assert all(np.abs(a).min() > 1e-5 for a in reference.forward(network, theta, x)[0])


def assert_as_reference(network, theta, x, t, dtype, **how) -> None:
    """Compare the engine with the oracle on inputs that are numbers of `dtype` for both."""
    held = DTYPES[dtype].held
    eps = EPS if DTYPES[dtype].rounds_factors else np.finfo(held).eps
    theta, x, t = (np.asarray(values, held) for values in (theta, x, t))
    gradient, report = gradient_of(network, resident_of(x, t, dtype), theta, dtype=dtype, **how)
    expected = reference.gradient_sum(network, theta, x, t)
    bound, loss_bound = reference.rounding_bounds(network, theta, x, t, eps)
    assert gradient.dtype == np.dtype(held)
    assert np.all(np.abs(gradient * len(x) - expected) <= bound)
    assert abs(report.loss_sum - reference.loss_sum(network, theta, x, t)) <= loss_bound
    assert (report.n_samples, report.is_finite) == (len(x), True)
    # The norm is that of the mean; its own sum of squares adds P roundings, relative to it.
    norm = np.linalg.norm(expected) / len(x)
    assert abs(report.grad_norm - norm) <= np.linalg.norm(bound) / len(x) + len(theta) * eps * norm


@pytest.mark.parametrize(("activation", "loss", "depth"), EVERYTHING)
def test_gradient_is_the_slope_of_the_loss(activation: str, loss: str, depth: int, rng: np.random.Generator) -> None:
    """The engine's own loss gives the slopes: no formula is shared with the gradient."""
    network = network_of(SIZES[depth], activation, loss)
    n_rows = 6
    theta, x = parameters_of(network, rng), rng.normal(0, 1, (n_rows, SIZES[depth][0]))
    resident = resident_of(x, targets_for(network, n_rows, rng))
    assert_away_from_kinks(network, theta, x)
    gradient, report = gradient_of(network, resident, theta)
    slopes = reference.central_differences(
        lambda v: gradient_of(network, resident, v)[1].loss_sum / n_rows, theta, h=1e-6
    )
    # h^2/6 |f'''| ~ 1e-12 and eps * loss / h ~ 2e-16 * 10 / 1e-6: well below the 1e-6 asked for.
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    assert report.is_finite


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "loss", "depth"), EVERYTHING)
def test_gradient_is_that_of_the_reference(
    activation: str, loss: str, depth: int, dtype: str, rng: np.random.Generator
) -> None:
    network = network_of(SIZES[depth], activation, loss)
    theta, x = parameters_of(network, rng), rng.normal(0, 1, (21, SIZES[depth][0]))
    assert_away_from_kinks(network, theta, x)
    assert_as_reference(network, theta, x, targets_for(network, 21, rng), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 7, 8, 9, 33])
def test_micro_batches_may_be_empty_or_uneven(n_rows: int, dtype: str, rng: np.random.Generator) -> None:
    """At 8 micro-batches, 1 to 7 rows leave some with none: B = 0."""
    network = network_of((5, 7, 3), "tanh", "cross_entropy")
    theta, x = parameters_of(network, rng), rng.normal(0, 1, (n_rows, 5))
    assert_as_reference(network, theta, x, targets_for(network, n_rows, rng), dtype, micro_batches=8)


def test_layers_may_differ_in_activation(rng: np.random.Generator) -> None:
    names = (KNOWN_ACTIVATIONS * 2)[:5]
    network = network_of((3, 4, 2, 5, 4, 3, 2), names)
    theta, x = parameters_of(network, rng), rng.normal(0, 1, (11, 3))
    assert_away_from_kinks(network, theta, x)
    assert_as_reference(network, theta, x, targets_for(network, 11, rng), "float64")


def test_wide_layers_and_single_columns(rng: np.random.Generator) -> None:
    """Shapes at which BLAS takes its other paths, and a vector of many blocks."""
    for sizes in [(1, 1), (1, 64, 1), (70, 1, 70), (3, 130, 65, 2)]:
        network = network_of(sizes, "tanh")
        theta, x = parameters_of(network, rng), rng.normal(0, 1, (50, sizes[0]))
        assert_as_reference(network, theta, x, targets_for(network, 50, rng), "float32")


def test_gradient_follows_the_order_of_rows(rng: np.random.Generator) -> None:
    """Only rows named by `order[start:stop]` count; a wrong row would change the sum."""
    network = network_of((3, 2), loss="mse")
    theta, x, t = parameters_of(network, rng), rng.normal(0, 1, (10, 3)), rng.normal(0, 1, (10, 2))
    with engine_of(network, resident_of(x, t), theta, "momentum") as engine:
        engine.order[:] = [9, 3, 7, 1, 5, 0, 2, 4, 6, 8]
        engine.run([(1, 4)], [(1.0, 0.0)])
        gradient = -engine.moments[0]
    expected = reference.gradient_sum(network, theta, x[[3, 7, 1]], t[[3, 7, 1]]) / 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_are_normalised_while_gathered(dtype: str, rng: np.random.Generator) -> None:
    network = network_of((6, 4, 3), "tanh", "cross_entropy")
    theta = parameters_of(network, rng, dtype)
    x, t = rng.integers(0, 256, (9, 6)), targets_for(network, 9, rng)
    offset, scale = np.full(6, 127.5), 2.0 ** -np.arange(6, 12)  # exact in both dtypes
    gradient, _ = gradient_of(network, resident_of_bytes(x, t, offset, scale, dtype), theta)
    normalised = (x - offset) * scale
    expected = reference.gradient_sum(network, theta, normalised, t)
    bound, _ = reference.rounding_bounds(network, theta, normalised, t, np.finfo(dtype).eps)
    assert np.all(np.abs(gradient * 9 - expected) <= bound)
