"""ONNX: the whole model from raw values to class names, for ONNX Runtime and all that reads it.

Features go in as float64 and are normalised so, as in `predict`: large offsets, such as those of years, cost no digits.
Operators are those of ONNX 1.12 (opset 17, IR 8), of mid-2022, so that older runtimes read the file too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp import __version__
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.class_values import class_values
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.format import library
from ddp_mlp.interop.formats.onnx_columns import cells_of, encode_cells, feeds_of
from ddp_mlp.interop.formats.onnx_graph import Graph
from ddp_mlp.interop.formats.onnx_units import ACTIVATIONS, OUTPUTS
from ddp_mlp.interop.portable import Layer, Portable, schema_of

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
#: A protobuf holds 2 GiB; this leaves room for the rest.
_MOST_BYTES = 2**31 - 2**24


def image(model: Portable, stem: str) -> bytes:
    """Return the bytes of an ONNX file."""
    graph, inputs, features, stranger = begin(model.schema)
    outputs = _answers(graph, model, network(graph, model, features, stranger), library("onnx", "export"))
    return finished(graph, inputs, outputs, model.about())


def begin(schema: Schema) -> tuple[Graph, list[Any], str, str]:
    """Return a graph with its inputs: these, the features, and what is NaN in rows that nothing may fill."""
    onnx = library("onnx", "export")
    cells = cells_of(schema)
    graph = Graph({cell.name for cell in cells} or {"features"})
    info, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    if not cells:
        return graph, [info("features", kinds.DOUBLE, ["rows", schema.n_features])], "features", ""
    inputs = [info(cell.name, kinds.STRING if cell.is_text else kinds.DOUBLE, ["rows", 1]) for cell in cells]
    return graph, inputs, *encode_cells(graph, cells, schema)


def finished(graph: Graph, inputs: list[Any], outputs: list[Any], about: Mapping[str, str]) -> bytes:
    """Return the bytes of the file of a graph; `about` are its metadata."""
    onnx = library("onnx", "export")
    made = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "ddp_mlp", inputs, outputs, graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION, producer_name="ddp-mlp", producer_version=__version__,
    )  # fmt: skip
    onnx.helper.set_model_props(made, dict(about))
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def _normalized(graph: Graph, model: Portable, features: str, stranger: str) -> str:
    """Add filling and normalisation, in float64; `stranger` is NaN in rows that nothing may fill."""
    if model.fill is not None:
        fill = graph.constant(model.fill, name="fill")
        features = graph.add("Where", graph.add("IsNaN", features), fill, features)
    if stranger:
        features = graph.add("Add", features, stranger)
    if model.inputs is not None:
        features = graph.add("Sub", features, graph.constant(model.inputs.offset, name="offset"))
        features = graph.add("Mul", features, graph.constant(model.inputs.scale, name="scale"))
    return graph.cast(features, model.dtype)


def network(graph: Graph, model: Portable, features: str, stranger: str) -> str:
    """Add a network, from features as in the data to its output unit."""
    features = _normalized(graph, model, features, stranger)
    # Runtimes may take the larger of NaN and 0 to be 0: a missing value shall never become a number.
    zero = graph.constant(0, model.dtype)
    axes = graph.constant([1], np.int64)
    nothing = graph.add("ReduceSum", graph.add("Mul", features, zero), axes, keepdims=1)
    h = features
    for layer in model.layers:
        h = _layer(graph, layer, h, model.dtype)
    h = OUTPUTS[model.output](graph, h, 0.0, model.dtype)
    return graph.add("Add", h, nothing)


def _layer(graph: Graph, layer: Layer, h: str, dtype: Any) -> str:
    weight, bias = graph.constant(layer.weight, name="weight"), graph.constant(layer.bias, name="bias")
    a = graph.add("Gemm", h, weight, bias)
    if layer.pieces > 1:
        shape = graph.constant([-1, layer.pieces, layer.n_out], np.int64)
        a = graph.add("ReduceMax", graph.add("Reshape", a, shape), axes=[1], keepdims=0)
    return ACTIVATIONS[layer.activation](graph, a, layer.parameter, dtype)


def _answers(graph: Graph, model: Portable, found: str, onnx: Any) -> list[Any]:
    """Add the outputs of the graph: quantities in their units, or classes and their probabilities or scores."""
    info, n_outputs = onnx.helper.make_tensor_value_info, model.schema.n_outputs
    kind = onnx.helper.np_dtype_to_tensor_dtype(model.dtype)
    classes = classes_of(model.schema)
    if classes is None:
        if model.targets is not None:
            kind, found = onnx.TensorProto.DOUBLE, in_units(graph, model, found)
        found = graph.add("Identity", found, out=graph.free("prediction"))
        return [info(found, kind, ["rows", n_outputs])]
    if model.schema.task == "binary":
        above = graph.add("Greater", found, graph.constant(model.threshold, model.dtype))
        index = graph.add("Squeeze", graph.cast(above, np.int64), graph.constant([1], np.int64))
    else:
        index = graph.add("ArgMax", found, axis=1, keepdims=0)
    label = label_of(graph, found, index, classes)
    name = graph.free("probabilities" if model.has_probabilities else "scores")
    if model.schema.task == "binary" and model.has_probabilities:
        other = graph.add("Sub", graph.constant(1, model.dtype), found)
        graph.add("Concat", other, found, out=name, axis=1)
        n_outputs = 2
    else:
        graph.add("Identity", found, out=name)
    label_kind = onnx.TensorProto.STRING if classes.dtype.kind == "U" else onnx.TensorProto.INT64
    return [info(label, label_kind, ["rows"]), info(name, kind, ["rows", n_outputs])]


def in_units(graph: Graph, model: Portable, found: str) -> str:
    """Add the way of quantities to the units of the data, in float64."""
    found = graph.cast(found, np.float64)
    if model.targets is None:
        return found
    found = graph.add("Div", found, graph.constant(model.targets.scale, name="scale"))
    return graph.add("Add", found, graph.constant(model.targets.offset, name="offset"))


def classes_of(schema: Schema) -> NDArray[Any] | None:
    """Return the classes, booleans by their names: no boolean could say that there is no answer."""
    classes = class_values(schema)
    return np.array(schema.classes, np.str_) if classes is not None and classes.dtype.kind == "b" else classes


def label_of(graph: Graph, found: str, index: str, classes: NDArray[Any]) -> str:
    """Add the class of each row: an empty text, or the least whole number, where there is no answer."""
    first = graph.add("Slice", found, *(graph.constant([i], np.int64) for i in (0, 1, 1)))
    is_lost = graph.add("IsNaN", graph.add("Squeeze", first, graph.constant([1], np.int64)))
    index = graph.add("Where", is_lost, graph.constant(len(classes), np.int64), index)
    none: Any = "" if classes.dtype.kind == "U" else np.iinfo(np.int64).min
    names = graph.constant(np.array([*classes.tolist(), none], classes.dtype), name="classes")
    return graph.add("Gather", names, index, out=graph.free("label"))


def run(content: bytes, x: NDArray[np.float64], *, reference: bool = False) -> list[NDArray[Any]]:
    """Return the outputs of a graph for features, shape (n, F).

    They are those of ONNX Runtime; those of the evaluator of onnx where that is missing, or `reference` asks for it.
    """
    onnx = library("onnx", "export")
    made = onnx.load_model_from_string(content)
    schema = schema_of(about_of(made)["schema"])
    cells = cells_of(schema)
    feeds = feeds_of(cells, x, schema.feature_names or ()) if cells else {"features": x}
    if not reference:
        try:
            runtime = library("onnxruntime", "export")
        except UsageError:
            pass
        else:
            session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
            return list(session.run(None, feeds))
    return list(library("onnx.reference", "export").ReferenceEvaluator(made).run(None, feeds))


def about_of(made: Any) -> dict[str, str]:
    """Return the metadata of a file."""
    return {each.key: each.value for each in made.metadata_props}


def network_outputs(about: Mapping[str, str], results: Sequence[NDArray[Any]]) -> Floats:
    """Return the outputs of the network from those of the graph."""
    has_both = about["task"] == "binary" and json.loads(about["threshold"]) == 0.5
    return np.asarray(results[-1])[:, 1:] if has_both else np.asarray(results[-1])


def answers_of_file(content: bytes, model: Portable, x: NDArray[np.float64]) -> Floats:
    """Return the outputs of the network as a reader of the file computes them, shape (n, n_outputs)."""
    made = library("onnx", "export").load_model_from_string(content)
    return network_outputs(about_of(made), run(content, x))


def objection(*models: Portable) -> str:
    """Return why networks are no file of ONNX; empty if they are."""
    if sum(model.n_parameters * model.dtype.itemsize for model in models) > _MOST_BYTES:
        return f"{sum(model.n_parameters for model in models):,} weights are more than a file of ONNX holds"
    return ""
