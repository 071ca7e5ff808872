"""What a configuration can train, from data set to metrics, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.errors import DataError, DdpMlpError, UsageError
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.training.gradcheck import check_configuration
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.problem import prepare

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def write(path: Path, x: Any, t: Any, weights: Any = None, image_shape: Any = None) -> str:
    with h5py.File(path, "w") as file:
        file["train/features"], file["train/targets"] = np.asarray(x), np.asarray(t)
        if weights is not None:
            file["train/weights"] = np.asarray(weights)
        if image_shape is not None:
            file["train/features"].attrs["image_shape"] = image_shape
    return str(path)


def configured(path: str, **tables: dict[str, Any]) -> Config:
    raw = {name: dict(keys) for name, keys in tables.items()}
    unchanged = {"valid_fraction": 0.0, "normalize": "none", "normalize_targets": "none"}
    raw["data"] = {"train": path, **unchanged} | raw.get("data", {})
    raw["train"] = {"global_batch_size": "full", "dtype": "float64", "early_stopping_patience": 0} | raw.get(
        "train", {}
    )
    return from_builtins(raw, "test")


def train(config: Config, directory: Path) -> dict[str, Any]:
    run = Run(config, RunOptions(directory), SingleProcess(), lambda line: None)
    return run.execute(lambda report: None)


def applied(directory: Path, data: str) -> tuple[dict[str, Any], np.ndarray]:
    with apply_model(directory, Rows(data, "train"), SingleProcess(), lambda line: None) as application:
        return application.evaluate(), application.predict()


PERCEPTRON = {
    "model": {"hidden": [], "output": "step"},
    "loss": {"name": "perceptron"},
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
    "train": {"epochs": 60, "global_batch_size": 1},
}


def test_a_perceptron_learns_nand(tmp_path: Path) -> None:
    data = write(tmp_path / "d.h5", CORNERS, [1, 1, 1, 0])
    train(configured(data, **PERCEPTRON), tmp_path / "run")
    metrics, answers = applied(tmp_path / "run", data)
    assert metrics["accuracy"] == 1
    assert answers.tolist() == [[1], [1], [1], [0]]
    assert metrics["confusion"] == [[1, 0], [0, 3]]


def test_a_perceptron_cannot_represent_xor(tmp_path: Path) -> None:
    """No line has both diagonals on its two sides: at most three of four are right."""
    data = write(tmp_path / "d.h5", CORNERS, [0, 1, 1, 0])
    train(configured(data, **PERCEPTRON), tmp_path / "run")
    assert applied(tmp_path / "run", data)[0]["accuracy"] <= 0.75


def test_zero_start_weights_do_not_stop_a_perceptron(tmp_path: Path) -> None:
    data = write(tmp_path / "d.h5", CORNERS, [0, 0, 0, 1])
    config = configured(data, **PERCEPTRON | {"model": {"hidden": [], "output": "step", "init": "zeros"}})
    train(config, tmp_path / "run")
    last = max((tmp_path / "run" / "checkpoints").iterdir())
    assert applied(last, data)[0]["accuracy"] == 1


def test_hinge_answers_with_a_score(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    data = write(tmp_path / "d.h5", x, (x[:, 0] + 2 * x[:, 1] > 0.3).astype(int))
    config = configured(
        data, model={"hidden": []}, loss={"name": "hinge"}, optimizer={"name": "adam", "learning_rate": 0.05},
        train={"epochs": 60, "global_batch_size": 40},
    )  # fmt: skip
    train(config, tmp_path / "run")
    metrics, scores = applied(tmp_path / "run", data)
    assert metrics["accuracy"] > 0.98
    assert metrics["roc_auc"] > 0.999
    assert scores.min() < -1
    assert scores.max() > 1


ACTIVATIONS = ["sigmoid", "tanh", "relu", "arctan", "leaky_relu", "elu", "softplus", "maxout"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_learns_xor(activation: str, tmp_path: Path) -> None:
    data = write(tmp_path / "d.h5", np.tile(CORNERS, (50, 1)), np.tile([0, 1, 1, 0], 50))
    config = configured(
        data, model={"hidden": [8], "activation": activation, "leaky_slope": 0.2, "elu_alpha": 1.5, "maxout_pieces": 3},
        optimizer={"name": "adam", "learning_rate": 0.03}, train={"epochs": 40, "global_batch_size": 20, "seed": 1},
    )  # fmt: skip
    assert all(finding.passed for finding in check_configuration(config))
    train(config, tmp_path / "run")
    assert applied(tmp_path / "run", data)[0]["accuracy"] == 1


def test_sample_weights_are_repetitions(tmp_path: Path, rng: np.random.Generator) -> None:
    """Weights 0, 1, 2, 3 and as many copies of each sample: the same losses and weights but for rounding."""
    x, t, times = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), np.arange(40) % 4
    once = write(tmp_path / "once.h5", x, t, times)
    copies = write(tmp_path / "copies.h5", x.repeat(times, axis=0), t.repeat(times, axis=0))
    tables = {
        "model": {"hidden": [5], "activation": "tanh"},
        "optimizer": {"name": "momentum", "learning_rate": 0.1},
        "train": {"epochs": 30, "global_batch_size": 128},
    }
    results = [train(configured(data, **tables), tmp_path / data[:-3]) for data in (once, copies)]
    assert results[0]["train_loss"] == pytest.approx(results[1]["train_loss"], rel=1e-10)
    weights = [load_model(tmp_path / data[:-3]).parameters for data in (once, copies)]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-8, atol=1e-10)


def test_equal_weights_are_none(tmp_path: Path, rng: np.random.Generator) -> None:
    x, t = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    tables = {"model": {"hidden": [4]}, "train": {"epochs": 3, "global_batch_size": 8, "dtype": "float32"}}
    hashes = {
        train(configured(write(tmp_path / f"{i}.h5", x, t, weights), **tables), tmp_path / f"run{i}")["weights_sha256"]
        for i, weights in enumerate([None, np.ones(50)])
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_weights_in_any_unit_are_the_same(dtype: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Inverse variances of values in units of 1e-20 are about 1e40, which float32 does not hold."""
    x, t, weights = rng.normal(size=(50, 3)), rng.integers(0, 2, 50), rng.uniform(0.5, 1.9, 50)
    weights[0] = 1.9
    tables = {"model": {"hidden": [4]}, "train": {"epochs": 2, "global_batch_size": 8, "dtype": dtype}}
    units = [(0, None), (125, None), (-125, None), (900, None), (-1000, None), (0, [1e38, 1e38]), (-127, [1e38, 1e38])]
    hashes = []
    for i, (power, classes) in enumerate(units):
        config = configured(
            write(tmp_path / f"{i}.h5", x, t, weights * 2.0**power), loss={"class_weights": classes}, **tables
        )
        hashes.append(train(config, tmp_path / f"run{i}")["weights_sha256"])
    assert len(set(hashes[:5])) == 1
    # 1e38 is no power of two.
    assert hashes[5] == hashes[6]


def test_weights_do_not_count_in_an_evaluation(tmp_path: Path, rng: np.random.Generator) -> None:
    x, t = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    plain, weighted = (write(tmp_path / f"{i}.h5", x, t, w) for i, w in enumerate([None, np.arange(50.0)]))
    train(configured(weighted, model={"hidden": [4]}, loss={"class_weights": "balanced"}), tmp_path / "run")
    assert applied(tmp_path / "run", plain)[0] == applied(tmp_path / "run", weighted)[0]


def test_class_weights_are_sample_weights(tmp_path: Path, rng: np.random.Generator) -> None:
    x, t = rng.normal(size=(60, 3)), np.repeat([0, 1, 2], [40, 15, 5])
    data = write(tmp_path / "d.h5", x, t)
    given = prepare(configured(data, loss={"class_weights": [0.5, 1, 4]}), SingleProcess()).resident.weights
    np.testing.assert_array_equal(given, np.array([0.5, 1, 4])[t])
    balanced = prepare(configured(data, loss={"class_weights": "balanced"}), SingleProcess()).resident.weights
    np.testing.assert_allclose(balanced, (60 / (3 * np.array([40, 15, 5])))[t], rtol=1e-15)
    assert balanced.sum() == pytest.approx(60)


def test_an_autoencoder_of_tied_weights_compresses(tmp_path: Path, rng: np.random.Generator) -> None:
    """Data of rank 2 pass through 2 linear units, in the units of the data."""
    x = 100 + 5 * rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
    data = write(tmp_path / "d.h5", x, rng.integers(0, 3, 200))
    config = configured(
        data, data={"autoencode": True, "normalize": "standard"},
        model={"hidden": [2], "activation": "identity", "tied": True},
        optimizer={"name": "adam", "learning_rate": 0.01}, train={"epochs": 80, "global_batch_size": 20},
    )  # fmt: skip
    assert all(finding.passed for finding in check_configuration(config))
    summary = train(config, tmp_path / "run")
    assert summary["n_parameters"] == 6 * 2 + 2 + 6
    metrics, restored = applied(tmp_path / "run", data)
    assert metrics["r2"] > 0.999
    np.testing.assert_allclose(restored, x, atol=1)
    assert metrics["rmse"] == pytest.approx(np.sqrt(((restored - x) ** 2).mean()), rel=1e-9)
    assert len(metrics["targets"]) == 6


def test_a_denoising_autoencoder_sees_noise_and_answers_clean(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 1)) * np.ones(8)
    data = write(tmp_path / "d.h5", x, np.zeros(300, int))
    tables = {
        "model": {"hidden": [3], "activation": "identity"},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "train": {"epochs": 60, "global_batch_size": 20},
    }
    config = configured(data, **tables, data={"autoencode": True, "augment": {"noise": 0.5}})
    problem = prepare(config, SingleProcess())
    np.testing.assert_array_equal(problem.resident.targets, x)
    train(config, tmp_path / "run")
    noisy = write(tmp_path / "noisy.h5", x + rng.normal(0, 0.5, x.shape), np.zeros(300, int))
    _, restored = applied(tmp_path / "run", noisy)
    assert np.sqrt(((restored - x) ** 2).mean()) < 0.25, "8 noisy copies of a number, averaged: 0.5 / sqrt(8)"


def test_regression_on_several_targets_in_their_units(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 3))
    t = np.column_stack([1e4 + 2000 * x[:, 0], 1e-3 * x[:, 1], x[:, 2] - x[:, 0]])
    data = write(tmp_path / "d.h5", x, t)
    config = configured(
        data, data={"normalize_targets": "standard"}, model={"hidden": []},
        optimizer={"name": "momentum", "learning_rate": 0.02}, train={"epochs": 60, "global_batch_size": 30},
    )  # fmt: skip
    train(config, tmp_path / "run")
    metrics, answers = applied(tmp_path / "run", data)
    assert all(target["r2"] > 0.999999 for target in metrics["targets"])
    np.testing.assert_allclose(answers, t, atol=1e-6 * float(t.std(axis=0).max()))
    errors = np.sqrt(((answers - t) ** 2).mean(axis=0))
    np.testing.assert_allclose([target["rmse"] for target in metrics["targets"]], errors, rtol=1e-3, atol=1e-12)


BAD = {
    "dropout of 1": ({"model": {"dropout": 1.0}}, "dropout"),
    "negative dropout": ({"model": {"dropout": [-0.1, 0, 0]}}, "dropout"),
    "dropout of too few layers": ({"model": {"hidden": [4, 4], "dropout": [0.1, 0.1]}}, "3: for the features"),
    "tied without a middle": ({"model": {"hidden": [4, 4], "tied": True}}, "mirror"),
    "tied without a mirror": ({"model": {"hidden": [4, 2, 3], "tied": True}}, "mirror"),
    "tied to other outputs": ({"model": {"hidden": [4], "tied": True}}, "autoencode"),
    "tied maxout": ({"model": {"hidden": [4], "activation": "maxout", "tied": True}}, "maxout"),
    "one piece": ({"model": {"maxout_pieces": 1}}, "maxout_pieces"),
    "augmentation without images": ({"data": {"augment": {"shift": 1}}}, "image_shape"),
    "unknown augmentation": ({"data": {"augment": {"nois": 1}}}, "did you mean 'noise'"),
    "negative noise": ({"data": {"augment": {"noise": -1}}}, "[data.augment] noise"),
    "step as a hidden layer": ({"model": {"activation": "step"}}, "slope is 0"),
    "softmax with hinge": ({"loss": {"name": "hinge"}, "model": {"output": "softmax"}}, "allowed: cross_entropy"),
    "output that fits nothing": ({"model": {"output": "step"}}, "allowed: softmax, auto"),
    "smoothing of 1": ({"loss": {"label_smoothing": 1.0}}, "label_smoothing"),
    "too few class weights": ({"loss": {"class_weights": [1, 2]}}, "3 classes"),
    "no class weight": ({"loss": {"class_weights": [0, 0, 0]}}, "at least one"),
    "classes as quantities": ({"data": {"normalize_targets": "standard"}}, "normalize_targets"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_words(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    tables, phrase = BAD[case]
    data = write(tmp_path / "d.h5", rng.normal(size=(30, 4)), np.arange(30) % 3)
    with pytest.raises(UsageError) as caught:
        prepare(configured(data, **tables), SingleProcess())
    assert phrase in str(caught.value)


def test_binary_pairs_are_named(tmp_path: Path) -> None:
    data = write(tmp_path / "d.h5", CORNERS, [0, 1, 1, 0])
    for loss, output, allowed in [("hinge", "softmax", "linear"), ("perceptron", "sigmoid", "step")]:
        with pytest.raises(UsageError, match=f"allowed: {allowed}"):
            prepare(configured(data, model={"output": output}, loss={"name": loss}), SingleProcess())
    with pytest.raises(UsageError, match="allowed: cross_entropy"):
        prepare(configured(data, loss={"label_smoothing": 0.1}), SingleProcess())


def test_weights_that_cannot_be(tmp_path: Path, rng: np.random.Generator) -> None:
    for weights in (np.zeros(4), [-1.0, 1, 1, 1], [np.nan, 1, 1, 1]):
        with pytest.raises(DataError):
            prepare(configured(write(tmp_path / "d.h5", CORNERS, [0, 1, 1, 0], weights)), SingleProcess())
    regression = write(tmp_path / "r.h5", CORNERS, rng.normal(size=(4, 1)))
    with pytest.raises(DdpMlpError, match="regression"):
        prepare(configured(regression, loss={"class_weights": "balanced"}), SingleProcess())
