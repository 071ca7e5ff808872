"""The answers of layers in NumPy, to which those of every file are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.layout import Floats
from ddp_mlp.interop.portable import Affine, Layer, Portable


def _sigmoid(a: Floats, _: float = 0.0) -> Floats:
    e = np.exp(-np.abs(a))
    return np.asarray(np.where(a >= 0, 1, e) / (1 + e))


def _softmax(a: Floats) -> Floats:
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _step(a: Floats, _: float = 0.0) -> Floats:
    return np.where(a > 0, np.ones_like(a), np.where(a <= 0, np.zeros_like(a), a))


#: By name: ``value(a, p)``.
ACTIVATIONS: dict[str, Callable[[Floats, Any], Floats]] = {
    "identity": lambda a, p: a,
    "sigmoid": _sigmoid,
    "tanh": lambda a, p: np.tanh(a),
    "relu": lambda a, p: np.maximum(a, 0),
    "arctan": lambda a, p: np.arctan(a),
    "leaky_relu": lambda a, p: np.where(a < 0, p * a, a),
    "elu": lambda a, p: np.where(a > 0, a, p * np.expm1(np.minimum(a, 0))),
    "softplus": lambda a, p: np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))),
    "maxout": lambda a, p: a,
    "step": _step,
}
OUTPUTS: dict[str, Callable[[Floats], Floats]] = {
    "linear": lambda a: a,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "step": _step,
}


def outputs(layers: Sequence[Layer], output: str, x: Floats) -> Floats:
    """Return the outputs of layers, shape (n, n_outputs), for inputs of shape (n, F), in the dtype of the weights."""
    h = np.asarray(x, layers[0].weight.dtype)
    for layer in layers:
        a = h @ layer.weight + layer.bias
        a = a.reshape(len(a), layer.pieces, layer.n_out).max(axis=1) if layer.pieces > 1 else a
        h = np.asarray(ACTIVATIONS[layer.activation](a, a.dtype.type(layer.parameter)), a.dtype)
    return OUTPUTS[output](h)


def normalized(x: NDArray[Any], inputs: Affine | None, fill: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return features, shape (n, F), filled and normalised, in float64."""
    x = np.asarray(x, np.float64)
    x = x if fill is None else np.where(np.isnan(x), fill, x)
    return x if inputs is None else (x - inputs.offset) * inputs.scale


def in_units(found: Floats, targets: Affine | None) -> Floats:
    """Return answers in the units of the data."""
    return found if targets is None else found / targets.scale + targets.offset


def answers(model: Portable, x: NDArray[Any]) -> Floats:
    """Return the answers for features as they are in the data, shape (n, F)."""
    return in_units(outputs(model.layers, model.output, normalized(x, model.inputs, model.fill)), model.targets)
