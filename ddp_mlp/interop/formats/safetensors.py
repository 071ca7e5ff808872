"""Safetensors: weights for a `torch.nn.Sequential`, which takes features and answers in units of the data.

Normalisations are folded into the first and the last layer. Missing values cannot be: there the file says with what to
fill them, and features that are not filled give NaN.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.layout import Floats
from ddp_mlp.errors import DataError
from ddp_mlp.interop.folding import folded
from ddp_mlp.interop.format import Format, library
from ddp_mlp.interop.forward import normalized, outputs
from ddp_mlp.interop.portable import Portable
from ddp_mlp.interop.stored import layers_of

#: ``0.weight``: as `Sequential.state_dict` names it.
_KEY = re.compile(r"(?:.*\.)?(\d+)\.(weight|bias)")


def modules(model: Portable) -> list[str]:
    """Return the module at each place of the `Sequential`: "linear", or the name of an activation or output unit."""
    places: list[str] = []
    for layer in model.layers:
        places += ["linear"] + ([] if layer.activation == "identity" else [layer.activation])
    return places + ([] if model.output == "linear" else [model.output])


def image(model: Portable, stem: str) -> bytes:
    """Return the bytes of a safetensors file."""
    save = library("safetensors.numpy", "export").save
    model = folded(model)
    places, layers = modules(model), iter(model.layers)
    tensors: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(places):
        if name == "linear":
            layer = next(layers)
            tensors |= {f"{place}.weight": np.ascontiguousarray(layer.weight.T), f"{place}.bias": layer.bias}
    return bytes(save(tensors, model.about() | {"modules": json.dumps(places)}))


def state_of(content: bytes) -> tuple[list[tuple[NDArray[Any], NDArray[Any]]], dict[str, str]]:
    """Return the pairs of weight (n_in, n_out) and bias of a state dict, in order, and the texts beside them.

    Raises
    ------
    DataError
        If it is no safetensors file, or not that of a chain of linear layers.
    """
    load = library("safetensors.numpy", "export").load
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except Exception as error:  # the library's own error is an `Exception`
        raise DataError(f"no safetensors file that can be read ({str(error)[:100]})") from None
    return pairs_of(tensors), about


def pairs_of(tensors: dict[str, NDArray[Any]]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return the pairs of weight (n_in, n_out) and bias of a state dict in the order of their places.

    Raises
    ------
    DataError
        If it is not that of a chain of linear layers.
    """
    found: dict[int, dict[str, NDArray[Any]]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None or match[2] in found.get(int(match[1]), {}):
            raise DataError(f"tensor {key!r:.80} is no weight or bias of a linear layer of a Sequential")
        if tensor.ndim != (2 if match[2] == "weight" else 1) or tensor.dtype.name not in {"float32", "float64"}:
            raise DataError(f"tensor {key!r:.80} has shape {tensor.shape} and dtype {tensor.dtype}; a linear layer has"
                            " a weight (n_out, n_in) and a bias (n_out,) of float32 or float64")  # fmt: skip
        found.setdefault(int(match[1]), {})[match[2]] = tensor
    pairs = []
    for place in sorted(found):
        if (weight := found[place].get("weight")) is None:
            raise DataError(f"there is a bias at place {place}, but no weight")
        pairs.append((np.ascontiguousarray(weight.T), found[place].get("bias", np.zeros(len(weight), weight.dtype))))
    if not pairs:
        raise DataError("no linear layers")
    return pairs


def _answers(content: bytes, model: Portable, x: NDArray[np.float64]) -> Floats:
    pairs, about = state_of(content)
    fill = json.loads(about["fill"])
    x = normalized(x, None, None if fill is None else np.array(fill))
    return outputs(layers_of(about, pairs), about["output"], x)


def _remark(model: Portable) -> str:
    lines = []
    if model.fill is not None:
        lines.append("missing values are yours to fill, by 'fill' of the metadata, before the network")
    if folded(model).dtype != model.dtype:
        lines.append("weights are float64, since the offsets of the data would cost float32 its digits: use .double()")
    return "; ".join(lines)


FORMAT = Format("safetensors", ".safetensors", image, _answers, remark=_remark)
