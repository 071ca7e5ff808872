"""A model of another program on its way to become one of this program."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.config import from_builtins
from ddp_mlp.core.network import build_network
from ddp_mlp.data.normalization import Kind, Normalization
from ddp_mlp.data.rows import Task
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, UsageError, counted
from ddp_mlp.interop.portable import Affine, Layer

#: In place of the path of the data that trained it.
_ELSEWHERE = "(elsewhere)"


@dataclass(frozen=True)
class Naming:
    """The names that a user gives to a model of another program, which may know none.

    Attributes
    ----------
    task : str or None
        By default what the last unit says: sigmoid is binary, softmax multiclass, none a regression.
    features, targets, classes : tuple of str or None
        One name for each.
    """

    task: str | None = None
    features: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Incoming:
    """The parts of a model; attributes as those of `Portable`.

    Attributes
    ----------
    loss : str
        Name of the loss, "auto" for the one that goes with the output unit.
    """

    schema: Schema
    layers: tuple[Layer, ...]
    output: str
    loss: str = "auto"
    inputs: Affine | None = None
    targets: Affine | None = None
    fill: np.ndarray[Any, np.dtype[np.float64]] | None = None


def named_schema(naming: Naming, layers: Sequence[Layer], output: str) -> tuple[Schema, str]:
    """Return the schema of a network without one, and its output unit.

    A linear output becomes softmax or sigmoid where the task says that it gives logits.

    Raises
    ------
    UsageError
        If names and task do not go with the network.
    """
    n_features, n_outputs = layers[0].n_in, layers[-1].n_out
    told = naming.task or ("multiclass" if naming.classes and n_outputs > 1 else "binary" if naming.classes else None)
    task = told or {"sigmoid": "binary", "softmax": "multiclass"}.get(output, "regression")
    if task != "regression" and output == "linear":
        output = "sigmoid" if task == "binary" else "softmax"
    known = Schema(cast("Task", task), n_features, n_outputs, naming.features, naming.targets, naming.classes)
    for reason in known.contradictions():
        raise UsageError(
            f"the network goes from {counted(n_features, 'feature')} to {counted(n_outputs, 'output')}: {reason}"
        )
    return known, output


def model_of(incoming: Incoming) -> Model:
    """Return a model of this program.

    Raises
    ------
    UsageError
        If this program has no such network.
    DataError
        If weights do not fit each other, or are not finite.
    """
    layers, schema = incoming.layers, incoming.schema
    _check(layers, schema)
    dtype = max((layer.weight.dtype for layer in layers), key=lambda each: each.itemsize).name
    loss = incoming.loss if incoming.loss != "auto" else _loss_of(incoming.output, schema.task)
    raw = {
        "data": {"train": _ELSEWHERE},
        "model": {**_model_keys(layers), "output": incoming.output},
        "loss": {"name": loss},
        "train": {"dtype": dtype},
    }
    config = from_builtins(raw, "the network")
    network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    parameters = np.zeros(network.layout.n_parameters, dtype)
    for k, layer in enumerate(layers):
        network.layout.weight(k).view(parameters)[...] = layer.weight
        network.layout.bias(k).view(parameters)[...] = layer.bias
    features = _normalization(incoming.inputs, schema.n_features, incoming.fill)
    targets = None if incoming.targets is None else _normalization(incoming.targets, schema.n_outputs)
    return Model(config, schema, network, features, parameters, 0, 0, targets)


def _check(layers: Sequence[Layer], schema: Schema) -> None:
    for layer in layers:
        entry = ACTIVATIONS.get(layer.activation)
        if layer.pieces < 1 or (entry is not None and entry.has_pieces != (layer.pieces > 1)):
            raise DataError(f"a layer of {layer.activation} in {layer.pieces} pieces")
        if layer.bias.shape != (layer.weight.shape[1],) or layer.weight.shape[1] % layer.pieces:
            raise DataError(f"a layer of weight {layer.weight.shape} has a bias {layer.bias.shape}")
        if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise DataError("weights that are not finite numbers; such a network answers nothing")
    for before, after in itertools.pairwise(layers):
        if before.n_out != after.n_in:
            raise DataError(f"a layer of {before.n_out} outputs before one of {after.n_in} inputs")
    ends = layers[0].n_in, layers[-1].n_out
    said = schema.n_features, schema.n_outputs
    if ends != said:
        raise DataError(f"a network from {ends[0]} to {ends[1]} values where {said[0]} to {said[1]} are said")


def _loss_of(output: str, task: str) -> str:
    """Return the first loss of an output unit and a task."""
    for name, loss in LOSSES.items():
        if loss.output == output and task in loss.tasks:
            return name
    units = dict.fromkeys(loss.output for loss in LOSSES.values() if task in loss.tasks)
    raise UsageError(f"an output unit {output} of a {task} task; this program has {', '.join(units)} for it")


def _model_keys(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the keys of ``[model]`` that make such layers."""
    hidden = layers[:-1]
    found: dict[str, Any] = {
        "hidden": [layer.n_out for layer in hidden],
        "activation": [layer.activation for layer in hidden],
    }
    for layer in hidden:
        entry = ACTIVATIONS.get(layer.activation)
        if entry is None:
            raise UsageError(f"an activation {layer.activation!r:.80}; this program has {', '.join(ACTIVATIONS)}")
        value = layer.pieces if entry.has_pieces else layer.parameter
        for key in entry.keys:
            if found.setdefault(key, value) != value:
                values = f"{found[key]:g} and {value:g}"
                raise UsageError(f"layers of {layer.activation} with {key} = {values}; one for all is needed")
    return found


def _normalization(affine: Affine | None, n_columns: int, fill: Any = None) -> Normalization:
    """Return a normalisation; statistics of unknown rows are "standard", whatever they were."""
    kind: Kind = "none" if affine is None else "standard"
    offset = np.zeros(n_columns) if affine is None else affine.offset
    scale = np.ones(n_columns) if affine is None else affine.scale
    fitted = Normalization(kind, offset, scale, fill=fill)
    numbers = [offset, scale, *([] if fill is None else [fill])]
    if any(each.shape != (n_columns,) or not np.isfinite(each).all() for each in numbers) or not (scale > 0).all():
        raise DataError(f"preprocessing that is not one of {n_columns} columns with positive, finite scales")
    return fitted


def texts_of(values: Iterable[Any] | None) -> tuple[str, ...] | None:
    """Return names as texts; whole numbers without a decimal point."""
    if values is None:
        return None
    return tuple(map(_text, values))


def _text(value: Any) -> str:
    is_whole = isinstance(value, np.floating | float) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
