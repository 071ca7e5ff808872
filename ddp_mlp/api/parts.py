"""A model as plain texts, numbers and one array, for the pickles that users make."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec

from ddp_mlp.checkpoint.model import Model, normalization_from_json, normalization_to_json
from ddp_mlp.config import from_builtins
from ddp_mlp.core.network import Network, build_network
from ddp_mlp.data.schema import schema_from_builtins, schema_to_json
from ddp_mlp.errors import UsageError


def as_parts(model: Model) -> dict[str, Any]:
    """Return a model as texts, numbers and one array."""
    targets = model.target_normalization
    return {
        "config": json.dumps(msgspec.to_builtins(model.config)),
        "schema": schema_to_json(model.schema),
        "normalization": normalization_to_json(model.normalization),
        "target_normalization": None if targets is None else normalization_to_json(targets),
        "loss": model.network.loss,
        "output": model.network.output,
        "parameters": model.parameters,
        "epoch": model.epoch,
        "step": model.step,
        "fingerprint": model.fingerprint,
    }


def from_parts(parts: dict[str, Any]) -> Model:
    """Return the model of `as_parts`."""
    config = from_builtins(json.loads(parts["config"]), "the model")
    schema = schema_from_builtins(json.loads(parts["schema"]))
    targets = parts["target_normalization"]
    network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    return Model(
        config, schema, replace(network, loss=parts["loss"], output=parts["output"]),
        normalization_from_json(parts["normalization"]), parts["parameters"], parts["epoch"], parts["step"],
        None if targets is None else normalization_from_json(targets), parts["fingerprint"],
    )  # fmt: skip


def own_network(model: Model) -> Network:
    """Return the network that the configuration and schema of a model mean."""
    schema = model.schema
    return build_network(model.config.model, model.config.loss, schema.task, schema.n_features, schema.n_outputs)


def require_own_network(model: Model, advice: str) -> None:
    """Raise UsageError for a network of several labels, which no configuration means."""
    if model.network.output != own_network(model).output:
        raise UsageError(f"this model answers several labels, each there or not: {advice}")
