"""Losses and output units: closed forms, invariances, and logits far out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.core.kernels.network.codes import LOSS_CODES, OUTPUT_CODES
from ddp_mlp.core.kernels.network.losses import apply_output, loss_and_delta
from tests import reference
from tests.building import network_of, targets_for

KNOWN = [name for name in LOSSES if name in reference.LOSSES]
DTYPES = [np.float32, np.float64]
EPS = float(np.finfo(np.float64).eps)


def differentiate(
    name: str, logits: Any, targets: Any, dtype: type = np.float64, weights: Any = (), smoothing: float = 0.0
) -> tuple[float, np.ndarray]:
    """Return the loss summed over a batch (B, C), and its derivative; row b has the target of sample b."""
    batch = np.array(logits, dtype)
    loss = loss_and_delta(
        LOSS_CODES[name], batch.reshape(-1), batch.shape[1], np.array(targets, dtype), np.arange(len(batch)),
        np.array(weights, dtype), smoothing,
    )  # fmt: skip
    return float(loss), batch


def apply(name: str, logits: Any, dtype: type = np.float64) -> np.ndarray:
    batch = np.array(logits, dtype)
    apply_output(OUTPUT_CODES[name], batch.reshape(-1), batch.shape[1])
    return batch


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_value_and_derivative_are_those_of_the_reference(name: str, dtype: type, rng: np.random.Generator) -> None:
    value, derivative = reference.LOSSES[name]
    for n_rows in (0, 1, 7):
        logits = rng.normal(0, 3, (n_rows, 5)).astype(dtype)
        targets = targets_for(network_of((1, 5), loss=name), n_rows, rng).astype(dtype)
        loss, delta = differentiate(name, logits, targets, dtype)
        a, t = logits.astype(float), targets.astype(float)
        scale = 1 + abs(a).max(initial=0) + abs(t).max(initial=0)
        # Each of 5 terms a row is below scale^2 and rounds 10 times, elementary functions included.
        bound = 5 * 10 * np.finfo(dtype).eps * scale**2
        assert abs(loss - value(a, t).sum()) <= max(n_rows, 1) * bound
        assert np.all(abs(delta - derivative(a, t)) <= bound)
        assert delta.dtype == dtype


@pytest.mark.parametrize("name", KNOWN)
def test_each_row_has_the_target_of_its_sample(name: str, rng: np.random.Generator) -> None:
    """A batch is rows of a shuffled order, not the first samples."""
    rows = np.array([8, 0, 5, 8])
    logits, targets = rng.normal(size=(4, 3)), targets_for(network_of((1, 3), loss=name), 9, rng)
    flat = logits.reshape(-1).copy()
    loss = loss_and_delta(LOSS_CODES[name], flat, 3, targets, rows, np.zeros(0), 0.0)
    expected_loss, expected = differentiate(name, logits, targets[rows])
    assert loss == expected_loss
    np.testing.assert_array_equal(flat.reshape(4, 3), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_ten_thousand(dtype: type) -> None:
    """exp(1e4) overflows in both dtypes; the losses are exact all the same."""
    for label, expected in enumerate([0.0, 1e4, 2e4]):
        loss, delta = differentiate("cross_entropy", [[1e4, 0.0, -1e4]], [[label]], dtype)
        assert loss == expected
        np.testing.assert_array_equal(delta[0], np.array([1.0, 0.0, 0.0]) - np.eye(3)[label])
    for logit, target, expected, slope in [(1e4, 1, 0, 0), (1e4, 0, 1e4, 1), (-1e4, 0, 0, 0), (-1e4, 1, 1e4, -1)]:
        loss, delta = differentiate("binary_cross_entropy", [[logit]], [[target]], dtype)
        assert (loss, delta[0, 0]) == (expected, slope)
    assert differentiate("mse", [[1e4]], [[-1e4]], dtype)[0] == 2e8


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_sums_to_one(dtype: type, rng: np.random.Generator) -> None:
    for n in (1, 2, 10, 1000):
        for row in apply("softmax", rng.normal(0, 4, (3, n)), dtype):
            assert np.all(row >= 0)
            # n divisions round by half an ulp of a term each, and the n - 1 additions of the total.
            assert abs(math.fsum(row) - 1) <= (n + 1) * np.finfo(dtype).eps


def test_softmax_knows_no_common_shift() -> None:
    """exp(a) would overflow at a shift of 4096; the shift is exact, so the answers are equal in bits."""
    a = np.array([[0.5, -1.25, 3.0], [1.0, 1.0, 1.0]])
    plain = apply("softmax", a)
    np.testing.assert_array_equal(apply("softmax", a + 4096), plain)
    np.testing.assert_array_equal(apply("softmax", a - 4096), plain)
    np.testing.assert_allclose(plain, np.exp(a) / np.exp(a).sum(axis=1, keepdims=True), rtol=8 * EPS)
    for label in range(3):
        shifted, unshifted = (differentiate("cross_entropy", a[:1] + s, [[label]]) for s in (4096, 0))
        assert shifted[0] == unshifted[0]
        np.testing.assert_array_equal(shifted[1], unshifted[1])


def test_binary_and_two_class_cross_entropy_agree(rng: np.random.Generator) -> None:
    """Sigmoid of a is softmax of (0, a)."""
    for a in rng.normal(0, 3, 20):
        for t in (0, 1):
            one, slope = differentiate("binary_cross_entropy", [[a]], [[t]])
            two, slopes = differentiate("cross_entropy", [[0, a]], [[t]])
            assert one == pytest.approx(two, abs=8 * EPS * (1 + abs(a)))
            assert slope[0, 0] == pytest.approx(slopes[0, 1], abs=8 * EPS)


def test_one_class_is_sure() -> None:
    loss, delta = differentiate("cross_entropy", [[3.5], [-1e4]], [[0], [0]])
    assert loss == 0
    np.testing.assert_array_equal(delta, [[0], [0]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows(name: str, bad: float, dtype: type) -> None:
    """In the loss, or in a derivative that the search of the gradient then meets; but a logit of minus
    infinity is a sound "never" where the target agrees."""
    targets = [[0.0], [0.0]] if name == "cross_entropy" else [[0.0, 0.0], [0.0, 0.0]]
    for place in (0, 1):
        logits = np.zeros((2, 2))
        logits[1, place] = bad
        loss, _ = differentiate(name, logits, targets, dtype)
        sound = bad == -math.inf and (name, place) in [
            ("cross_entropy", 1),
            ("binary_cross_entropy", 0),
            ("binary_cross_entropy", 1),
            ("hinge", 0),
            ("hinge", 1),
            ("perceptron", 0),
            ("perceptron", 1),
        ]
        assert math.isfinite(loss) == sound, place


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_weights_multiply(name: str, dtype: type, rng: np.random.Generator) -> None:
    """A sample of weight 2 is two samples, one of weight 0 is none; all that is exact."""
    logits, weights = rng.normal(0, 3, (4, 3)).astype(dtype), [2.0, 0.0, 1.0, 4.0]
    targets = targets_for(network_of((1, 3), loss=name), 4, rng)
    plain = [differentiate(name, logits[i : i + 1], targets[i : i + 1], dtype) for i in range(4)]
    loss, delta = differentiate(name, logits, targets, dtype, weights)
    exact = math.fsum(w * one for w, (one, _) in zip(weights, plain, strict=True))
    # Rounded in float64, but for losses that round each sample in their own type.
    assert loss == pytest.approx(exact, rel=float(20 * np.finfo(dtype).eps))
    np.testing.assert_array_equal(delta, [w * slope[0] for w, (_, slope) in zip(weights, plain, strict=True)])


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_cross_entropy_with_a_softer_target(smoothing: float, rng: np.random.Generator) -> None:
    a, labels = rng.normal(0, 3, (6, 4)), rng.integers(0, 4, (6, 1))
    q = (1 - smoothing) * np.eye(4)[labels[:, 0]] + smoothing / 4
    p = reference.softmax(a)
    loss, delta = differentiate("cross_entropy", a, labels, smoothing=smoothing)
    assert loss == pytest.approx(-(q * np.log(p)).sum(), rel=1e-13)
    np.testing.assert_allclose(delta, p - q, atol=1e-15)
    assert abs(delta.sum(axis=1)).max() < 1e-15


@pytest.mark.parametrize(("name", "margin"), [("hinge", 1.0), ("perceptron", 0.0)])
def test_margins(name: str, margin: float) -> None:
    """Labels 0 and 1 stand for -1 and 1; on the kink itself the sample still counts."""
    for label, sign in ((0, -1), (1, 1)):
        for a in (-3.0, -1.0, 0.0, 0.5, 1.0, 2.0):
            loss, delta = differentiate(name, [[a]], [[label]])
            assert loss == max(0.0, margin - sign * a)
            assert delta[0, 0] == (-sign if sign * a <= margin else 0)


def test_codes_are_places() -> None:
    assert list(LOSS_CODES.items()) == [(name, place) for place, name in enumerate(LOSSES)]
    assert {loss.output for loss in LOSSES.values()} <= OUTPUT_CODES.keys()


def test_unknown_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown output"):
        apply_output(99, np.zeros(1), 1)
    with pytest.raises(ValueError, match="unknown loss"):
        loss_and_delta(99, np.zeros(1), 1, np.zeros((1, 1)), np.zeros(1, np.int64), np.zeros(0), 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in OUTPUT_CODES if name in reference.OUTPUTS])
def test_output_units(name: str, dtype: type) -> None:
    logits = np.array([[0.5, -2.0, 1.0], [1e4, 0.0, -1e4]])
    with np.errstate(over="ignore"):  # the oracle's 1 / (1 + exp(1e4)) is 0 all the same
        expected = reference.OUTPUTS[name](logits)
    np.testing.assert_allclose(apply(name, logits, dtype), expected, rtol=float(8 * np.finfo(dtype).eps))
