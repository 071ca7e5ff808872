"""Activations and output units as nodes of ONNX.

Nodes are those that ONNX Runtime computes in float32 and in float64, so not `Elu`, `Softplus` and, for float64, `Atan`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ddp_mlp.interop.formats.onnx_graph import Graph

#: ``unit(graph, a, p, dtype)`` returns the name of the unit's value.
Unit = Callable[[Graph, str, float, Any], str]


def _identity(graph: Graph, a: str, p: float, dtype: Any) -> str:
    return a


def _of(operator: str) -> Unit:
    return lambda graph, a, p, dtype: graph.add(operator, a)


def _softmax(graph: Graph, a: str, p: float, dtype: Any) -> str:
    return graph.add("Softmax", a, axis=1)


def _step(graph: Graph, a: str, p: float, dtype: Any) -> str:
    return graph.cast(graph.add("Greater", a, graph.constant(0, dtype)), dtype)


def _leaky_relu(graph: Graph, a: str, p: float, dtype: Any) -> str:
    below = graph.add("Less", a, graph.constant(0, dtype))
    return graph.add("Where", below, graph.add("Mul", a, graph.constant(p, dtype)), a)


def _elu(graph: Graph, a: str, p: float, dtype: Any) -> str:
    zero = graph.constant(0, dtype)
    below = graph.add("Sub", graph.add("Exp", graph.add("Min", a, zero)), graph.constant(1, dtype))
    return graph.add("Where", graph.add("Greater", a, zero), a, graph.add("Mul", below, graph.constant(p, dtype)))


def _softplus(graph: Graph, a: str, p: float, dtype: Any) -> str:
    """``max(a, 0) + log(1 + exp(-|a|))``."""
    e = graph.add("Exp", graph.add("Neg", graph.add("Abs", a)))
    tail = graph.add("Log", graph.add("Add", e, graph.constant(1, dtype)))
    return graph.add("Add", graph.add("Max", a, graph.constant(0, dtype)), tail)


def _arctan(graph: Graph, a: str, p: float, dtype: Any) -> str:
    """Add the arcus tangent; in float64 that of float32, made exact by one step.

    With ``y`` good to 1e-7, ``arctan(a) - y = arctan(d) = d - O(d^3)``, ``d = (a cos y - sin y) / (cos y + a sin y)``.
    """
    if np.dtype(dtype) == np.float32:
        return graph.add("Atan", a)
    y = graph.cast(graph.add("Atan", graph.cast(a, np.float32)), np.float64)
    sine, cosine = graph.add("Sin", y), graph.add("Cos", y)
    above = graph.add("Sub", graph.add("Mul", a, cosine), sine)
    below = graph.add("Add", cosine, graph.add("Mul", a, sine))
    return graph.add("Add", y, graph.add("Div", above, below))


ACTIVATIONS: dict[str, Unit] = {
    "identity": _identity,
    "sigmoid": _of("Sigmoid"),
    "tanh": _of("Tanh"),
    "relu": _of("Relu"),
    "arctan": _arctan,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softplus": _softplus,
    "maxout": _identity,
    "step": _step,
}
OUTPUTS: dict[str, Unit] = {
    "linear": _identity,
    "sigmoid": _of("Sigmoid"),
    "softmax": _softmax,
    "step": _step,
}
