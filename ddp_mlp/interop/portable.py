"""A model as other programs need it: a list of layers between two affine maps, with names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network
from ddp_mlp.data.schema import Schema, schema_to_json

#: Version of `Portable.about`.
ABOUT_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: ``activation(h @ weight + bias)``.

    Attributes
    ----------
    weight : ndarray, shape (n_in, width)
    bias : ndarray, shape (width,)
    activation : str
        One of `ddp_mlp.catalog.activations`; "identity" after the last layer.
    parameter : float
        Its slope or alpha, 0 where it has none.
    pieces : int
        Of a maxout unit; the width is as many times that of the output.
    """

    weight: Floats
    bias: Floats
    activation: str = "identity"
    parameter: float = 0.0
    pieces: int = 1

    @property
    def n_in(self) -> int:
        """Values that go in."""
        return int(self.weight.shape[0])

    @property
    def n_out(self) -> int:
        """Values that come out."""
        return int(self.weight.shape[1]) // self.pieces


@dataclass(frozen=True, eq=False)
class Affine:
    """``(x - offset) * scale`` of each column, both ndarray of float64, shape (F,)."""

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Portable:
    """A model without anything of this program.

    Attributes
    ----------
    schema : Schema
    layers : tuple of Layer
    output : str
        The unit after the last layer, one of `ddp_mlp.catalog.outputs`.
    loss : str
        Name of the loss that it was trained on.
    threshold : float
        A single output above it is class 1.
    inputs, targets : Affine or None
        How features and targets are normalised; None leaves them as they are.
    fill : ndarray of float64, shape (F,), or None
        Takes the place of missing values.
    low, high : ndarray of float64, shape (F,)
        Range of each feature in training, as far as it is known.
    """

    schema: Schema
    layers: tuple[Layer, ...]
    output: str
    loss: str
    threshold: float
    inputs: Affine | None
    targets: Affine | None
    fill: NDArray[np.float64] | None
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of weights, and of the arithmetic."""
        return self.layers[0].weight.dtype

    @property
    def n_parameters(self) -> int:
        """Numbers of all layers; weights that layers share count for each."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers)

    @property
    def has_probabilities(self) -> bool:
        """Whether outputs are the probabilities of classes."""
        return self.schema.task != "regression" and self.threshold == 0.5

    def about(self) -> dict[str, str]:
        """Return everything beside the weights as texts for metadata: words, and JSON for the rest."""
        schema = self.schema
        told: dict[str, Any] = {
            "features": schema.feature_names or [f"feature{i}" for i in range(schema.n_features)],
            "units": units(schema),
            "targets": None if schema.classes else schema.targets,
            "target_units": schema.target_units,
            "classes": schema.classes,
            "activations": [layer.activation for layer in self.layers],
            "activation_parameters": [layer.parameter for layer in self.layers],
            "pieces": [layer.pieces for layer in self.layers],
            "threshold": self.threshold,
            "normalization": _numbers(self.inputs),
            "target_normalization": _numbers(self.targets),
            "fill": None if self.fill is None else self.fill.tolist(),
        }
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in told.items()}
        words = {"format": "ddp-mlp-export", "format_version": str(ABOUT_FORMAT), "task": schema.task}
        words |= {"output": self.output, "loss": self.loss, "dtype": self.dtype.name, "schema": schema_to_json(schema)}
        return words | texts


def units(schema: Schema) -> dict[str, str]:
    """Return the unit of each feature that has one."""
    return {name: column.unit for column in schema.columns if column.unit for name in column.features}


def _numbers(affine: Affine | None) -> dict[str, list[float]] | None:
    return None if affine is None else {"offset": affine.offset.tolist(), "scale": affine.scale.tolist()}


def portable(model: Model) -> Portable:
    """Return a model as other programs need it; weights are copies."""
    network, fitted, targets = model.network, model.normalization, model.target_normalization
    plain = np.full(model.schema.n_features, np.nan)
    return Portable(
        model.schema,
        tuple(_layer(network, model.parameters, k) for k in range(network.layout.n_layers)),
        network.output,
        network.loss,
        network.output_threshold,
        None if fitted.kind == "none" else Affine(fitted.offset, fitted.scale),
        None if targets is None else Affine(targets.offset, targets.scale),
        fitted.fill,
        plain if fitted.low is None else fitted.low,
        plain if fitted.high is None else fitted.high,
    )


def _layer(network: Network, parameters: Floats, k: int) -> Layer:
    layout = network.layout
    weight = layout.weight(k).view(parameters)
    weight = weight.T if layout.owner(k) != k else weight
    return Layer(
        np.array(weight, order="C"),
        layout.bias(k).view(parameters).copy(),
        network.activations[k],
        network.activation_params[k] if network.activation_params else 0.0,
        layout.pieces[k] if layout.pieces else 1,
    )


def schema_of(text: str) -> Schema:
    """Return the schema that `Portable.about` tells.

    Raises
    ------
    msgspec.MsgspecError
        If it is none.
    """
    return msgspec.json.decode(text, type=Schema)
