"""Evaluation: every sample once, the same numbers for any number of threads, those of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.catalog.losses import losses_of
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.kernels.entry_points import evaluate_blocks, predict_blocks
from ddp_mlp.core.kernels.evaluation_sums import EVALUATION_ROWS
from ddp_mlp.engine.evaluation import Evaluator
from tests import reference
from tests.building import network_of, parameters_of, resident_of, resident_of_bytes, targets_for

CASES = [
    ("regression", "mse", (4, 6, 3)),
    ("binary", "binary_cross_entropy", (4, 6, 1)),
    ("multiclass", "cross_entropy", (4, 6, 5)),
]
#: Two rows, one short of a block, a block, one more, and several with a short last one.
N_ROWS = (2, EVALUATION_ROWS - 1, EVALUATION_ROWS, EVALUATION_ROWS + 1, 3 * EVALUATION_ROWS + 50)


def evaluator_of(network, task, resident, threads: int = 1) -> Evaluator:
    return Evaluator(network, task, resident, SingleProcess(), threads)


@pytest.mark.parametrize("n_rows", N_ROWS)
@pytest.mark.parametrize(("task", "loss", "sizes"), CASES)
def test_metrics_are_those_of_the_reference(
    task: str, loss: str, sizes: tuple[int, ...], n_rows: int, rng: np.random.Generator
) -> None:
    network = network_of(sizes, "tanh", loss)
    theta, x = parameters_of(network, rng), rng.normal(size=(n_rows, 4))
    t = targets_for(network, n_rows, rng)
    found = evaluator_of(network, task, resident_of(x, t)).evaluate(theta, np.arange(n_rows))
    expected = reference.metrics(network, task, theta, x, t)
    # Sums of n terms of one sign, after fewer than 2^10 roundings of each term.
    assert found == pytest.approx(expected, rel=(n_rows + 2**10) * np.finfo(float).eps)


def test_a_single_row() -> None:
    """Its target does not vary, so a miss explains nothing and a hit everything."""
    network = network_of((1, 1))
    evaluator = evaluator_of(network, "regression", resident_of([[2.0]], [[5.0]]))
    miss, hit = (evaluator.evaluate(np.array([2.0, bias]), np.arange(1)) for bias in (0.0, 1.0))
    assert miss == {"n_samples": 1, "loss": 0.5, "rmse": 1.0, "mae": 1.0, "r2": 0.0}
    assert hit == {"n_samples": 1, "loss": 0.0, "rmse": 0.0, "mae": 0.0, "r2": 1.0}


def test_r2_of_large_targets_that_hardly_vary() -> None:
    """Squares of 1e9 leave float64 no digit for a variance of 1.25."""
    resident = resident_of([[0.0], [1.0], [2.0], [3.0]], np.array([[0.0], [1.0], [2.0], [3.5]]) + 1e9)
    evaluator = evaluator_of(network_of((1, 1)), "regression", resident)
    found = evaluator.evaluate(np.array([1.0, 1e9]), np.arange(4))
    # By hand: errors 0, 0, 0, 1/2; the targets vary by 6.6875 about their mean 1.625. All sums are exact.
    assert found["r2"] == pytest.approx(1 - 0.25 / 6.6875, rel=4 * np.finfo(float).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("task", "loss", "sizes"), CASES)
def test_threads_do_not_change_a_bit(
    task: str, loss: str, sizes: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    network = network_of(sizes, "tanh", loss)
    n_rows = N_ROWS[-1]
    theta, ids = parameters_of(network, rng, dtype), rng.permutation(n_rows)
    resident = resident_of(rng.normal(size=(n_rows, 4)), targets_for(network, n_rows, rng), dtype)
    alone = evaluator_of(network, task, resident)
    metrics, outputs = alone.evaluate(theta, ids), alone.predict(theta, ids)
    for threads in (2, 3, 4, 7):  # 7 threads for 4 blocks: some have none
        team = evaluator_of(network, task, resident, threads)
        assert team.evaluate(theta, ids) == metrics
        np.testing.assert_array_equal(team.predict(theta, ids), outputs)


def test_each_sample_counts_once(rng: np.random.Generator) -> None:
    """Samples weigh 1, 2, 4, ...: their sum tells which were seen, and how often."""
    n_rows = 300  # more than a block; 2^0 .. 2^9 repeated, each sum far from another
    network = network_of((1, 1))
    theta = np.array([1.0, 0.0])
    weights = 2.0 ** (np.arange(n_rows) % 10)
    resident = resident_of(np.sqrt(weights)[:, None], np.zeros((n_rows, 1)))
    for ids in (np.arange(n_rows), np.arange(n_rows)[::-1].copy(), np.arange(0, 260, 2), np.array([5])):
        for threads in (1, 2, 3):
            found = evaluator_of(network, "regression", resident, threads).evaluate(theta, ids)
            assert found["n_samples"] == len(ids)
            assert found["rmse"] ** 2 * len(ids) == pytest.approx(weights[ids].sum(), rel=1e-13)


def test_evaluation_is_the_same_twice(rng: np.random.Generator) -> None:
    """The sums of a call start from zero: nothing is left of the call before."""
    network = network_of((3, 2))
    resident = resident_of(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)))
    evaluator, theta = evaluator_of(network, "regression", resident), parameters_of(network, rng)
    first = evaluator.evaluate(theta, np.arange(20))
    evaluator.evaluate(theta, np.arange(7))
    assert evaluator.evaluate(theta, np.arange(20)) == first


@pytest.mark.parametrize("n_rows", N_ROWS)
@pytest.mark.parametrize(("task", "loss", "sizes"), CASES)
def test_predictions_are_those_of_the_reference(
    task: str, loss: str, sizes: tuple[int, ...], n_rows: int, rng: np.random.Generator
) -> None:
    network = network_of(sizes, "tanh", loss)
    theta, x = parameters_of(network, rng), rng.normal(size=(n_rows, 4))
    ids = rng.permutation(n_rows)
    found = evaluator_of(network, task, resident_of(x, targets_for(network, n_rows, rng))).predict(theta, ids)
    assert found.shape == (n_rows, sizes[-1])
    # Fewer than 50 roundings of numbers below 8 on the way.
    np.testing.assert_allclose(found, reference.predict(network, theta, x[ids]), rtol=0, atol=50 * 8 * 2.3e-16)


def test_bytes_are_normalised(rng: np.random.Generator) -> None:
    network = network_of((5, 3, 2))
    theta, x = parameters_of(network, rng), rng.integers(0, 256, (30, 5))
    t = rng.normal(size=(30, 2))
    offset, scale = np.arange(5) * 20.0, 2.0 ** -np.arange(5, 10)
    raw = resident_of_bytes(x, t, offset, scale, "float64")
    plain = resident_of((x - offset) * scale, t)
    ids = np.arange(30)
    assert evaluator_of(network, "regression", raw).evaluate(theta, ids) == evaluator_of(
        network, "regression", plain
    ).evaluate(theta, ids)


@pytest.mark.parametrize(
    ("task", "loss", "n_outputs", "right"),
    [("multiclass", "cross_entropy", 4, 1 / 4), ("binary", "binary_cross_entropy", 1, 1 / 2)],
)
def test_ties_go_to_the_first_class(task: str, loss: str, n_outputs: int, right: float) -> None:
    """All logits 0: class 0 of several, as argmax says; and a probability of 1/2 is no yes."""
    network = network_of((1, n_outputs), loss=loss)
    labels = np.arange(max(n_outputs, 2.0))[:, None]
    resident = resident_of(np.zeros((len(labels), 1)), labels)
    found = evaluator_of(network, task, resident).evaluate(np.zeros(2 * n_outputs), np.arange(len(labels)))
    assert found["accuracy"] == right


def test_binary_data_under_squared_error_counts_answers(rng: np.random.Generator) -> None:
    """A linear unit under squared error aims at 0 and 1, so 1/2 parts its answers."""
    assert "mse" in losses_of("binary")
    network = network_of((1, 1), loss="mse")
    resident = resident_of([[0.1], [0.4], [0.6], [0.9]], [[0.0], [0.0], [1.0], [1.0]])
    found = evaluator_of(network, "binary", resident).evaluate(np.array([1.0, 0.0]), np.arange(4))
    assert found["accuracy"] == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_compiled_version_serves_all(dtype: str, rng: np.random.Generator) -> None:
    """One row, one column, one block, one thread: no shape may change a type."""
    versions = []
    for n_rows, sizes in [(300, (4, 6, 3)), (1, (1, 1)), (1, (4, 1)), (5, (1, 3)), (257, (2, 2))]:
        network = network_of(sizes)
        resident = resident_of(np.zeros((n_rows, sizes[0])), np.zeros((n_rows, sizes[-1])), dtype)
        for threads in (1, 2):
            evaluator = evaluator_of(network, "regression", resident, threads)
            theta = parameters_of(network, rng, dtype)
            evaluator.evaluate(theta, np.arange(n_rows))
            evaluator.predict(theta, np.arange(n_rows))
            versions.append((len(evaluate_blocks._codes), len(predict_blocks._codes)))
    assert len(set(versions)) == 1
