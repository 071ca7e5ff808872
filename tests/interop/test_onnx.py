"""ONNX: inputs by column with their text, names of classes, what is told beside, and versions that reach far."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx as library
import onnxruntime
import pyarrow as pa
import pytest

import ddp_mlp
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.data.schema import Schema, SourceColumn
from ddp_mlp.interop.check import own_answers
from ddp_mlp.interop.formats import onnx
from ddp_mlp.interop.portable import portable
from tests.interop.models import model, people

LOSS = ("binary_cross_entropy", "binary")


def table_model(**changes: Any) -> Model:
    schema = people()
    told = {name: getattr(schema, name) for name in ("feature_names", "class_names", "columns")} | changes
    return model(("tanh",), LOSS, n_features=schema.n_features, filled=True, **told)


def session(trained: Model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(onnx.image(portable(trained), "m"), providers=["CPUExecutionProvider"])


def column(*values: Any) -> Any:
    kind = object if isinstance(values[0], str) else np.float64
    return np.array(values, kind)[:, None]


def test_columns_of_a_table_go_in_as_they_are() -> None:
    trained = table_model()
    graph = session(trained)
    assert [(each.name, each.type) for each in graph.get_inputs()] == [
        ("age", "tensor(double)"), ("colour", "tensor(string)"), ("size", "tensor(string)"),
        ("member", "tensor(double)"), ("height", "tensor(double)"),
    ]  # fmt: skip
    nan = np.nan
    cells = {
        "age": column(30, nan, 50, 44, 44, 44), "colour": column("red", "blue", "", "red", "mauve", "red"),
        "size": column("S", "L", "M", "NA", "S", "S"), "member": column(0, 1, 1, 0, 0, nan),
        "height": column(1.5, nan, 1.7, 1.5, 1.5, 1.5),
    }  # fmt: skip
    label, probabilities = graph.run(None, cells)
    encoded = np.array([
        [30, 1, 0, 0, 0, 0, 1.5, 0], [nan, 0, 1, 0, 2, 1, nan, 1], [50, nan, nan, 1, 1, 1, 1.7, 0],
        [44, 1, 0, 0, nan, 0, 1.5, 0],
    ])  # fmt: skip
    assert np.allclose(probabilities[:4, 1:], own_answers(trained, encoded), rtol=1e-12)
    assert np.array_equal(label[:4], np.where(probabilities[:4, 1] > 0.5, "yes", "no"))
    # An unknown category, and a gap in a column that may have none, have no answer.
    assert np.isnan(probabilities[4:]).all()
    assert label[4:].tolist() == ["", ""]


def test_a_trained_table_answers_from_its_own_cells() -> None:
    rng, n = np.random.default_rng(1), 150
    age, colour = rng.integers(18, 90, n), rng.choice(["red", "green", "blue"], n)
    member, height = rng.random(n) > 0.5, np.where(rng.random(n) < 0.1, np.nan, rng.normal(170, 10, n))
    kind = np.where(rng.random(n) < 0.1, None, rng.choice(["x", "y"], n))
    columns = {"age": age, "colour": colour, "member": member, "height": height, "kind": kind}
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    answers = np.where(age + 20 * member > 60, "yes", "no")
    trained = ddp_mlp.train({"model": {"hidden": [6]}, "train": {"epochs": 3}}, data=(table, answers)).model
    graph = session(trained.trained)
    texts = {"colour": colour, "kind": np.where(kind == None, "", kind)}  # noqa: E711 - an array
    cells = {name: np.asarray(texts[name], object)[:, None] for name in texts}
    cells |= {name: np.asarray(columns[name], np.float64)[:, None] for name in ("age", "member", "height")}
    label, probabilities = graph.run(None, cells)
    assert np.allclose(probabilities, trained.predict_proba(table), atol=1e-6)
    assert np.array_equal(label, trained.predict(table))


def test_names_that_would_be_ambiguous_make_one_input_of_all_features() -> None:
    schema = people()
    columns = (*schema.columns, SourceColumn("age", "number", ("age",)))
    graph = session(table_model(columns=columns))
    assert [(each.name, each.shape) for each in graph.get_inputs()] == [("features", ["rows", 8])]


def test_columns_with_the_names_of_outputs_and_nodes_keep_theirs() -> None:
    names = ("label", "probabilities", "c=a", "gemm_9", "fill_1")
    columns = (
        SourceColumn("label", "number", ("label",), missing="impute"),
        SourceColumn("probabilities", "number", ("probabilities",), missing="impute"),
        SourceColumn("c", "category", ("c=a",), ("a",), "impute"),
        SourceColumn("gemm_9", "number", ("gemm_9",), missing="impute"),
        SourceColumn("fill_1", "number", ("fill_1",), missing="impute"),
    )
    trained = model((), LOSS, n_features=5, filled=True, feature_names=names, columns=columns)
    graph = session(trained)
    assert [each.name for each in graph.get_inputs()] == ["label", "probabilities", "c", "gemm_9", "fill_1"]
    found = graph.run(
        None, {name: column("a") if name == "c" else column(1.0) for name in ("c", *names) if name != "c=a"}
    )
    assert np.allclose(found[1][:, 1:], own_answers(trained, np.ones((1, 5))))


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        (None, "int64", [0, 1, 2]),
        (("10", "-2", "7"), "int64", [10, -2, 7]),
        (("a", "01", "ü"), "string", ["a", "01", "ü"]),
    ],
)
def test_labels_are_the_classes(names: Any, kind: str, expected: list[Any]) -> None:
    trained = model((), ("cross_entropy", "multiclass"), class_names=names)
    graph, x = session(trained), np.random.default_rng(0).normal(3, 3, (40, 4))
    label, probabilities = graph.run(None, {"features": x})
    assert graph.get_outputs()[0].type == f"tensor({kind})"
    assert label.tolist() == [expected[i] for i in own_answers(trained, x).argmax(axis=1)]
    assert probabilities.shape == (40, 3)


def test_versions_and_metadata_are_those_of_the_page() -> None:
    trained = model(("relu",), dtype="float32", scaled=True, target_names=("a", "b", "c"), target_units=("m", "", "s"))
    made = library.load_model_from_string(onnx.image(portable(trained), "m"))
    assert {each.domain: each.version for each in made.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert (made.ir_version, made.producer_name) == (8, "ddp-mlp")
    about = {each.key: each.value for each in made.metadata_props}
    assert json.loads(about["targets"]) == ["a", "b", "c"]
    assert json.loads(about["target_units"]) == ["m", "", "s"]
    assert json.loads(about["features"]) == ["feature0", "feature1", "feature2", "feature3"]
    assert [each.name for each in made.graph.output] == ["prediction"]
    assert made.graph.output[0].type.tensor_type.elem_type == library.TensorProto.DOUBLE


def test_one_file_is_the_same_bytes_each_time() -> None:
    trained = table_model()
    assert onnx.image(portable(trained), "a") == onnx.image(portable(trained), "b")


def test_a_schema_without_text_has_one_input() -> None:
    names = ("a", "b", "c", "d")
    columns = tuple(SourceColumn(name, "number", (name,), unit="m") for name in names)
    trained = model((), feature_names=names, columns=columns)
    assert isinstance(trained.schema, Schema)
    graph = session(trained)
    assert [each.name for each in graph.get_inputs()] == ["features"]
    about = graph.get_modelmeta().custom_metadata_map
    assert json.loads(about["units"]) == dict.fromkeys(names, "m")
