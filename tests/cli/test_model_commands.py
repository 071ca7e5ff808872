"""Models from the command line: a perceptron, the gradient check, all metrics."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp, make_data

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
PERCEPTRON = """
[data]
train = "{name}.h5"
valid_fraction = 0.0
normalize = "none"
[model]
hidden = []
output = "step"
[loss]
name = "perceptron"
[optimizer]
name = "sgd"
learning_rate = 0.1
[train]
epochs = 40
early_stopping_patience = 0
global_batch_size = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    for name, labels in (("nand", [1, 1, 1, 0]), ("xor", [0, 1, 1, 0])):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["train/features"], file["train/targets"] = CORNERS, np.array(labels)
        (path / f"{name}.toml").write_text(PERCEPTRON.format(name=name))
    make_data(path, "spirals", 200)
    (path / "spirals.toml").write_text(
        '[data]\ntrain = "spirals.h5"\n[model]\nhidden = [8]\nactivation = "tanh"\n[train]\nepochs = 2\n'
    )
    return path


@pytest.mark.parametrize(("name", "expected"), [("nand", {1.0}), ("xor", {0.25, 0.5, 0.75})])
def test_a_perceptron_represents_nand_and_not_xor(folder, name, expected):
    ddp_mlp("train", f"{name}.toml", "--out", f"run-{name}", cwd=folder)
    result = ddp_mlp("evaluate", f"run-{name}", f"{name}.h5", "--json", cwd=folder).result
    assert result["accuracy"] in expected
    assert np.sum(result["confusion"]) == 4


def test_a_trained_step_is_refused(folder):
    done = ddp_mlp("train", "nand.toml", "--set", "model.hidden=[3]", "--set", "model.activation=step", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "slope is 0" in done.error_lines[0]


@pytest.mark.parametrize(
    "change", ["loss.l2=0.1", "model.dropout=0.3", "model.activation=maxout", "data.augment.noise=0.2"]
)
def test_the_gradient_check_passes(folder, change):
    result = ddp_mlp("gradcheck", "spirals.toml", "--set", change, "--json", cwd=folder).result
    assert result["passed"]
    assert [layer["layer"] for layer in result["layers"]] == [
        "layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias",
    ]  # fmt: skip
    assert all(layer["passed"] and layer["checked"] > 0 and layer["error"] < 1e-5 for layer in result["layers"])


def test_the_gradient_check_prints_a_table(folder):
    done = ddp_mlp("gradcheck", "spirals.toml", cwd=folder)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 5
    assert all("right" in line for line in done.out.splitlines()[1:])


def test_all_metrics_of_a_classification(folder):
    ddp_mlp("train", "spirals.toml", "--out", "run-spirals", cwd=folder)
    result = ddp_mlp("evaluate", "run-spirals", "spirals.h5", "--top-k", "2", "--json", cwd=folder).result
    confusion = np.array(result["confusion"])
    assert confusion.sum() == result["n_samples"] == 50
    assert result["accuracy"] == np.trace(confusion) / 50
    assert result["top_k_accuracy"] >= result["accuracy"]
    assert [row["n_samples"] for row in result["classes"]] == confusion.sum(axis=1).tolist()
    printed = ddp_mlp("evaluate", "run-spirals", "spirals.h5", cwd=folder).out
    assert "precision" in printed
    assert "class \\ answer" in printed
