"""Labels that came as text are answered as text, also where they read as numbers or booleans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ddp_mlp
from ddp_mlp.data.class_values import class_values
from ddp_mlp.data.schema import schema_from_builtins, schema_to_json
from tests.runs import ddp_mlp as command

CONFIG = ddp_mlp.Config(model={"hidden": [4]}, train={"epochs": 1})
RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 3)).astype(np.float32)
NUMBERS = np.arange(80) % 4
DIGITS = NUMBERS.astype(str)


def answers(folder: Path, data: Any, rows: Any) -> list[Any]:
    """Return some answers of a model that was trained, saved and loaded again."""
    ddp_mlp.train(CONFIG, out=folder / "run", data=data)
    found = ddp_mlp.load_model(folder / "run").predict(rows)
    return found[:40].tolist()


@pytest.mark.parametrize(
    "labels", [DIGITS, DIGITS.astype(object), DIGITS.astype("S"), np.where(NUMBERS % 2, "True", "False")]
)
def test_arrays_of_text_give_text(tmp_path, labels):
    assert {type(answer) for answer in answers(tmp_path, (X, labels), X)} == {str}


def test_numbers_stay_numbers(tmp_path):
    assert {type(answer) for answer in answers(tmp_path, (X, NUMBERS), X)} == {int}


@pytest.mark.parametrize(("dtype", "kind"), [("str", str), ("category", str), ("int64", int), ("bool", bool)])
def test_frames_answer_in_the_kind_of_their_labels(tmp_path, dtype, kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    labels = pandas.Series(DIGITS if kind is str else NUMBERS % 2 if kind is bool else NUMBERS).astype(dtype)
    assert {type(answer) for answer in answers(tmp_path, (frame, labels), frame)} == {kind}


@pytest.mark.parametrize(("labels", "kind"), [(DIGITS, str), (DIGITS.astype(object), str), (NUMBERS, int)])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_model_of_an_estimator_answers_as_the_estimator(labels, kind):
    pytest.importorskip("sklearn")
    made = ddp_mlp.MLPClassifier((4,), max_iter=2, threads=1).fit(X, labels)
    assert {type(made.predict(X)[0].item()), type(made.model_.predict(X)[0].item())} == {kind}
    assert class_values(made.model_.schema).dtype.kind == ("U" if kind is str else "i")


@pytest.mark.parametrize(("options", "kind"), [((), int), (("--text", "y"), str)])
def test_digits_in_a_csv_are_numbers_unless_they_are_said_to_be_text(tmp_path, options, kind):
    lines = ["a,b,y", *(f"{row[0]},{row[1]},{label}" for row, label in zip(X, DIGITS, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    done = command("data", "import", "t.csv", "--target", "y", "--out", "t.h5", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    config = ddp_mlp.Config(data={"train": str(tmp_path / "t.h5")}, model={"hidden": [4]}, train={"epochs": 1})
    ddp_mlp.train(config, out=tmp_path / "run")
    assert {type(answer) for answer in ddp_mlp.load_model(tmp_path / "run").predict(X[:, :2]).tolist()} == {kind}


def test_a_schema_from_before_it_reads_as_it_did():
    known = {"task": "multiclass", "n_features": 2, "n_outputs": 3, "class_names": ["1", "2", "3"]}
    schema = schema_from_builtins(known)
    assert schema.class_kind == ""
    assert class_values(schema).tolist() == [1, 2, 3]
    assert json.loads(schema_to_json(schema))["class_kind"] == ""
