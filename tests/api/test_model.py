"""Models in Python: answers, names, tables, files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import ddp_mlp
from tests.api.conftest import Arrays
from tests.api.test_training import SMALL, write
from tests.runs import ddp_mlp as command


def people() -> pa.Table:
    """Return a table with text, booleans, whole numbers, fractions and gaps."""
    rng = np.random.default_rng(1)
    n = 150
    age, colour = rng.integers(18, 90, n), rng.choice(["red", "green", "blue"], n)
    member = rng.random(n) > 0.5
    height = np.where(rng.random(n) < 0.1, np.nan, rng.normal(170, 10, n))
    answer = np.where(age + 20 * member > 60, "yes", "no")
    columns = {"age": age, "colour": colour, "member": member, "height": height, "answer": answer}
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def frames() -> list[Any]:
    """Return the table as each library that is here has it."""
    found: list[Any] = [people()]
    for name in ("pandas", "polars"):
        try:
            library = __import__(name)
        except ImportError:
            continue
        found.append(people().to_pandas() if name == "pandas" else library.from_arrow(people()))
    return found


@pytest.fixture(scope="module")
def trained() -> ddp_mlp.Model:
    return ddp_mlp.train(SMALL, data=(people(), "answer")).model


def test_a_frame_of_any_library_is_a_table_file(tmp_path: Path, trained: ddp_mlp.Model) -> None:
    parquet.write_table(people(), tmp_path / "p.parquet")
    command("data", "import", "p.parquet", "--target", "answer", "--out", "p.h5", cwd=tmp_path)
    by_file = ddp_mlp.train(SMALL, data=tmp_path / "p.h5")
    assert by_file.model.schema == trained.schema
    assert by_file.model.weights_sha256 == trained.weights_sha256
    assert ddp_mlp.train(SMALL, data=(tmp_path / "p.parquet", "answer")).model.weights_sha256 == trained.weights_sha256
    expected = by_file.model.outputs(tmp_path / "p.parquet")
    for frame in frames():
        result = ddp_mlp.train(SMALL, data=(frame, "answer"))
        assert result.model.weights_sha256 == trained.weights_sha256, type(frame)
        assert np.array_equal(result.model.outputs(frame), expected), type(frame)


def test_targets_beside_a_frame_are_those_in_it(trained: ddp_mlp.Model) -> None:
    table = people()
    x, y = table.drop_columns("answer"), table["answer"]
    for targets in (np.array(y), y.to_pylist(), table.select(["answer"])):
        model = ddp_mlp.train(SMALL, data=(x, targets)).model
        assert model.weights_sha256 == trained.weights_sha256
    half = ddp_mlp.train(SMALL, data=(x, np.array(y), np.ones(150)), valid=(x.slice(0, 50), np.array(y)[:50]))
    assert half.summary["understood"]["valid_rows"] == 50
    assert half.summary["understood"]["weighted"]
    with pytest.raises(ddp_mlp.DataError, match="150 rows, but answer has 149"):
        ddp_mlp.train(SMALL, data=(x, table.select(["answer"]).slice(1)))


def test_columns_are_found_by_name(trained: ddp_mlp.Model) -> None:
    table = people()
    expected = trained.predict(table)
    assert set(expected) == {"yes", "no"}
    assert np.array_equal(trained.predict(table.select(["height", "answer", "member", "colour", "age"])), expected)
    assert trained.evaluate(table, "answer") == trained.evaluate(
        table.drop_columns("answer"), np.array(table["answer"])
    )
    assert trained.evaluate(table, "answer")["accuracy"] == np.mean(expected == np.array(table["answer"]))


def test_rows_that_do_not_fit_are_told(trained: ddp_mlp.Model, moons: Arrays) -> None:
    table = people()
    strange = table.set_column(1, "colour", pa.array(["mauve"] * 150))
    text = table.set_column(0, "age", pa.array(["old"] * 150))
    x = np.zeros((3, 2))
    for rows, words in (
        (table.drop_columns("age"), "no column age"),
        (strange, "mauve"),
        (text, "age"),
        (np.zeros((4, 2)), "2 features, the model has"),
        (np.array([["a", "b"]]), "X holds 'a'"),
    ):
        with pytest.raises(ddp_mlp.DataError, match=words):
            trained.predict(rows)
    plain = ddp_mlp.train(SMALL, data=moons).model
    for rows, words in (
        (np.zeros(2), "reshape"), (np.full((3, 2), np.nan), "missing value"), (np.zeros((3, 3)), "3 features"),
        (np.zeros((0, 2)), "no samples"),
    ):  # fmt: skip
        with pytest.raises(ddp_mlp.DataError, match=words):
            plain.predict(rows)
    with pytest.raises(ddp_mlp.DataError, match="no targets"):
        plain.evaluate(x)
    with pytest.raises(ddp_mlp.DataError, match="label 7"):
        plain.evaluate(x, [0, 1, 7])
    with pytest.raises(ddp_mlp.DataError, match="unknown class: 'maybe'"):
        trained.evaluate(table.drop_columns("answer").slice(0, 2), ["yes", "maybe"])


def test_a_frame_meets_a_model_of_arrays_by_position_which_is_said(
    moons: Arrays, caplog: pytest.LogCaptureFixture
) -> None:
    model = ddp_mlp.train(SMALL, data=moons).model
    frame = pa.table({"a": moons[0][:, 0], "b": moons[0][:, 1], "y": moons[1]})
    caplog.clear()
    assert np.array_equal(model.predict(frame.select(["a", "b"])), model.predict(moons[0]))
    assert [r.levelname for r in caplog.records if "taken by position" in r.getMessage()] == ["WARNING"]
    assert model.evaluate(frame, "y") == model.evaluate(*moons)


def test_columns_called_by_numbers_are_found_by_them_too(moons: Arrays) -> None:
    frame = pytest.importorskip("pandas").DataFrame(moons[0])
    model = ddp_mlp.train(SMALL, data=(frame, moons[1])).model
    assert np.array_equal(model.predict(frame[[1, 0]]), model.predict(moons[0]))
    with pytest.raises(ddp_mlp.DataError, match="appears twice"):
        model.predict(frame.set_axis([0, 0], axis=1))


def test_files_of_arrays_are_answered_as_the_arrays_in_them(moons: Arrays, tmp_path: Path) -> None:
    frame = pa.table({"a": moons[0][:, 0], "b": moons[0][:, 1]})
    np.savez(tmp_path / "rows.npz", X=moons[0])
    for model in (ddp_mlp.train(SMALL, data=(given, moons[1])).model for given in (moons[0], frame)):
        assert np.array_equal(model.predict(tmp_path / "rows.npz"), model.predict(moons[0]))


def test_categories_of_polars_are_text(moons: Arrays) -> None:
    pl = pytest.importorskip("polars")
    words = np.where(moons[0][:, 0] > 0, "right", "left").tolist()
    plain = pl.DataFrame({"a": words, "b": moons[0][:, 1]})
    model = ddp_mlp.train(SMALL, data=(plain, moons[1])).model
    for kind in (pl.Categorical, pl.Enum(["right", "left"])):
        frame = plain.with_columns(pl.col("a").cast(kind))
        assert np.array_equal(model.predict(frame[3:]), model.predict(plain)[3:])


def test_targets_of_a_frame_are_found_by_name(moons: Arrays) -> None:
    x, _ = moons
    y = pa.table({"t": x[:, 0] * 3, "u": x[:, 1] - 5})
    swapped, columns = y.select(["u", "t"]), pa.table({"a": x[:, 0], "b": x[:, 1]})
    plain = np.column_stack([y["t"], y["u"]])
    for given in (x, columns):
        model, other = (ddp_mlp.train(SMALL, data=(given, y), valid=(given, v)).model for v in (y, swapped))
        assert model.weights_sha256 == other.weights_sha256
        assert model.schema.target_names == ("t", "u")
        wanted = model.evaluate(given, y)
        assert wanted == model.evaluate(given, swapped) == model.evaluate(given, plain)
        assert wanted["rmse"] != model.evaluate(given, plain[:, ::-1])["rmse"]
        with pytest.raises(ddp_mlp.DataError, match=r"\bu\b"):
            model.evaluate(given, swapped.rename_columns(["t", "z"]))
    whole = columns.append_column("u", y["u"]).append_column("t", y["t"])
    assert model.evaluate(whole) == model.evaluate(whole, ["u", "t"]) == wanted
    assert model.evaluate(whole, swapped) == wanted
    assert model.evaluate(whole, plain + 1) != wanted  # those beside the frame count
    for few in ("t", plain[:, 0], x[:, [0, 1, 0]]):
        with pytest.raises(ddp_mlp.DataError, match="where 2 are known: t, u"):
            model.evaluate(whole, few)


def test_columns_of_a_frame_that_hold_0_and_1_are_classes_by_name(moons: Arrays) -> None:
    x, labels = moons
    y = pa.table({"low": 1 - labels, "high": labels})
    model = ddp_mlp.train(SMALL, data=(x, y)).model
    assert model.schema.classes == ("low", "high")
    assert model.evaluate(x, y) == model.evaluate(x, y.select(["high", "low"]))
    assert model.evaluate(x, y)["accuracy"] == np.mean(model.predict(x) == np.where(labels == 1, "high", "low"))


def test_labels_that_are_booleans_come_back_as_such(moons: Arrays) -> None:
    x, labels = moons
    frame, y = pa.table({"a": x[:, 0], "b": x[:, 1]}), labels == 1
    model = ddp_mlp.train(SMALL, data=(frame, y)).model
    assert model.predict(frame).dtype == bool
    pytest.importorskip("sklearn")
    theirs = ddp_mlp.MLPClassifier((4,), max_iter=2).partial_fit(x, y, classes=[False, True])
    assert theirs.model_.predict(x).tolist() == theirs.predict(x).tolist()
    assert np.mean(model.predict(frame) == y) == model.evaluate(frame, y)["accuracy"]


def test_answers_are_classes_probabilities_and_quantities(moons: Arrays) -> None:
    x, y = moons
    binary = ddp_mlp.train(SMALL, data=(x, y)).model
    p = binary.predict_proba(x)
    assert p.shape == (120, 2)
    assert np.allclose(p.sum(axis=1), 1)
    assert np.array_equal(binary.predict(x), (p[:, 1] > 0.5).astype(int))
    assert binary.evaluate(x, y)["accuracy"] == np.mean(binary.predict(x) == y)
    thirds = ddp_mlp.train(SMALL, data=(x, np.arange(120) % 3 * 10 + 5)).model
    assert set(thirds.predict(x)) <= {5, 15, 25}
    assert thirds.classes is not None
    assert thirds.classes.tolist() == [5, 15, 25]
    assert thirds.predict_proba(x).shape == (120, 3)
    one, two = (ddp_mlp.train(SMALL, data=(x, t)).model for t in (x[:, 0] * 3.3, x * 7.7))
    assert (one.predict(x).shape, two.predict(x).shape, one.classes) == ((120,), (120, 2), None)
    with pytest.raises(ddp_mlp.UsageError, match="for classes"):
        one.predict_proba(x)
    scores = ddp_mlp.train({**SMALL, "loss": {"name": "hinge"}}, data=(x, y)).model
    with pytest.raises(ddp_mlp.UsageError, match="scores"):
        scores.predict_proba(x)
    assert np.mean(scores.predict(x) == y) == scores.evaluate(x, y)["accuracy"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_whose_outputs_are_no_numbers_has_no_class(n_classes: int, rng: np.random.Generator) -> None:
    """Of large values float32 makes infinities of both signs, and of these NaN, which is above no threshold."""
    X, y = rng.normal(size=(60, 4)), np.arange(60) % n_classes
    model = ddp_mlp.train(ddp_mlp.Config(model={"hidden": [8, 8]}, train={"epochs": 2}), data=(X, y)).model
    far = X[:5].copy()
    far[3] = np.array([1e300, -1e300, 1e300, -1e300])
    assert np.isnan(model.predict_proba(far)[3]).all()
    for rows in (far, far[3:4]):
        with pytest.raises(ddp_mlp.DataError, match=r"no class for 1 row, since .* \(NaN\)"):
            model.predict(rows)
        with pytest.raises(ddp_mlp.DataError, match=r"no score, since .* \(NaN\)"):
            model.evaluate(rows, y[: len(rows)])


def test_a_quantity_that_is_no_number_has_no_score(rng: np.random.Generator) -> None:
    X, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    model = ddp_mlp.train(ddp_mlp.Config(model={"hidden": [8, 8]}, train={"epochs": 2}), data=(X, y)).model
    X[3] = np.array([1e300, -1e300, 1e300, -1e300])
    assert np.isnan(model.predict(X)).sum() == 1
    with pytest.raises(ddp_mlp.DataError, match=r"no score, since .* \(NaN\)"):
        model.evaluate(X, y)


def test_threads_one_row_and_all_rows_give_the_same_answers(moons: Arrays) -> None:
    x = np.tile(moons[0], (10, 1))
    model = ddp_mlp.train(SMALL, data=moons).model
    every = model.outputs(x, threads=1)
    assert np.array_equal(model.outputs(x, threads=2), every)
    assert np.array_equal(model.outputs(x), every)
    assert np.array_equal(np.vstack([model.outputs(row[None]) for row in x[:5]]), every[:5])


def test_a_model_is_saved_loaded_and_pickled(moons: Arrays, tmp_path: Path) -> None:
    x, _ = moons
    model = ddp_mlp.train(SMALL, data=moons).model
    model.save(tmp_path / "m.h5")
    for again in (ddp_mlp.load_model(tmp_path / "m.h5"), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert np.array_equal(again.outputs(x), model.outputs(x))
        assert (again.schema, again.config) == (model.schema, model.config)
    assert repr(model) == "<Model: binary, 2 -> 6 -> 1, after epoch 3>"
    (weight, bias), (last, _) = model.layers()
    assert (weight.shape, bias.shape, last.shape) == ((2, 6), (6,), (6, 1))
    write(tmp_path / "x.h5", x=x)
    assert np.array_equal(model.predict(tmp_path / "x.h5"), model.predict(x))
    write(tmp_path / "xy.h5", x=x, y=moons[1])
    assert model.evaluate(str(tmp_path / "xy.h5"))["accuracy"] == model.evaluate(*moons)["accuracy"]
