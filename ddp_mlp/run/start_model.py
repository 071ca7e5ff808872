"""The model that a run starts from, in place of first weights: ``[model] start``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.checkpoint.checkpoint import Checkpoint
from ddp_mlp.checkpoint.model import Model, load_model
from ddp_mlp.comm import Communicator, agreed, require_same
from ddp_mlp.config import Config
from ddp_mlp.config.toml_text import inline
from ddp_mlp.core.layout import digest
from ddp_mlp.core.network import Network, build_network
from ddp_mlp.data.schema import schema_to_json
from ddp_mlp.errors import CheckpointError, DdpMlpError, MissingInputError, UsageError, literal


def choose_start(
    comm: Communicator, config: Config, checkpoint: Checkpoint | None, given: Model | None, tell: Callable[[str], None]
) -> tuple[Config, Model | None]:
    """Collective. Return the configuration with the hash of its start model, and that model where a run begins with it.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Of a run that goes on, which needs its start model no more.
    given : Model or None
        The model itself, where it is in memory.
    tell : callable
        Called with a line for the user.

    Raises
    ------
    MissingInputError, DataError
        If there is no such model.
    UsageError
        If the configuration has another network or other preprocessing.
    CheckpointError
        If a run goes on whose start model has changed.
    """
    if config.model.start is None:
        return config, None
    with agreed(comm):
        if checkpoint:
            _check_same_start(config, given)
            return config, None
        start = start_model(config, given)
        found = start_sha256(start)
    require_same(comm, {"the model of [model] start": found[:12]}, "let all ranks have the same model")
    tell(f"starting from the weights and the preprocessing of {config.model.start}")
    return replace(config, model=replace(config.model, start_sha256=found)), start


def start_sha256(model: Model) -> str:
    """Return the hash of all that training takes from a model: schema, preprocessing and weights, to the bit."""
    fitted, targets = model.normalization, model.target_normalization
    arrays = [fitted.offset, fitted.scale, fitted.fill, *((targets.offset, targets.scale) if targets else ())]
    told = [schema_to_json(model.schema), fitted.kind, *(None if a is None else a.tolist() for a in arrays)]
    return hashlib.sha256(json.dumps([*told, digest(model.parameters)]).encode()).hexdigest()


def start_model(config: Config, given: Model | None) -> Model:
    """Return the model that ``[model] start`` names, checked against the rest of a configuration.

    Parameters
    ----------
    given : Model or None
        The model itself, where it is in memory.

    Raises
    ------
    MissingInputError, DataError
        If there is no such model.
    UsageError
        If the configuration has another network or other preprocessing.
    """
    where = config.model.start or ""
    model = given if given is not None else _load(where)
    found, wanted = start_sha256(model), config.model.start_sha256
    if wanted not in {None, found}:
        raise UsageError(
            f"{where}: not the model that this configuration started from (start_sha256 is {found[:12]}..., not "
            f"{str(wanted)[:12]}...); restore it, or take out start_sha256"
        )
    if differing := [*_other_network(config, model), *_other_preprocessing(config, model)]:
        raise UsageError(f"[model] start = {literal(where)}: {'; '.join(differing)}")
    return model


def _load(where: str) -> Model:
    try:
        return load_model(Path(where))
    except DdpMlpError as error:
        raise type(error)(f"[model] start: {error}") from None


def _check_same_start(config: Config, given: Model | None) -> None:
    """Raise CheckpointError if the model that a run started from has changed since; it need not be there any more."""
    try:
        model = given if given is not None else _load(config.model.start or "")
    except MissingInputError:
        return
    if (found := start_sha256(model)) != config.model.start_sha256:
        raise CheckpointError(
            f"[model] start = {literal(config.model.start or '')} is not the model that this run started from "
            f"(its hash is {found[:12]}..., not {(config.model.start_sha256 or '')[:12]}...); restore it, or start "
            "another run directory with --out"
        )


def _other_network(config: Config, model: Model) -> Iterator[str]:
    """Yield how the configured network differs from that of the model."""
    schema, own = model.schema, model.network
    wanted = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    if _shape(wanted) != _shape(own):
        sizes = " -> ".join(map(str, own.layout.sizes))
        yield f"its network is {sizes}, another one than configured; set [model] {_keys_of(model)}"
    elif wanted.output != own.output:
        yield f"its output unit is {own.output}, not {wanted.output}; set [loss] name = {own.loss!r}"


def _shape(network: Network) -> tuple[object, ...]:
    return network.layout, network.activations, network.activation_params


def _keys_of(model: Model) -> str:
    """Return the keys of ``[model]`` that make its network, as they are written."""
    own = model.config.model
    names = ["hidden", "activation", *(["tied"] if own.tied else [])]
    names += [key for activation in model.network.activations for key in ACTIVATIONS[activation].keys]
    return ", ".join(f"{name} = {inline(getattr(own, name))}" for name in dict.fromkeys(names))


def _other_preprocessing(config: Config, model: Model) -> Iterator[str]:
    """Yield the keys that ask for other preprocessing than that which the weights are for."""
    data, kind = config.data, model.normalization.kind
    targets = "none" if model.target_normalization is None else "standard"
    if data.normalize not in {"auto", kind}:
        yield f"its features are normalised by {kind!r}, so [data] normalize = {data.normalize!r} is not for it"
    if not data.autoencode and data.normalize_targets not in {"auto", targets}:
        yield f"its targets are normalised by {targets!r}, not as [data] normalize_targets says"
