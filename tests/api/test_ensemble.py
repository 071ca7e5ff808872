"""Ensembles in Python: one object with the answers of a model, and their spread."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ddp_mlp
from tests.runs import ddp_mlp as command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ensemble")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    for name, y in (("r", x[:, 0] * 100 + 7), ("c", (x[:, 1] > 0) + 2 * (x[:, 2] > 0.5))):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["train/features"], file["train/targets"] = x, y
        text = f'[data]\ntrain = "{name}.h5"\n[model]\nhidden = [5]\n[train]\nepochs = 3\n'
        (path / f"{name}.toml").write_text(text)
        done = command("ensemble", f"{name}.toml", "--members", "3", "--out", name, cwd=path)
        assert done.code == 0, done.err
    return path


@pytest.fixture
def x() -> Any:
    return np.random.default_rng(1).normal(size=(5000, 3))


def test_quantities_have_a_mean_and_a_deviation(folder: Path, x: Any) -> None:
    model = ddp_mlp.load_model(folder / "r")
    assert isinstance(model, ddp_mlp.Ensemble)
    assert len(model) == 3
    members = np.stack([each.predict(x) for each in model.members])
    answers, spread = model.predict_with_spread(x)
    np.testing.assert_allclose(answers, members.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread["std"], members.std(axis=0, ddof=1), rtol=1e-10)
    assert spread["std"].shape == answers.shape == (5000,)
    assert (model.predict(x) == answers).all()
    with pytest.raises(ValueError, match="quantities"):
        model.predict_proba(x)


def test_classes_have_probabilities_entropy_and_disagreement(folder: Path, x: Any) -> None:
    model = ddp_mlp.load_model(folder / "c")
    assert isinstance(model, ddp_mlp.Ensemble)
    p = np.mean([each.predict_proba(x).astype(float) for each in model.members], axis=0)
    np.testing.assert_allclose(model.predict_proba(x), p, rtol=1e-12)
    answers, spread = model.predict_with_spread(x)
    assert (answers == model.classes[p.argmax(axis=1)]).all()
    np.testing.assert_allclose(spread["entropy"], -(p * np.log(p)).sum(axis=1), rtol=1e-9)
    votes = np.stack([each.predict(x) for each in model.members])
    assert (spread["disagreement"] == (votes != answers).sum(axis=0) / 3).all()


def test_the_bits_are_the_same_whatever_way_rows_take(folder: Path, x: Any) -> None:
    for name in ("r", "c"):
        model: Any = ddp_mlp.load_model(folder / name)
        known = model.predict_with_spread(x, threads=2)
        again = pickle.loads(pickle.dumps(model))  # noqa: S301 - its own
        for one in (model, again):
            for start, stop in ((0, 1), (7, 8), (100, 199), (0, 5000)):
                answers, spread = one.predict_with_spread(x[start:stop], threads=1)
                assert (answers == known[0][start:stop]).all()
                assert all((spread[key] == known[1][key][start:stop]).all() for key in spread)
        with h5py.File(folder / "x.h5", "w") as file:
            file["test/features"] = x
        answers, spread = model.predict_with_spread(str(folder / "x.h5"))
        assert (answers == known[0]).all()
        assert all((spread[key] == known[1][key]).all() for key in spread)


def test_rows_in_memory_measure_as_those_of_a_file(folder: Path) -> None:
    for name in ("r", "c"):
        model: Any = ddp_mlp.load_model(folder / name)
        by_file = model.evaluate(folder / f"{name}.h5")
        with h5py.File(folder / f"{name}.h5") as file:
            found = model.evaluate(file["train/features"][:], file["train/targets"][:], threads=2)
        assert by_file.pop("split") == "train"
        assert found == by_file
        assert found["n_members"] == 3


def test_an_ensemble_is_no_model_to_start_from(folder: Path, x: Any) -> None:
    model: Any = ddp_mlp.load_model(folder / "r")
    for start in (model, folder / "r"):
        with pytest.raises(ValueError, match=r"a Model, or the path of one|ensemble, and one network"):
            ddp_mlp.train({"train": {"epochs": 1}}, data=(x, x[:, 0]), start=start)
    for bad in (x[:, :2], np.full((2, 3), np.nan), np.array([["a", "b", "c"]]), x[:0]):
        with pytest.raises(ValueError, match=r"."):
            model.predict(bad)
    assert "3 networks of 3 -> 5 -> 1" in repr(model)


def test_it_is_exported_with_a_check(folder: Path, tmp_path: Path) -> None:
    model: Any = ddp_mlp.load_model(folder / "c")
    model.export(tmp_path / "c.onnx", check=True)
    assert (tmp_path / "c.onnx").exists()
    with pytest.raises(ValueError, match="take onnx"):
        model.export(tmp_path / "c.npz")
    done = command("export", folder / "r", "--out", tmp_path / "r.onnx", "--check", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "largest difference" in done.err
