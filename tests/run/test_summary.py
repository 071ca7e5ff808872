"""A run in a few words: its best epoch beside its last, what its loss is measured in, and how training ended."""

from __future__ import annotations

import math
from hashlib import sha256

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.model import load_model
from tests.runs import train_here

CONFIG = """
[data]
train = "d.h5"
valid_fraction = 0.2
normalize_targets = "none"
[model]
hidden = []
[optimizer]
name = "sgd"
[train]
epochs = 3
early_stopping_patience = 0
global_batch_size = 20
micro_batches = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("summary")
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 3)).astype(np.float32)
    with h5py.File(path / "d.h5", "w") as file:
        file["X"], file["y"] = x, (5 * x[:, 0]).astype(np.float32)
    (path / "c.toml").write_text(CONFIG)
    return path


def test_best_and_last_epoch_and_the_model(folder):
    told: list[str] = []
    # On a quadratic steps of this size overshoot more and more: the first epoch is the best.
    found = train_here(
        folder, "over", "optimizer.learning_rate=2.5", "data.normalize=none", "train.epochs=5", told=told
    )
    assert found["best_epoch"] < found["epochs"] == 5
    assert found["best_valid_loss"] < found["valid_loss"]
    assert found["best_valid_rmse"] == pytest.approx(math.sqrt(2 * found["best_valid_loss"]), rel=1e-5)
    model = load_model(folder / "over")
    assert found["model_sha256"] == sha256(model.parameters.tobytes()).hexdigest() != found["weights_sha256"]
    [line] = [line for line in told if line.startswith("the model is that of epoch")]
    assert f"epoch {found['best_epoch']}, the best (validation loss {found['best_valid_loss']:.5g})" in line
    assert line.endswith(f"after epoch 5, the last, it was {found['valid_loss']:.5g}")


def test_what_ended_a_run_early_is_told(folder):
    told: list[str] = []
    rules = ("data.normalize=none", "train.epochs=9", "train.early_stopping_patience=2")
    found = train_here(folder, "early", "optimizer.learning_rate=2.5", *rules, told=told)
    assert (found["status"], found["epochs"]) == ("early-stopped", found["best_epoch"] + 2)
    assert told[-1].endswith("; [train] early_stopping_patience = 2 ended the run")


def test_a_loss_that_was_still_falling_is_told(folder):
    told: list[str] = []
    found = train_here(folder, "slow", "optimizer.learning_rate=0.001", told=told)
    assert found["best_epoch"] == 3
    assert found["model_sha256"] == found["weights_sha256"]
    assert any("the validation loss was still falling when the epochs were over" in line for line in told)
    blind = train_here(folder, "blind", "optimizer.learning_rate=0.001", "data.valid_fraction=0", told=told)
    assert "the training loss was still falling" in told[-1]
    assert "best_train_loss" in blind
    assert not any(name.startswith("best_valid") for name in blind)


def test_a_validation_loss_that_is_never_finite_is_told(folder):
    random = np.random.default_rng(0)
    with h5py.File(folder / "far.h5", "w") as file:
        for split, top in (("train", 1.0), ("valid", 1e30)):
            file[f"{split}/features"], file[f"{split}/targets"] = random.normal(size=(40, 3)), np.linspace(0, top, 40)
    told: list[str] = []
    rules = ("data.train=" + str(folder / "far.h5"), "data.valid_fraction=none", "optimizer.learning_rate=0.001")
    found = train_here(folder, "far", *rules, told=told)
    assert (found["best_epoch"], found["model_sha256"]) == (0, None)
    expected = "warning: the validation loss was non-finite after each of 3 epochs, so none is the best"
    assert [line for line in told if line.startswith(expected)] == told[-1:]


def test_what_a_loss_is_measured_in(folder):
    def unit(name, *overrides):
        return train_here(folder, name, "train.epochs=1", "optimizer.learning_rate=0.001", *overrides)["loss_unit"]

    assert unit("plain") == unit("other", "model.hidden=[2]", "loss.l2=0.1") == "mse"
    scaled = unit("scaled", "data.normalize_targets=standard")
    assert scaled.startswith("mse in units of 5.")
    assert unit("auto", "data.autoencode=true") != unit("unit", "data.autoencode=true", "data.normalize=minmax")
    assert unit("without", "data.valid_fraction=0") != "mse"


def test_a_batch_of_more_rows_than_there_are_is_told(folder):
    told: list[str] = []
    train_here(folder, "large", "train.global_batch_size=81", "optimizer.learning_rate=0.001", told=told)
    expected = "[train] global_batch_size = 81 is more than the 80 rows that train: each step takes all"
    assert any(line.startswith(expected) for line in told)
    told.clear()
    train_here(folder, "fits", "train.global_batch_size=80", "optimizer.learning_rate=0.001", told=told)
    train_here(folder, "full", "train.global_batch_size=full", "optimizer.learning_rate=0.001", told=told)
    assert not any("rows that train" in line for line in told)


STEPS = {
    ("name='cosine'", "warmup_steps=9"): "warmup_steps = 9 and the run has 8 steps in all: the rate comes to 0.89 of",
    ("name='cosine'", "warmup_steps=8"): "",
    ("name='step'", "every_steps=8"): "every_steps = 8 and the run has 8 steps in all: the rate never falls",
    ("name='step'", "every_steps=5", "warmup_steps=3"): "every_steps = 5 and the run has 8 steps in all: the rate",
    ("name='step'", "every_steps=7"): "",
    ("name='plateau'", "patience=19"): "patience = 19, and [train] early_stopping_patience = 20 ends the run before",
    ("name='plateau'", "patience=18"): "",
}


@pytest.mark.parametrize("keys", STEPS)
def test_a_schedule_that_cannot_do_its_work_is_told(folder, keys):
    told: list[str] = []
    overrides = ["train.epochs=2", "train.global_batch_size=20", "train.early_stopping_patience='auto'"]
    train_here(folder, "-".join(keys), *overrides, *(f"schedule.{key}" for key in keys), told=told)
    found = [line for line in told if line.startswith("warning: [schedule]")]
    assert [STEPS[keys] in line for line in found] == [True] * bool(STEPS[keys])
