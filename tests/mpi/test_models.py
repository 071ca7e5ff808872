"""The promise with everything on: dropout, augmentation, maxout, sample and class weights, smoothing."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp

pytestmark = pytest.mark.mpi

CONFIG = """
[data]
train = "images.h5"
valid_fraction = 0.2
[data.augment]
noise = 0.1
shift = 1
rotate_deg = 15
scale = 0.1
brightness = 0.1
[model]
hidden = [12, 10]
activation = ["maxout", "elu"]
dropout = [0.1, 0.3, 0.2]
[loss]
label_smoothing = 0.1
class_weights = "balanced"
[optimizer]
name = "momentum"
learning_rate = 0.05
[train]
epochs = 3
global_batch_size = 50
micro_batches = 4
"""
AUTOENCODER = """
[data]
train = "images.h5"
autoencode = true
augment = { noise = 0.2 }
[model]
hidden = [9, 4, 9]
activation = "arctan"
tied = true
[optimizer]
name = "adam"
learning_rate = 0.01
[train]
epochs = 2
global_batch_size = 30
micro_batches = 4
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 230)
    images = rng.integers(0, 60, (230, 36)) + 180 * (np.arange(36) // 9 == labels[:, None])
    with h5py.File(path / "images.h5", "w") as file:
        file["train/features"], file["train/targets"] = images.astype(np.uint8), labels
        file["train/features"].attrs["image_shape"] = (6, 6)
        file["train/weights"] = rng.uniform(0, 2, 230)
    (path / "all.toml").write_text(CONFIG)
    (path / "tied.toml").write_text(AUTOENCODER)
    return path


@pytest.mark.parametrize("config", ["all", "tied"])
def test_bits_do_not_depend_on_ranks(folder, config):
    same = ("weights_sha256", "train_loss", "valid_loss", "steps")
    found = []
    for ranks, threads in ((1, 1), (2, 1), (3, 1), (1, 3)):
        name = f"{config}-{ranks}-{threads}"
        done = ddp_mlp("train", f"{config}.toml", "--out", name, "--json", cwd=folder, ranks=ranks, threads=threads)
        found.append({key: done.result[key] for key in same})
    assert found[1:] == found[:1] * 3
    metrics = [
        ddp_mlp("evaluate", f"{config}-1-1", "images.h5", "--json", cwd=folder, ranks=ranks).result for ranks in (1, 2)
    ]
    assert metrics[0] == metrics[1]
    assert metrics[0]["n_samples"] == 230


def test_bits_do_not_depend_on_a_resume(folder):
    whole = ddp_mlp("train", "all.toml", "--out", "whole", "--json", cwd=folder).result
    ddp_mlp("train", "all.toml", "--set", "train.epochs=1", "--out", "parts", cwd=folder, ranks=2)
    resumed = ddp_mlp("train", "all.toml", "--out", "parts", "--resume", "--json", cwd=folder).result
    assert resumed["weights_sha256"] == whole["weights_sha256"]
