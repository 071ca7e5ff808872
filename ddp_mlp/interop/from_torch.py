"""A `torch.nn.Sequential` as layers; PyTorch itself is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.errors import UsageError
from ddp_mlp.interop.portable import Layer

#: Where softplus may go over to a line: there both are the same number in float32.
_LEAST_THRESHOLD = 20
#: Modules that do nothing where a network answers.
_IDLE = {"Identity", "Dropout", "AlphaDropout", "FeatureAlphaDropout", "Flatten"}


def _plain(name: str) -> Callable[[Any], tuple[str, float]]:
    return lambda _: (name, 0.0)


def _softplus(module: Any) -> tuple[str, float]:
    if module.beta != 1:
        raise UsageError(f"Softplus with beta = {module.beta:g}; 1 is needed")
    if module.threshold < _LEAST_THRESHOLD:
        raise UsageError(f"Softplus with threshold = {module.threshold:g}; {_LEAST_THRESHOLD} or more is needed")
    return "softplus", 0.0


def _softmax(module: Any) -> tuple[str, float]:
    if module.dim not in {None, 1, -1}:
        raise UsageError(f"Softmax over dim = {module.dim}; 1 is needed")
    return "softmax", 0.0


def _require_rows_kept(module: Any) -> None:
    """Raise UsageError for a Flatten that would make other rows of what it is given."""
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UsageError(f"Flatten of dimensions {module.start_dim} to {module.end_dim}; those from 1 on are needed")


def _require_no_hooks(module: Any) -> None:
    """Raise UsageError for a module that calls other functions beside its own."""
    if getattr(module, "_forward_hooks", None) or getattr(module, "_forward_pre_hooks", None):
        raise UsageError(f"a {type(module).__name__} with hooks, of which only PyTorch knows what they do; remove them")


#: Of each module its unit here, and the parameter of that.
_UNITS: dict[str, Callable[[Any], tuple[str, float]]] = {
    "ReLU": _plain("relu"),
    "Tanh": _plain("tanh"),
    "Sigmoid": _plain("sigmoid"),
    "LeakyReLU": lambda module: ("leaky_relu", float(module.negative_slope)),
    "ELU": lambda module: ("elu", float(module.alpha)),
    "Softplus": _softplus,
    "Softmax": _softmax,
}
_DTYPES = ("torch.float64", "torch.float32", "torch.float16", "torch.bfloat16")
#: Those that may follow the last layer.
_OUTPUTS = ("sigmoid", "softmax")


def layers_of_sequential(network: Any) -> tuple[tuple[Layer, ...], str]:
    """Return the layers of a `Sequential`, also one of several, and its output unit.

    Raises
    ------
    UsageError
        If it holds what this program has not.
    """
    layers: list[Layer] = []
    output = "linear"
    for module in _flat(network):
        kind = type(module).__name__
        if kind == "Linear":
            if output != "linear":
                raise UsageError(f"a Linear after {output}, which only the last layer may have")
            layers.append(_layer(module))
        elif kind == "Flatten":
            _require_rows_kept(module)
        elif kind not in _IDLE:
            if not layers or output != "linear" or layers[-1].activation != "identity":
                raise UsageError(f"{kind} where a Linear is needed; a chain of Linear and activations becomes a model")
            layers, output = _with_unit(layers, module, kind)
    if not layers:
        raise UsageError("no Linear in this network; a chain of Linear and activations becomes a model")
    return _ended(layers, output)


def _flat(network: Any) -> Iterator[Any]:
    """Yield the modules of a network in order."""
    _require_no_hooks(network)
    if not hasattr(network, "__iter__"):
        raise UsageError(f"a {type(network).__name__}, not a torch.nn.Sequential; name the one in it")
    for module in network:
        _require_no_hooks(module)
        if type(module).__name__ == "Sequential":
            yield from _flat(module)
        else:
            yield module


def _layer(module: Any) -> Layer:
    weight = _array(module.weight)
    bias = np.zeros(len(weight), weight.dtype) if module.bias is None else _array(module.bias)
    return Layer(np.ascontiguousarray(weight.T), bias)


def _array(tensor: Any) -> NDArray[Any]:
    """Return a copy of a tensor, of float32 at least."""
    if getattr(tensor, "is_meta", False):
        raise UsageError("weights without values (of the device meta); load them first")
    found, dtype = tensor.detach().cpu(), str(tensor.dtype)
    if dtype not in _DTYPES:
        raise UsageError(f"weights of {dtype}; known are {', '.join(_DTYPES)}")
    if dtype not in {"torch.float32", "torch.float64"}:
        found = found.float()
    return np.array(found.numpy())


def _with_unit(layers: list[Layer], module: Any, kind: str) -> tuple[list[Layer], str]:
    """Return layers of which the last has an activation; softmax is an output unit."""
    if kind not in _UNITS:
        known = ", ".join(("Linear", *_UNITS, *sorted(_IDLE)))
        raise UsageError(f"a module {kind}, which this program has not; known are {known}")
    name, parameter = _UNITS[kind](module)
    if name == "softmax":
        return layers, name
    return [*layers[:-1], replace(layers[-1], activation=name, parameter=parameter)], "linear"


def _ended(layers: list[Layer], output: str) -> tuple[tuple[Layer, ...], str]:
    """Return layers of which the last is linear, and the output unit, which may have stood as its activation."""
    last = layers[-1].activation
    if last == "identity":
        return tuple(layers), output
    if last not in _OUTPUTS:
        raise UsageError(f"the network ends in {last}; the last layer is to be linear, or end in Sigmoid or Softmax")
    return (*layers[:-1], replace(layers[-1], activation="identity")), last
