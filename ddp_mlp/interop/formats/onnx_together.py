"""Several networks in one graph of ONNX: their mean, and how far they are from each other.

All is added in float64 in the order of the members, as in `ddp_mlp.core.ensembles.spread`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.ensembles.spread import DEVIATION, DISAGREEMENT, ENTROPY, Combined
from ddp_mlp.interop.format import Format, Together, library
from ddp_mlp.interop.formats import onnx as single
from ddp_mlp.interop.formats.onnx_graph import Graph
from ddp_mlp.interop.portable import Portable

#: Texts that say something of one network alone.
_OF_ONE = ("activations", "activation_parameters", "pieces", "normalization", "target_normalization", "fill")


def image(models: Sequence[Portable]) -> bytes:
    """Return the bytes of a file: outputs ``mean`` and ``std``; or ``label``, ``probabilities`` and their spread."""
    graph, inputs, features, stranger = single.begin(models[0].schema)
    found = [single.network(graph, model, features, stranger) for model in models]
    classes = single.classes_of(models[0].schema)
    if classes is None:
        pairs = zip(models, found, strict=True)
        outputs = _quantities(graph, [single.in_units(graph, model, each) for model, each in pairs], models[0])
    else:
        cast = [graph.cast(each, np.float64) for each in found]
        outputs = _classes(graph, cast, classes, is_binary=models[0].schema.task == "binary")
    about = {name: text for name, text in models[0].about().items() if name not in _OF_ONE}
    return single.finished(graph, inputs, outputs, about | {"members": str(len(models))})


def _mean(graph: Graph, values: Sequence[str]) -> str:
    return graph.add("Div", _sum(graph, values), graph.constant(len(values), np.float64))


def _sum(graph: Graph, values: Sequence[str]) -> str:
    total = values[0]
    for each in values[1:]:
        total = graph.add("Add", total, each)
    return total


def _quantities(graph: Graph, answers: Sequence[str], model: Portable) -> list[Any]:
    mean = graph.add("Identity", _mean(graph, answers), out=graph.free("mean"))
    away = [graph.add("Sub", each, answers[0]) for each in answers]
    middle = _mean(graph, away)
    squares = [graph.add("Mul", one, one) for one in (graph.add("Sub", each, middle) for each in away)]
    variance = graph.add("Div", _sum(graph, squares), graph.constant(len(answers) - 1, np.float64))
    deviation = graph.add("Sqrt", variance, out=graph.free(DEVIATION))
    return [_info(name, model.schema.n_outputs) for name in (mean, deviation)]


def _info(name: str, width: int) -> Any:
    onnx = library("onnx", "export")
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["rows", width])


def _classes(graph: Graph, answers: Sequence[str], classes: NDArray[Any], *, is_binary: bool) -> list[Any]:
    onnx = library("onnx", "export")
    mean = _mean(graph, answers)
    index = _index(graph, mean, is_binary=is_binary)
    label = single.label_of(graph, mean, index, classes)
    both = mean
    if is_binary:
        both = graph.add("Concat", graph.add("Sub", graph.constant(1, np.float64), mean), mean, axis=1)
    both = graph.add("Identity", both, out=graph.free("probabilities"))
    others = [
        graph.cast(graph.add("Not", graph.add("Equal", _index(graph, each, is_binary=is_binary), index)), np.float64)
        for each in answers
    ]
    disagreement = _as_column(graph, _mean(graph, others), both)
    kind = onnx.TensorProto.STRING if classes.dtype.kind == "U" else onnx.TensorProto.INT64
    return [
        onnx.helper.make_tensor_value_info(label, kind, ["rows"]), _info(both, len(classes)),
        _info(_entropy(graph, both), 1), _info(disagreement, 1),
    ]  # fmt: skip


def _index(graph: Graph, answers: str, *, is_binary: bool) -> str:
    """Add the number of the class of each row."""
    if not is_binary:
        return graph.add("ArgMax", answers, axis=1, keepdims=0)
    above = graph.add("Greater", answers, graph.constant(0.5, np.float64))
    return graph.add("Squeeze", graph.cast(above, np.int64), graph.constant([1], np.int64))


def _entropy(graph: Graph, probabilities: str) -> str:
    least = graph.constant(np.finfo(np.float64).tiny, np.float64)
    # Runtimes may take the larger of NaN and a number to be that, so the product keeps the NaN.
    terms = graph.add("Mul", probabilities, graph.add("Log", graph.add("Max", probabilities, least)))
    total = graph.add("ReduceSum", terms, graph.constant([1], np.int64), keepdims=1)
    return graph.add("Abs", total, out=graph.free(ENTROPY))


def _as_column(graph: Graph, values: str, probabilities: str) -> str:
    """Add values (rows,) as a column; rows without an answer are NaN."""
    zero, axis = graph.constant(0, np.float64), graph.constant([1], np.int64)
    nothing = graph.add("ReduceSum", graph.add("Mul", probabilities, zero), axis, keepdims=1)
    return graph.add("Add", graph.add("Unsqueeze", values, axis), nothing, out=graph.free(DISAGREEMENT))


def _answers_of_file(content: bytes, x: NDArray[np.float64]) -> Combined:
    found = single.run(content, x)
    if len(found) == 2:
        return Combined(found[0], {DEVIATION: found[1]})
    about = single.about_of(library("onnx", "export").load_model_from_string(content))
    outputs = found[1][:, 1:] if about["task"] == "binary" else found[1]
    return Combined(outputs, {ENTROPY: found[2], DISAGREEMENT: found[3]})


def _objection(models: Sequence[Portable]) -> str:
    return single.objection(*models)


FORMAT = Format(
    "onnx", ".onnx", single.image, single.answers_of_file, single.objection,
    together=Together(image, _answers_of_file, _objection),
)  # fmt: skip
