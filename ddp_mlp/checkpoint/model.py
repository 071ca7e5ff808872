"""The model file: everything needed to predict, and nothing that only training needs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.checkpoint.sealed_hdf5 import make_image
from ddp_mlp.checkpoint.untrusted import Stored, reading
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.config.defaults import EARLIER_DEFAULTS
from ddp_mlp.core.layout import Floats, digest
from ddp_mlp.core.network import Network, build_network
from ddp_mlp.data.normalization import KINDS, Normalization
from ddp_mlp.data.schema import Schema, schema_from_builtins, schema_to_json
from ddp_mlp.errors import DataError, MissingInputError, UsageError
from ddp_mlp.plain_files import is_directory

MODEL_FORMAT = 1
#: Arrays of a normalisation: those that every model has, and those that newer ones have.
_AFFINE, _FITTED = ("offset", "scale"), ("low", "high", "fill")
#: Format 1 holds the whole history of the run.
CHECKPOINT_FORMAT = 2


def normalization_to_json(fitted: Normalization) -> str:
    """Return a normalisation as JSON; numbers keep all their bits."""
    given = {name: getattr(fitted, name) for name in (*_AFFINE, *_FITTED)}
    arrays = {name: None if values is None else values.tolist() for name, values in given.items()}
    return json.dumps({"kind": fitted.kind, "constant": list(fitted.constant), **arrays})


def normalization_from_json(text: str) -> Normalization:
    """Rebuild a normalisation from `normalization_to_json`."""
    raw = json.loads(text)
    offset, scale = (np.array(raw[name], np.float64) for name in _AFFINE)
    fitted: dict[str, Any] = {name: None if raw[name] is None else np.array(raw[name], np.float64) for name in _FITTED}
    return Normalization(raw["kind"], offset, scale, tuple(raw["constant"]), **fitted)


@dataclass(frozen=True)
class Model:
    """A trained network with all that belongs to its answers.

    `targets` is how targets were normalised, None where they were not: what takes its
    answers back to the units of the data.
    """

    config: Config
    schema: Schema
    network: Network
    normalization: Normalization
    parameters: Floats
    epoch: int
    step: int
    target_normalization: Normalization | None = None
    fingerprint: str = ""


def write_description(
    file: Any, config: Config, schema: Schema, normalization: Normalization, target_normalization: Normalization | None
) -> None:
    """Write the part that models and checkpoints share into an open HDF5 file.

    Parameters
    ----------
    file : h5py.File
    normalization, target_normalization : Normalization
        Of the features and of the targets; None leaves targets as they are.
    """
    file.attrs["config"] = json.dumps(msgspec.to_builtins(config))
    file.attrs["data"] = schema_to_json(schema)
    file.attrs["normalization_kind"] = normalization.kind
    for name in (*_AFFINE, *_FITTED):
        if (values := getattr(normalization, name)) is not None:
            file[f"normalization/{name}"] = values
    if target_normalization is not None:
        file["target_normalization/offset"] = target_normalization.offset
        file["target_normalization/scale"] = target_normalization.scale


def write_parameters(file: Any, network: Network, parameters: Floats) -> None:
    """Write the parameter vector, and the names and places of its parts."""
    vector = file.create_dataset("parameters", data=parameters)
    vector.attrs["sha256"] = digest(parameters)
    parts = [{"name": s.name, "start": s.start, "shape": s.shape} for s in network.layout.segments()]
    vector.attrs["layout"] = json.dumps(parts)


def read_description(stored: Stored) -> tuple[Config, Schema, Normalization, Network, Normalization | None]:
    """Read the part that `write_description` wrote.

    Raises
    ------
    DataError
        If it was written by a newer version of the format.
    """
    version = stored.attribute("format_version", int)
    if version > CHECKPOINT_FORMAT:
        raise DataError(
            f"{stored.path}: format {version}, but this program reads up to {CHECKPOINT_FORMAT}; update ddp-mlp"
        )
    config = from_builtins(_with_later_keys(stored.json("config")), str(stored.path))
    try:
        schema = schema_from_builtins(stored.json("data"))
    except msgspec.ValidationError as error:
        raise DataError(f"{stored.path}: data: {str(error)[:200]}; the file is not what this program writes") from None
    for reason in schema.contradictions():
        raise DataError(f"{stored.path}: data: {reason}; the file is not what this program writes")
    kind = stored.word("normalization_kind")
    network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    fitted = _read_normalization(stored, "normalization", kind, schema.n_features)
    has_targets = stored.holds("target_normalization")
    targets = _read_normalization(stored, "target_normalization", "standard", schema.n_outputs) if has_targets else None
    return config, schema, fitted, network, targets


def _with_later_keys(config: Any) -> Any:
    """Return a configuration that may be from before a key: with the value that did the same."""
    for section, defaults in EARLIER_DEFAULTS.items():
        if isinstance(table := isinstance(config, dict) and config.get(section), dict):
            config[section] = defaults | table
    data, train = (config.get(name) if isinstance(config, dict) else None for name in ("data", "train"))
    if isinstance(data, dict) and isinstance(train, dict) and "seed" in train:
        data.setdefault("split_seed", train["seed"])  # the rows that validate were those of the seed of training
    return config


def _read_normalization(stored: Stored, group: str, kind: str, length: int) -> Normalization:
    if kind not in KINDS:
        raise DataError(f"{stored.path}: the normalisation {kind!r:.80} is none of {', '.join(KINDS)}")
    offset, scale = (stored.vector(f"{group}/{name}", length, np.float64) for name in _AFFINE)
    there = [name for name in _FITTED if stored.holds(f"{group}/{name}")]
    fitted: dict[str, Any] = {name: stored.vector(f"{group}/{name}", length, np.float64) for name in there}
    return Normalization(kind, offset, scale, (), **fitted)


def read_parameters(stored: Stored, network: Network, dtype: str, name: str = "parameters") -> Floats:
    """Read a vector with one value for each parameter of a network."""
    return stored.vector(name, network.layout.n_parameters, dtype)


def model_image(model: Model) -> bytes:
    """Return a model as the bytes of its file."""

    def fill(file: Any) -> None:
        file.attrs["format"], file.attrs["format_version"] = "ddp-mlp-model", MODEL_FORMAT
        file.attrs["epoch"], file.attrs["step"], file.attrs["fingerprint"] = model.epoch, model.step, model.fingerprint
        write_description(file, model.config, model.schema, model.normalization, model.target_normalization)
        write_parameters(file, model.network, model.parameters)

    return make_image(fill)


def is_same(model: Model, other: Model) -> bool:
    """Tell whether two models give the same answers and say the same of themselves."""

    def told(each: Model) -> tuple[Any, ...]:
        fitted = [each.normalization] + ([each.target_normalization] if each.target_normalization else [])
        parts = [getattr(f, name) for f in fitted for name in (*_AFFINE, *_FITTED)]
        arrays = [each.parameters, *(part for part in parts if part is not None)]
        said = each.config, each.schema, each.epoch, each.step, each.fingerprint
        return *said, [f.kind for f in fitted], [array.tobytes() for array in arrays]

    return told(model) == told(other)


def ensemble_list(directory: Path) -> Path:
    """Return the file by which a directory is known to be an ensemble."""
    return directory / "ensemble.json"


def is_ensemble(location: Path) -> bool:
    """Tell whether a path is the directory of an ensemble."""
    return is_directory(location) and os.path.lexists(ensemble_list(location))


def refuse_ensemble(location: Path) -> None:
    """Raise UsageError for the directory of an ensemble, where one network is needed."""
    if is_ensemble(location):
        raise UsageError(
            f"{location} is an ensemble, and one network is needed here; name a member of it, such as "
            f"{location / 'member-1'}"
        )


def locate_model(location: Path) -> Path:
    """Return the file that the MODEL of one network means: a file itself, or ``model.h5`` of a run directory."""
    refuse_ensemble(location)
    if not is_directory(location):
        return location
    path = location / "model.h5"
    if not os.path.lexists(path):
        raise MissingInputError(
            f"{location}: no model.h5 in this directory; name a run directory, a checkpoint or a model"
        )
    return path


def load_model(location: Path, *, follow: bool = True) -> Model:
    """Load a run directory's best model, a checkpoint or a model file.

    Parameters
    ----------
    follow : bool
        Whether `location` may be a link to a file, as it may if a user has named it.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is damaged or nothing of this program.
    UsageError
        If it is an ensemble, which `ddp_mlp.checkpoint.ensemble.load_trained` loads.
    """
    path = locate_model(location)
    with reading(path, follow=follow and path == location) as stored:
        config, schema, fitted, network, targets = read_description(stored)
        parameters = read_parameters(stored, network, held_dtype(config.train.dtype))
        epoch, step = stored.attribute("epoch", int), stored.attribute("step", int)
        fingerprint = stored.word("fingerprint") if stored.has_attribute("fingerprint") else ""
        return Model(config, schema, network, fitted, parameters, epoch, step, targets, fingerprint)
