"""Writing a model in a format of other programs, whole or not at all."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.checkpoint.ensemble import Ensemble
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.spread import Combined
from ddp_mlp.core.network import build_network
from ddp_mlp.durable import write_chosen
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.check import Checked, compare
from ddp_mlp.interop.format import Format
from ddp_mlp.interop.portable import Portable, portable

#: The module of each format; a new one is a module and a line here.
_MODULES = {"onnx": "onnx_together", "safetensors": "safetensors", "npz": "npz", "c": "c_header", "sklearn": "sklearn"}
FORMATS = tuple(_MODULES)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes
    ----------
    format : str
    remark : str
        What whoever uses it must know; nothing if there is nothing.
    checked : Checked or None
        The comparison with `predict`, where it was asked for.
    """

    format: str
    remark: str
    checked: Checked | None = None


def format_of(path: Path, name: str | None) -> Format:
    """Return the format of a name, or else of the suffix of a file.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    if name is not None and name not in _MODULES:
        raise UsageError(f"format = {name!r:.80}; allowed are {', '.join(FORMATS)}")
    known = [_load(each) for each in ([name] if name else FORMATS)]
    for each in known:
        if name or path.suffix.lower() == each.suffix:
            return each
    allowed = ", ".join(f"*{each.suffix} ({each.name})" for each in known)
    raise UsageError(f"{path}: which format is this? Give one, or name the file {allowed}")


def _load(name: str) -> Format:
    module = importlib.import_module(f"ddp_mlp.interop.formats.{_MODULES[name]}")
    found: Format = module.FORMAT
    return found


def export_model(trained: Model | Ensemble, path: Path, name: str | None = None, *, check: bool = False) -> Exported:
    """Write a model or an ensemble in a format.

    Parameters
    ----------
    name : str, optional
        One of `FORMATS`; by default that of the suffix of `path`.
    check : bool
        Have the file, before it takes its name, compute answers as its readers do, and compare them with `predict`.

    Raises
    ------
    UsageError
        If the format cannot hold such a model; the message names those that can.
    DataError
        If the answers of the file are others than those of the model; nothing is written.
    OutputError, StorageError
        If it cannot be written; what was there stays.
    """
    if isinstance(trained, Ensemble):
        return _export_together(trained, path, format_of(path, name), check=check)
    _require_own_network(trained)
    chosen, model = format_of(path, name), portable(trained)
    if reason := chosen.objection(model):
        raise UsageError(f"{reason}; formats that hold this model: {', '.join(_fitting(model)) or 'none'}")
    content = chosen.image(model, path.stem)
    found = compare(trained, lambda x: Combined(chosen.answers(content, model, x))) if check else None
    write_chosen(path, content)
    return Exported(chosen.name, chosen.remark(model), found)


def _export_together(ensemble: Ensemble, path: Path, chosen: Format, *, check: bool) -> Exported:
    together, models = chosen.together, [portable(model) for model in ensemble.members]
    if together is None:
        fitting = ", ".join(name for name in FORMATS if _load(name).together)
        raise UsageError(
            f"{chosen.name} holds one network, and {ensemble.path} is an ensemble of {len(models)}; take {fitting}, or "
            f"export each member, such as {ensemble.path / ensemble.names[0]}"
        )
    if reason := together.objection(models):
        raise UsageError(f"{reason}; export each member, such as {ensemble.path / ensemble.names[0]}")
    content = together.image(models)
    found = compare(ensemble, lambda x: together.answers(content, x)) if check else None
    write_chosen(path, content)
    return Exported(chosen.name, chosen.remark(models[0]), found)


def _require_own_network(trained: Model) -> None:
    """Raise UsageError for a network of several labels, as estimators have, which no configuration means."""
    config, schema = trained.config, trained.schema
    own = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    if own.output != trained.network.output:
        raise UsageError("this model answers several labels, each there or not, for which no export has a word")


def _fitting(model: Portable) -> list[str]:
    """Return the formats that hold a model."""
    return [name for name in FORMATS if not _load(name).objection(model)]
