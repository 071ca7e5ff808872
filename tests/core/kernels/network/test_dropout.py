"""Dropout: the rate of the masks, what they depend on, and that training alone has them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.kernels.network.dropout import drop, drop_delta
from ddp_mlp.core.layout import digest
from ddp_mlp.engine.evaluation import Evaluator
from tests import reference
from tests.building import engine_of, network_of, parameters_of, resident_of, targets_for


def masks(rate: float, n_rows: int, n_columns: int, key: int = 7, layer: int = 0, order=None, dtype="float64"):
    """Return the masks (B, I) of samples, in units of kept rows."""
    work = np.ones(2 * n_rows * n_columns, dtype)
    order = np.arange(n_rows) if order is None else np.asarray(order)
    drop(work, 0, n_rows * n_columns, n_rows, n_columns, work.dtype.type(rate), np.uint64(key), layer, order, 0)
    rows, mask = work.reshape(2, n_rows, n_columns)
    np.testing.assert_array_equal(rows, mask)
    return mask


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_of_the_mask(rate: float, dtype: str) -> None:
    mask = masks(rate, 400, 250, dtype=dtype)
    kept = mask != 0
    # A binomial count of 1e5 stays within 5 standard deviations; each unit and each sample by itself too.
    for axis, n in ((None, 100_000), (0, 400), (1, 250)):
        assert np.all(abs(kept.mean(axis=axis) - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / n))
    np.testing.assert_allclose(mask[kept], 1 / (1 - rate), rtol=10 * np.finfo(dtype).eps)


def test_neighbours_are_independent() -> None:
    """Units, samples, layers and epochs agree as often as chance says: half the time at p = 1/2."""
    mask = masks(0.5, 300, 300) != 0
    others = [mask[1:, :], mask[:, 1:], masks(0.5, 300, 300, layer=1) != 0, masks(0.5, 300, 300, key=8) != 0]
    firsts = [mask[:-1, :], mask[:, :-1], mask, mask]
    for first, other in zip(firsts, others, strict=True):
        assert abs((first == other).mean() - 0.5) < 5 * 0.5 / 300


def test_a_sample_keeps_its_mask_wherever_it_is() -> None:
    """Not the place in the batch counts, so the cut into micro-batches does not either."""
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(masks(0.3, 20, 9, order=order), masks(0.3, 20, 9)[order])


def test_the_way_back_gives_the_rows_again() -> None:
    """Kept rows come back to one rounding, and a delta is 0 where its row was dropped."""
    rng = np.random.default_rng(1)
    rows, delta = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    mask = masks(0.4, 6, 5)
    work = np.concatenate([(rows * mask).ravel(), delta.ravel(), mask.ravel()])
    drop_delta(work, 30, 60, 0, 30, 0.4)
    np.testing.assert_allclose(work[:30].reshape(6, 5), np.where(mask != 0, rows, 0), rtol=4e-16)
    np.testing.assert_array_equal(work[30:60].reshape(6, 5), delta * mask)


def dropping(rates=(0.2, 0.5, 0.5), sizes=(4, 30, 20, 3)):
    return dataclasses.replace(network_of(sizes, "tanh", "cross_entropy"), dropout=rates)


def bits(network, resident, theta, *, seed=3, epochs=(0, 1), threads=1, micro_batches=4) -> str:
    with engine_of(network, resident, theta, "momentum", threads=threads, micro_batches=micro_batches) as engine:
        for epoch in epochs:
            engine.draw_for(seed, epoch)
            engine.run([(0, 30), (30, 40)], [(0.1, 0.9)] * 2)
        return digest(engine.parameters)


def test_training_repeats_and_depends_on_seed_and_epoch(rng: np.random.Generator) -> None:
    network = dropping()
    theta, x = parameters_of(network, rng), rng.normal(size=(40, 4))
    resident = resident_of(x, targets_for(network, 40, rng))
    first = bits(network, resident, theta)
    assert [bits(network, resident, theta, threads=t) for t in (1, 2, 3)] == [first] * 3
    assert bits(network, resident, theta, seed=4) != first
    assert bits(network, resident, theta, epochs=(0, 0)) != first
    assert bits(dataclasses.replace(network, dropout=()), resident, theta) != first


def test_gradient_is_that_of_the_thinned_network(rng: np.random.Generator) -> None:
    """One layer: dropping inputs is training on dropped inputs; the loss and gradient are those of the reference."""
    network = dropping((0.5,), (6, 2))
    theta, x = parameters_of(network, rng), rng.normal(size=(9, 6))
    t = targets_for(network, 9, rng)
    with engine_of(network, resident_of(x, t), theta, "momentum") as engine:
        engine.draw_for(1, 0)
        key = int(engine._arena.streams[0])
        (report,) = engine.run([(0, 9)], [(1.0, 0.0)])
        gradient = -engine.moments[0]
    dropped = x * masks(0.5, 9, 6, key=key)
    np.testing.assert_allclose(gradient, reference.gradient_sum(network, theta, dropped, t) / 9, atol=1e-14)
    assert report.loss_sum == pytest.approx(reference.loss_sum(network, theta, dropped, t), rel=1e-13)


def test_nothing_is_dropped_at_inference(rng: np.random.Generator) -> None:
    network = dropping()
    theta, x = parameters_of(network, rng), rng.normal(size=(12, 4))
    resident, ids = resident_of(x, targets_for(network, 12, rng)), np.arange(12)
    thinned, whole = (
        Evaluator(n, "multiclass", resident, SingleProcess(), 1)
        for n in (network, dataclasses.replace(network, dropout=()))
    )
    np.testing.assert_array_equal(thinned.predict(theta, ids), whole.predict(theta, ids))
    assert thinned.evaluate(theta, ids) == whole.evaluate(theta, ids)
