"""The rows that a model is applied to: which split, and whether these rows trained the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.data.dataset.known_files import known_fingerprint
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.errors import DdpMlpError, UsageError
from ddp_mlp.training.problem import who_validates

#: Tried in this order where no split is named.
PREFERRED = ("test", "valid", "train")


@dataclass(frozen=True)
class Rows:
    """Which rows a model is applied to.

    Attributes
    ----------
    data : str
        ``F.h5``, ``F.h5:/group``, or a table of any format that can be imported.
    split : str or None
        None for the test split, else that which validates, else that which trains.
    features, targets : str or None
        Names of arrays, where they are others than in training.
    answers_only : bool
        Whether rows without targets will do.
    """

    data: str
    split: str | None = None
    features: str | None = None
    targets: str | None = None
    answers_only: bool = False


def choose_rows(model: Model, file: DatasetFile, rows: Rows) -> tuple[Split, NDArray[np.int64], list[str]]:
    """Return a split, which of its rows, and what to say of them."""
    name = rows.split or next(preferred for preferred in PREFERRED if preferred in file.splits)
    held_out = name == "valid" and name not in file.splits and "train" in file.splits
    if name not in file.splits and not held_out:
        raise UsageError(f"{rows.data} has no split {name!r}; it has {', '.join(file.splits)}")
    split = file.splits["train" if held_out else name]
    if model.normalization.fill is not None:
        split = split.allowing_missing()
    ids = np.arange(split.n_samples, dtype=np.int64)
    if split.name != "train" or not (model.fingerprint or held_out):
        return split, ids, []
    if not (_trained_on(model, file) or _trained_on_when_asked_so(model, file)):
        if held_out:
            raise UsageError(
                f"{rows.data} has no split 'valid', and is not the file that the model was trained on; it has"
                f" {', '.join(file.splits)}"
            )
        return split, ids, []
    train_ids, valid_ids = who_validates(model.config, [split])
    if held_out:
        return split, valid_ids, [f"{rows.data}: the {len(valid_ids)} rows of the train split that validated"]
    note = f"{rows.data}: {len(train_ids)} of these {len(ids)} rows trained the model; --split valid means the others"
    return split, ids, [f"warning: {note}"]


def _trained_on(model: Model, file: DatasetFile) -> bool:
    return is_same_content(model.fingerprint.split("+")[0], known_fingerprint(file))


def _hashed_of(file: DatasetFile) -> tuple[object, ...]:
    """Return the parts that a fingerprint counts; where two openings agree in them, rows need no second hash."""
    splits = tuple((name, split.has_targets, split.has_weights) for name, split in file.splits.items())
    names = file.selection[1:3]  # of features and targets
    return file.schema.task, file.schema.n_outputs, names, splits


def _trained_on_when_asked_so(model: Model, file: DatasetFile) -> bool:
    """Tell whether a model was trained on a file, opened as its training did: with targets, weights and all names."""
    data = model.config.data
    weights = None if data.weights == "auto" else data.weights
    wanted = Wanted(None if data.task == "auto" else data.task, None, "unused" if data.autoencode else "needed")
    try:
        location = f"{file.path}:{file.group}"
        with open_dataset(
            location, features=data.features, targets=data.targets, weights=weights, wanted=wanted
        ) as again:
            return _hashed_of(again) != _hashed_of(file) and _trained_on(model, again)
    except DdpMlpError:  # of another file, these may be anything
        return False
