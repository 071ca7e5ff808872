"""Labels that were booleans are answered as booleans, wherever they came from."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

import ddp_mlp

CONFIG = ddp_mlp.Config(model={"hidden": [4]}, train={"epochs": 1})
RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 3))
IS = X[:, 0] > 0


@pytest.mark.parametrize("labels", [IS, IS[:, None], IS.tolist(), IS.astype(object), np.ones(80, bool)])
def test_arrays_of_booleans_give_booleans(labels: Any) -> None:
    model = ddp_mlp.train(CONFIG, data=(X, labels)).model
    assert model.classes.tolist() == [False, True]
    assert model.predict(X).dtype == np.bool_
    assert model.schema.class_names == ("false", "true")


@pytest.mark.parametrize("dtype", ["bool", "boolean", "category"])
def test_columns_of_booleans_give_booleans_beside_arrays(dtype: str) -> None:
    labels = pytest.importorskip("pandas").Series(IS).astype(dtype)
    assert ddp_mlp.train(CONFIG, data=(X, labels)).model.predict(X).dtype == np.bool_


def test_a_file_with_booleans_gives_booleans(tmp_path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"], file["y"] = X, IS
    model = ddp_mlp.train(CONFIG, data=str(tmp_path / "d.h5")).model
    assert model.predict(X).dtype == np.bool_


@pytest.mark.parametrize("text", ["True", "TRUE", "true"])
def test_a_table_in_which_one_of_them_occurs_knows_both(tmp_path, text: str) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{row[0]},{text}\n" for row in X))
    assert ddp_mlp.train(CONFIG, data=(tmp_path / "t.csv", "y")).model.classes.tolist() == [False, True]


def test_they_are_measured_as_the_numbers_0_and_1_and_by_each_other() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    of_arrays = ddp_mlp.train(CONFIG, data=(X, IS)).model
    of_frames = ddp_mlp.train(CONFIG, data=(frame, IS)).model
    right = (of_arrays.predict(X) == IS).mean()
    for labels in (IS, IS.astype(int), IS.astype(float), IS.astype(object)):
        assert of_arrays.evaluate(X, labels)["accuracy"] == pytest.approx(right)
        assert of_frames.evaluate(X, labels)["accuracy"] == pytest.approx((of_frames.predict(frame) == IS).mean())


def test_rows_that_validate_may_hold_numbers() -> None:
    result = ddp_mlp.train(CONFIG, data=(X, IS), valid=(X, IS.astype(int)))
    assert result.history["valid_loss"][-1] == pytest.approx(result.model.evaluate(X, IS)["loss"], rel=1e-6)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("dtype", ["boolean", "Int64", "float64"])
def test_an_estimator_and_its_model_answer_in_the_kind_of_the_labels(dtype: str) -> None:
    pytest.importorskip("sklearn")
    labels = pytest.importorskip("pandas").Series(IS.astype(int)).astype(dtype)
    made = ddp_mlp.MLPClassifier((4,), max_iter=2, threads=1).fit(X, labels)
    assert made.classes_.dtype.kind == {"boolean": "b", "Int64": "i", "float64": "f"}[dtype]
    assert made.model_.classes.dtype.kind == {"boolean": "b", "Int64": "i", "float64": "i"}[dtype]


def test_exports_know_them() -> None:
    pytest.importorskip("skops")
    pytest.importorskip("onnx")
    from ddp_mlp.interop.formats import onnx, sklearn
    from ddp_mlp.interop.portable import portable

    model = ddp_mlp.train(CONFIG, data=(X, IS)).model
    made = portable(model.trained)
    assert sklearn.estimator(made).predict(X).tolist() == model.predict(X).tolist()
    label, _ = onnx.run(onnx.image(made, "m"), X)
    assert label.tolist() == ["true" if answer else "false" for answer in model.predict(X)]
