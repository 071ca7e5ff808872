"""The model file: everything needed to predict, and nothing that only training needs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from ddp_mlp.checkpoint.sealed_hdf5 import make_image
from ddp_mlp.checkpoint.untrusted import Stored, reading
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.core.layout import Floats, digest
from ddp_mlp.core.network import Network, build_network
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.normalization import KINDS, Normalization
from ddp_mlp.data.rows import TASKS
from ddp_mlp.errors import DataError, MissingInputError
from ddp_mlp.plain_files import is_directory

MODEL_FORMAT = 1
#: Format 1 holds the whole history of the run.
CHECKPOINT_FORMAT = 2


@dataclass(frozen=True)
class Facts:
    """What a data set says about itself that a model keeps."""

    task: str
    n_features: int
    n_outputs: int
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None

    @classmethod
    def of(cls, file: DatasetFile, *, autoencode: bool = False) -> Self:
        """Take the facts from an open data set; to `autoencode` is a regression on its features."""
        facts = cls(
            file.task, file.n_features, file.n_outputs,
            file.feature_names, file.target_names, file.class_names, file.image_shape,
        )  # fmt: skip
        if not autoencode:
            return facts
        return replace(
            facts, task="regression", n_outputs=file.n_features, target_names=file.feature_names, class_names=None
        )

    @property
    def n_targets(self) -> int:
        """Columns of the targets in memory: T, and 1 for labels."""
        return self.n_outputs if self.task == "regression" else 1

    def contradictions(self) -> Iterator[str]:
        """Say what cannot be of any data set; a stranger may have written the facts."""
        if self.task not in TASKS:
            yield f"the task is {self.task!r:.80}"
        if self.n_features < 1 or self.n_outputs < 1 or (self.task == "binary" and self.n_outputs != 1):
            yield f"{self.n_features} features and {self.n_outputs} outputs"
        n_classes = 2 if self.task == "binary" else self.n_outputs
        counts = {"feature": self.n_features, "target": self.n_targets, "class": n_classes}
        for kind, names in zip(counts, (self.feature_names, self.target_names, self.class_names), strict=True):
            if names is not None and len(names) != counts[kind]:
                yield f"{len(names)} {kind} names where there are {counts[kind]}"
        if self.image_shape is not None and math.prod(self.image_shape) != self.n_features:
            yield f"an image shape of {len(self.image_shape)} numbers that is not one of {self.n_features} features"

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild the facts from `as_dict` or its JSON."""
        return msgspec.convert(values, cls)


def normalization_to_json(fitted: Normalization) -> str:
    """Return a normalisation as JSON; numbers keep all their bits."""
    arrays = {"offset": fitted.offset.tolist(), "scale": fitted.scale.tolist()}
    return json.dumps({"kind": fitted.kind, "constant": list(fitted.constant), **arrays})


def normalization_from_json(text: str) -> Normalization:
    """Rebuild a normalisation from `normalization_to_json`."""
    raw = json.loads(text)
    offset, scale = np.array(raw["offset"], np.float64), np.array(raw["scale"], np.float64)
    return Normalization(raw["kind"], offset, scale, tuple(raw["constant"]))


@dataclass(frozen=True)
class Model:
    """A trained network with all that belongs to its answers.

    `targets` is how targets were normalised, None where they were not: what takes its
    answers back to the units of the data.
    """

    config: Config
    facts: Facts
    network: Network
    normalization: Normalization
    parameters: Floats
    epoch: int
    step: int
    targets: Normalization | None = None


def write_description(
    file: Any, config: Config, facts: Facts, normalization: Normalization, targets: Normalization | None
) -> None:
    """Write what models and checkpoints have in common into an open HDF5 file."""
    file.attrs["config"] = json.dumps(msgspec.to_builtins(config))
    file.attrs["data"] = json.dumps(facts.as_dict())
    file.attrs["normalization_kind"] = normalization.kind
    file["normalization/offset"] = normalization.offset
    file["normalization/scale"] = normalization.scale
    if targets is not None:
        file["target_normalization/offset"] = targets.offset
        file["target_normalization/scale"] = targets.scale


def write_parameters(file: Any, network: Network, parameters: Floats) -> None:
    """Write the parameter vector, and the names and places of its parts."""
    vector = file.create_dataset("parameters", data=parameters)
    vector.attrs["sha256"] = digest(parameters)
    parts = [{"name": s.name, "start": s.start, "shape": s.shape} for s in network.layout.segments()]
    vector.attrs["layout"] = json.dumps(parts)


def read_description(stored: Stored) -> tuple[Config, Facts, Normalization, Network, Normalization | None]:
    """Read what `write_description` wrote.

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
    config = from_builtins(stored.json("config"), str(stored.path))
    facts = Facts.from_dict(stored.json("data"))
    for reason in facts.contradictions():
        raise DataError(f"{stored.path}: data: {reason}; the file is not what this program writes")
    kind = stored.word("normalization_kind")
    network = build_network(config.model, config.loss, facts.task, facts.n_features, facts.n_outputs)
    fitted = _read_normalization(stored, "normalization", kind, facts.n_features)
    has_targets = stored.holds("target_normalization")
    targets = _read_normalization(stored, "target_normalization", "standard", facts.n_outputs) if has_targets else None
    return config, facts, fitted, network, targets


def _read_normalization(stored: Stored, group: str, kind: str, length: int) -> Normalization:
    if kind not in KINDS:
        raise DataError(f"{stored.path}: the normalisation {kind!r:.80} is none of {', '.join(KINDS)}")
    offset, scale = (stored.vector(f"{group}/{name}", length, np.float64) for name in ("offset", "scale"))
    return Normalization(kind, offset, scale)


def read_parameters(stored: Stored, network: Network, dtype: str, name: str = "parameters") -> Floats:
    """Read a vector with one value for each parameter of a network."""
    return stored.vector(name, network.layout.n_parameters, dtype)


def model_image(model: Model) -> bytes:
    """Return a model as the bytes of its file."""

    def fill(file: Any) -> None:
        file.attrs["format"], file.attrs["format_version"] = "ddp-mlp-model", MODEL_FORMAT
        file.attrs["epoch"], file.attrs["step"] = model.epoch, model.step
        write_description(file, model.config, model.facts, model.normalization, model.targets)
        write_parameters(file, model.network, model.parameters)

    return make_image(fill)


def is_same(model: Model, other: Model) -> bool:
    """Tell whether two models give the same answers and say the same of themselves."""

    def told(each: Model) -> tuple[Any, ...]:
        fitted = [each.normalization] + ([each.targets] if each.targets else [])
        arrays = [each.parameters, *(array for f in fitted for array in (f.offset, f.scale))]
        kinds = [f.kind for f in fitted]
        return each.config, each.facts, each.epoch, each.step, kinds, [array.tobytes() for array in arrays]

    return told(model) == told(other)


def locate_model(location: Path) -> Path:
    """Return the file that MODEL means: a file itself, or ``model.h5`` of a run directory."""
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
    """
    path = locate_model(location)
    with reading(path, follow=follow and path == location) as stored:
        config, facts, fitted, network, targets = read_description(stored)
        parameters = read_parameters(stored, network, config.train.dtype)
        epoch, step = stored.attribute("epoch", int), stored.attribute("step", int)
        return Model(config, facts, network, fitted, parameters, epoch, step, targets)
