"""A commented configuration to begin with, that fits a data set."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddp_mlp.config.loading import HDF5_SUFFIXES
from ddp_mlp.config.meanings import MEANINGS
from ddp_mlp.config.reference import all_keys
from ddp_mlp.config.toml_text import inline
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.errors import DataError, MissingInputError, counted, printable, shell_word

#: What most users change, in the order of the file.
_SHOWN = (
    "data.train", "data.valid_fraction", "data.normalize", "data.normalize_targets", "model.hidden", "model.activation",
    "model.dropout", "loss.l2", "optimizer.name", "optimizer.learning_rate", "schedule.name", "train.epochs",
    "train.global_batch_size", "train.early_stopping_patience", "train.seed", "checkpoint.keep",
)  # fmt: skip
_WIDTH = 34


@dataclass(frozen=True)
class Draft:
    """A configuration as text, and what to do before it can be used.

    Attributes
    ----------
    first : str
        A command, empty where nothing is left to do.
    """

    text: str
    first: str = ""


@dataclass
class _Choices:
    """A draft for a data set: values of keys, and lines about it."""

    values: dict[str, Any] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)


def draft(data: str | None, out: Path) -> Draft:
    """Return a configuration for a data set, or for one that is still to come.

    Parameters
    ----------
    data : str or None
        ``F.h5``, ``F.h5:/group``, or a table that is to be imported.
    out : Path
        Where it will be kept; the data set is named relative to it.

    Raises
    ------
    MissingInputError, DataError
        If the data are not there or not usable.
    """
    location = Path((data or "data.h5").partition(":")[0])
    first = ""
    choices = _Choices()
    if data and location.suffix.lower() in HDF5_SUFFIXES:
        with open_dataset(data) as file:
            choices = _choices(file)
    elif data:
        if not location.exists():
            raise MissingInputError(f"{data}: no such file; give a data set or a table")
        imported = location.with_suffix(".h5")
        first = f"ddp-mlp data import {shell_word(location)} --target COLUMN --out {shell_word(imported)}"
        choices.about.append(f"Import the table first: {first}")
        location = imported
    group = data[data.index(":") :] if data and ":" in data and not first else ""
    choices.values["data.train"] = os.path.relpath(location, out.parent) + group
    return Draft(_text(choices, out), first)


def _choices(file: DatasetFile) -> _Choices:
    schema = file.schema
    if "train" not in file.splits:
        raise DataError(f"{file.path}: no rows to train on; it has {', '.join(file.splits)}")
    n_train = file.splits["train"].n_samples
    outputs = counted(schema.n_outputs, "target") if schema.n_classes is None else counted(schema.n_classes, "class")
    features = counted(schema.n_features, "feature")
    about = [f"{schema.task}: {counted(n_train, 'row')} to train, {features}, {outputs}."]
    values: dict[str, Any] = {}
    if schema.task == "regression":
        values["data.normalize_targets"] = "standard"
    if "valid" in file.splits:
        about.append("The valid split of the data set validates.")
    else:
        values["data.valid_fraction"] = 0.1
    return _Choices(values, about)


def _text(choices: _Choices, out: Path) -> str:
    lines = [f"# {printable(line)}" for line in choices.about]
    lines += [f"# Train: ddp-mlp train {printable(shell_word(out))}", "# All keys: ddp-mlp config reference"]
    section = ""
    for key in all_keys():
        if key.path not in _SHOWN:
            continue
        if key.section != section:
            section = key.section
            lines += ["", f"[{section}]"]
        value = inline(choices.values[key.path]) if key.path in choices.values else key.default
        is_given = key.path in choices.values
        text = f"{'' if is_given else '# '}{key.name} = {value}" if value != "none" else f"# {key.name} ="
        lines.append(f"{text:<{_WIDTH}}  # {MEANINGS[key.path]}")
    return "\n".join([*lines, ""])
