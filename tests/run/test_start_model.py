"""Training that starts from a model: its weights to the bit, its preprocessing, and the same bits after a stop."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import ddp_mlp
from ddp_mlp.run.start_model import start_sha256
from tests.interop.models import model as random_model
from tests.runs import ddp_mlp as command

#: So small a step that no weight changes.
STILL = {"optimizer": {"name": "sgd", "learning_rate": 1e-30}, "train": {"epochs": 1}}
SMALL = {"model": {"hidden": [6]}, "train": {"epochs": 2}}
CONFIG = """
[data]
train = "d.h5"
[model]
hidden = [6]
start = "{start}"
[train]
epochs = 4
early_stopping_patience = 0
"""


def rows(seed: int = 0, shift: float = 0.0) -> tuple[Any, Any]:
    x = np.random.default_rng(seed).normal(5 + shift, 2, (120, 3))
    return x, x[:, 0] * 3 - x[:, 1] ** 2


def test_weights_and_preprocessing_are_those_of_the_start_whatever_the_rows_are() -> None:
    first = ddp_mlp.train(SMALL, data=rows()).model
    x, y = rows(1, shift=40)
    again = ddp_mlp.train(STILL, data=(x, y), start=first)
    assert again.model.weights_sha256 == first.weights_sha256
    assert np.array_equal(again.model.predict(x), first.predict(x))
    assert again.model.config.model.start_sha256 == start_sha256(first.trained)
    assert again.history["valid_rmse"][0] > 100  # as far away as the rows are
    moved = ddp_mlp.train({"optimizer": {"learning_rate": 0.05}, "train": {"epochs": 30}}, data=(x, y), start=first)
    assert moved.model.evaluate(x, y)["rmse"] < first.evaluate(x, y)["rmse"] / 2
    assert moved.model.trained.normalization.offset.tolist() == first.trained.normalization.offset.tolist()


def test_a_network_of_scikit_learn_goes_on_training_where_it_was() -> None:
    x, y = rows()
    few: dict[str, Any] = {"hidden_layer_sizes": (8,), "activation": "tanh", "random_state": 0}
    with pytest.warns(UserWarning, match="converged"):
        there = make_pipeline(MinMaxScaler(), MLPRegressor(**few, max_iter=50)).fit(x, y)
    start = ddp_mlp.from_sklearn(there)
    still = ddp_mlp.train(STILL | {"train": {"epochs": 1, "dtype": "float64"}}, data=(x, y), valid=(x, y), start=start)
    assert np.allclose(still.model.predict(x), there.predict(x), rtol=1e-12)
    assert still.history["valid_rmse"][0] == pytest.approx(np.sqrt(np.mean((there.predict(x) - y) ** 2)))
    faster = {"optimizer": {"learning_rate": 0.05}, "train": {"epochs": 40}}
    on = ddp_mlp.train(faster, data=(x, y), valid=(x, y), start=start)
    assert on.model.trained.parameters.dtype == np.float32
    assert on.history["valid_rmse"][-1] < still.history["valid_rmse"][0] * 0.8


def test_classes_are_bound_by_name() -> None:
    x, _ = rows()
    names = np.array(["low", "high"])[(x[:, 0] > 5).astype(int)]
    first = ddp_mlp.train(SMALL, data=(x, names)).model
    only = ddp_mlp.train(STILL, data=(x[names == "low"], names[names == "low"]), start=first).model
    assert only.schema == first.schema
    assert np.array_equal(only.predict(x), first.predict(x))
    with pytest.raises(ddp_mlp.DataError, match="classes that the model does not know: odd"):
        ddp_mlp.train(STILL, data=(x, np.where(names == "low", "odd", names)), start=first)


def test_a_configuration_that_does_not_fit_the_start_says_what_does() -> None:
    data = rows()
    own: dict[str, Any] = {"hidden": [6], "activation": "elu", "elu_alpha": 0.5}
    first = ddp_mlp.train({"model": own, "train": {"epochs": 1}}, data=data).model
    for config, words in (
        ({"model": {"hidden": [6]}}, r"3 -> 6 -> 1, another .*hidden = \[6\], activation = \"elu\", elu_alpha = 0.5"),
        ({"model": own | {"hidden": [5]}}, "another one"), ({"model": own | {"elu_alpha": 1.0}}, "another one"),
        ({"data": {"normalize": "minmax"}}, "normalised by 'standard', so .* normalize = 'minmax' is not for it"),
        ({"data": {"normalize_targets": "none"}}, "its targets are normalised by 'standard'"),
        ({"model": own | {"start": "m.h5", "start_sha256": "0" * 64}}, "not the model that .* started from"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            ddp_mlp.train(config, data=data, start=first)
    with pytest.raises(ValueError, match="start_sha256 is of start, which is missing"):
        ddp_mlp.Config(model={"start_sha256": "0" * 64})
    with pytest.raises(ddp_mlp.DataError, match="features"):
        ddp_mlp.train(data=(data[0][:, :2], data[1]), start=first)
    with pytest.raises(FileNotFoundError, match=r"\[model\] start"):
        ddp_mlp.train({"model": own | {"start": "nothing.h5"}}, data=data)
    with pytest.raises(ValueError, match="start is of type int"):
        ddp_mlp.train(data=data, start=3)
    gaps = np.where(data[0] > 8, np.nan, data[0])
    with pytest.raises(ddp_mlp.DataError, match="missing value"):
        ddp_mlp.train(data=(gaps, data[1]), start=first)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    x, y = rows()
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["train/features"], file["train/targets"] = x, y
    ddp_mlp.train(SMALL, data=rows(7)).model.save(tmp_path / "m.h5")
    (tmp_path / "c.toml").write_text(CONFIG.format(start="m.h5"))
    return tmp_path


def test_a_run_that_was_stopped_ends_in_the_same_bits_without_its_start(folder: Path) -> None:
    whole = command("train", "c.toml", "--out", "whole", "--json", cwd=folder)
    assert "starting from the weights and the preprocessing of" in whole.err
    expected = whole.result["weights_sha256"]
    assert command("train", "c.toml", "--json", cwd=folder, ranks=2).result["weights_sha256"] == expected
    plain = command("train", "c.toml", "--set", "model.start=none", "--out", "plain", "--json", cwd=folder)
    assert plain.result["weights_sha256"] != expected
    half = command("train", "c.toml", "--out", "half", "--set", "train.epochs=2", cwd=folder)
    assert half.code == 0, half.err
    (folder / "m.h5").rename(folder / "elsewhere.h5")
    done = command("train", "c.toml", "--out", "half", "--resume", "--json", cwd=folder)
    assert done.result["weights_sha256"] == expected
    # From the configuration as it was resolved, with the model in another place.
    text = (folder / "whole" / "config.toml").read_text()
    assert f'start = "{folder}/m.h5"\nstart_sha256 = "' in text
    again = command("train", "whole/config.toml", "--set", "model.start=elsewhere.h5", "--json", cwd=folder)
    assert again.result["weights_sha256"] == expected


def test_a_start_that_has_changed_is_told(folder: Path) -> None:
    assert command("train", "c.toml", "--out", "r", "--set", "train.epochs=2", cwd=folder).code == 0
    assert command("train", "c.toml", "--out", "p", "--set", "model.start=none", cwd=folder).code == 0
    shutil.copy(folder / "m.h5", folder / "same.h5")
    for arguments, code, words in (
        (("--out", "r", "--set", "model.start=none"), 78, "[model] start: "),
        (("--out", "p"), 78, "[model] start: None in the checkpoint"),
        (("--out", "r", "--set", "model.start=same.h5"), 0, ""),
    ):
        done = command("train", "c.toml", *arguments, "--resume", cwd=folder)
        assert (done.code, words in done.err) == (code, True), done.err
    ddp_mlp.Model(random_model(n_features=3, n_outputs=1)).save(folder / "m.h5")
    done = command("train", "c.toml", "--out", "r", "--resume", cwd=folder)
    assert (done.code, len(done.error_lines)) == (78, 1)
    assert "is not the model that this run started from" in done.err
    done = command("train", "r/config.toml", "--set", "model.start=m.h5", "--out", "new", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "not the model that this configuration started from" in done.err


def test_a_run_from_python_goes_on_with_the_model_it_started_from(tmp_path: Path) -> None:
    data, first = rows(), ddp_mlp.train(SMALL, data=rows(7)).model
    config: dict[str, Any] = {"train": {"epochs": 4, "early_stopping_patience": 0}}
    whole = ddp_mlp.train(config, data=data, start=first)
    ddp_mlp.train({"train": {"epochs": 2, "early_stopping_patience": 0}}, data=data, start=first, out=tmp_path / "r")
    with pytest.raises(ddp_mlp.CheckpointError, match=r"\[model\] start"):
        ddp_mlp.train({"model": {"hidden": [6]}, **config}, data=data, out=tmp_path / "r", resume=True)
    on = ddp_mlp.train(config, data=data, start=first, out=tmp_path / "r", resume=True)
    assert on.weights_sha256 == whole.weights_sha256
    with pytest.raises(ValueError, match="began with a model in memory; give it as start="):
        ddp_mlp.train(on.model.config, data=data)
