"""Losses and output units: closed forms, invariances, and logits far out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddp_mlp.core.kernels.losses import LOSS_CODES, LOSSES, OUTPUT_CODES, apply_output, softmax
from tests import reference

BY_NAME = {loss.name: loss for loss in LOSSES}
KNOWN = [name for name in BY_NAME if name in reference.LOSSES]
DTYPES = [np.float32, np.float64]
EPS = np.finfo(np.float64).eps


def differentiate(name: str, logits, target, dtype: type = np.float64) -> tuple[float, np.ndarray]:
    row = np.array(logits, dtype)
    loss = BY_NAME[name].differentiate(row, np.array(target, dtype))
    return float(loss), row


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_value_and_derivative_are_those_of_the_reference(name: str, dtype: type, rng: np.random.Generator) -> None:
    value, derivative = reference.LOSSES[name]
    for _ in range(20):
        logits = rng.normal(0, 3, 5).astype(dtype)
        target = {
            "mse": rng.normal(0, 3, 5),
            "binary_cross_entropy": rng.integers(0, 2, 5),
            "cross_entropy": rng.integers(0, 5, 1),
        }[name].astype(dtype)
        loss, delta = differentiate(name, logits, target, dtype)
        a, t = logits.astype(float)[None], target.astype(float)[None]
        # About 5 terms below (|a| + |t|)^2 and 8 roundings each, elementary functions included.
        bound = 5 * 8 * np.finfo(dtype).eps * (1 + abs(a).max() + abs(t).max()) ** 2
        assert abs(loss - value(a, t)[0]) <= bound
        assert np.all(abs(delta - derivative(a, t)[0]) <= bound)
        assert delta.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_ten_thousand(dtype: type) -> None:
    """exp(1e4) overflows in both dtypes; the losses are exact all the same."""
    for label, expected in enumerate([0.0, 1e4, 2e4]):
        loss, delta = differentiate("cross_entropy", [1e4, 0.0, -1e4], [label], dtype)
        assert loss == expected
        np.testing.assert_array_equal(delta, np.array([1.0, 0.0, 0.0]) - np.eye(3)[label])
    for logit, target, expected, slope in [(1e4, 1, 0, 0), (1e4, 0, 1e4, 1), (-1e4, 0, 0, 0), (-1e4, 1, 1e4, -1)]:
        loss, delta = differentiate("binary_cross_entropy", [logit], [target], dtype)
        assert (loss, delta[0]) == (expected, slope)
    assert differentiate("mse", [1e4], [-1e4], dtype)[0] == 2e8


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_sums_to_one(dtype: type, rng: np.random.Generator) -> None:
    for n in (1, 2, 10, 1000):
        row = rng.normal(0, 4, n).astype(dtype)
        softmax(row)
        assert np.all(row >= 0)
        # n divisions round by half an ulp of a term each, and the n - 1 additions of the total.
        assert abs(math.fsum(row) - 1) <= (n + 1) * np.finfo(dtype).eps


def test_softmax_knows_no_common_shift() -> None:
    """A shift by a power of two far above the logits' digits would show if it were not subtracted."""
    a = np.array([0.5, -1.25, 3.0])
    plain, shifted = a.copy(), a + 4096  # exact
    log_sum = softmax(plain)
    assert softmax(shifted) == pytest.approx(log_sum + 4096, rel=EPS)
    np.testing.assert_array_equal(plain, shifted)
    np.testing.assert_allclose(plain, np.exp(a) / np.exp(a).sum(), rtol=8 * EPS)


def test_binary_and_two_class_cross_entropy_agree(rng: np.random.Generator) -> None:
    """Sigmoid of a is softmax of (0, a)."""
    for a in rng.normal(0, 3, 20):
        for t in (0, 1):
            one, slope = differentiate("binary_cross_entropy", [a], [t])
            two, slopes = differentiate("cross_entropy", [0, a], [t])
            assert one == pytest.approx(two, abs=8 * EPS * (1 + abs(a)))
            assert slope[0] == pytest.approx(slopes[1], abs=8 * EPS)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_single_logit_suffices(name: str) -> None:
    """C = 1: softmax over one class is sure, and its loss is 0."""
    loss, delta = differentiate(name, [0.0], [0.0])
    assert loss == {"binary_cross_entropy": math.log(2)}.get(name, loss)
    if name == "cross_entropy":
        assert (loss, delta[0]) == (0.0, 0.0)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows_in_the_loss(name: str, bad: float) -> None:
    """`cross_entropy` may learn of minus infinity only through its own label."""
    loss, _ = differentiate(name, [bad, 1.0], [0.0, 0.0] if name != "cross_entropy" else [0.0])
    assert not math.isfinite(loss) or (name == "binary_cross_entropy" and bad == -math.inf)


@pytest.mark.parametrize("name", BY_NAME)
def test_kernels_stay_in_single_precision(name: str) -> None:
    differentiate(name, [0.5], [0.0], np.float32)
    results = [
        str(overload.signature.return_type)
        for overload in BY_NAME[name].differentiate.overloads.values()
        if "float32" in str(overload.signature.args[0])
    ]
    assert results == ["float32"]


def test_codes_are_places() -> None:
    assert [LOSS_CODES[loss.name] for loss in LOSSES] == list(range(len(LOSSES)))
    assert {loss.output for loss in LOSSES} <= OUTPUT_CODES.keys()


@pytest.mark.parametrize("name", OUTPUT_CODES)
def test_output_units(name: str) -> None:
    row = np.array([0.5, -2.0, 1.0])
    expected = reference.OUTPUTS[name](row)
    apply_output(OUTPUT_CODES[name], row)
    np.testing.assert_allclose(row, expected, rtol=8 * EPS)
