"""A table meets a model as it is: columns by name, no targets needed, every row answered in its order."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import from_builtins
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.predictions import beside_answers
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.run.run import Run, RunOptions
from ddp_mlp.training.inference.files import Application, Rows, apply_model

N = 200
COLOURS = ["red", "green", "blue"]


def table(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    found = []
    for i in range(N):
        colour, x, z = COLOURS[i % 3], round(float(rng.normal()), 3), round(float(rng.normal()), 3)
        kind = "yes" if x + (colour == "red") > 0.3 else "no"
        found.append({"id": f"p{i}", "x": x, "colour": colour, "z": "" if i % 20 == 0 else z, "kind": kind})
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    path = table(folder / "t.csv", ["id", "x", "colour", "z", "kind"], rows())
    import_dataset([Path(path)], folder / "t.h5", ImportOptions(targets=("kind",)))
    config = {"data": {"train": str(folder / "t.h5")}, "train": {"epochs": 2}, "model": {"hidden": [4]}}
    Run(from_builtins(config, "test"), RunOptions(folder / "run"), SingleProcess(), lambda _: None).execute(
        lambda _: None
    )
    return folder / "run"


def applied(model: Path, data: str, **asked: Any) -> tuple[Application, Any, list[str]]:
    said: list[str] = []
    with apply_model(model, Rows(data, **asked), SingleProcess(), said.append) as application:
        answer = application.predict() if asked.get("answers_only") else application.evaluate()
        return application, answer, said


def test_columns_in_another_order_and_beside_are_answered_as_the_data_set(model: Path, tmp_path: Path) -> None:
    expected = applied(model, str(model.parent / "t.h5"), answers_only=True)[1]
    path = table(tmp_path / "n.csv", ["note", "z", "colour", "x"], [row | {"note": "a"} for row in rows()])
    application, answers, said = applied(model, path, answers_only=True)
    np.testing.assert_array_equal(answers, expected)
    assert any("note" in line for line in said)
    columns = beside_answers(application.model.schema, application.ids, None, ["row", "z"], application.location.texts)
    assert columns["row"] == list(range(N))
    assert columns["z"] == [str(row["z"]) for row in rows()]
    with pytest.raises(UsageError, match="did you mean 'note'"):
        application.location.texts(["nte"])


def test_a_table_is_evaluated_by_the_classes_of_the_model(model: Path, tmp_path: Path) -> None:
    expected = applied(model, str(model.parent / "t.h5"))[1]
    only_yes = [row for row in rows() if row["kind"] == "yes"]
    assert applied(model, table(tmp_path / "t.csv", ["kind", "colour", "z", "x"], rows()))[1] == expected
    application, found, _ = applied(model, table(tmp_path / "y.csv", ["kind", "colour", "z", "x"], only_yes))
    assert application.split == "all"
    assert found["n_samples"] == len(only_yes)
    assert [row["class"] for row in found["classes"]] == ["no", "yes"]


@pytest.mark.parametrize(
    ("columns", "changed", "phrases"),
    [
        (["colour", "z"], {}, ["x"]),
        (["x", "colour", "z"], {"colour": "yellow"}, ["colour", "yellow", f"({N})"]),
        (["x", "colour", "z"], {"x": "many"}, ["x", "many", "line 2"]),
    ],
)
def test_what_does_not_fit_is_one_error_that_names_the_table(
    model: Path, tmp_path: Path, columns: list[str], changed: dict[str, str], phrases: list[str]
) -> None:
    path = table(tmp_path / "bad.csv", columns, [row | changed for row in rows()])
    with pytest.raises(DataError) as caught:
        applied(model, path, answers_only=True)
    for phrase in [*phrases, path]:
        assert phrase in str(caught.value)


def test_an_unknown_class_is_named(model: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["kind", "colour", "z", "x"], [row | {"kind": "maybe"} for row in rows()])
    with pytest.raises(DataError, match=r"maybe.*200"):
        applied(model, path)


def test_nothing_is_left_of_what_was_imported(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    applied(model, table(tmp_path / "t.csv", ["colour", "z", "x"], rows()), answers_only=True)
    with pytest.raises(DataError):
        applied(model, table(tmp_path / "bad.csv", ["z"], rows()), answers_only=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "t.csv"]
