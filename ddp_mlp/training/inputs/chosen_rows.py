"""The rows that a model is applied to: which split, and whether these rows trained the model."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.data.dataset.known_files import known_fingerprint
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.errors import DdpMlpError, UsageError, counted
from ddp_mlp.training.inputs.data_files import own_splits
from ddp_mlp.training.inputs.parting import who_validates

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
    """Return a split, which of its rows, and what to say of them; "valid" of a file that trained validated there."""
    name = rows.split or next(preferred for preferred in PREFERRED if preferred in file.splits)
    data = model.config.data
    cuts = data.all_rows or data.folds is not None or data.valid_fraction is not None
    held_out = name == "valid" and "train" in file.splits and (cuts or name not in file.splits)
    if name not in file.splits and not held_out:
        raise UsageError(f"{rows.data} has no split {name!r}; it has {', '.join(file.splits)}")
    validating = None
    if held_out or (name == "train" and bool(model.fingerprint)):
        validating = _validating(model, file)
    if held_out and validating is None:
        if name not in file.splits:
            raise UsageError(
                f"{rows.data} has no split 'valid', and is not the file that the model was trained on; it has"
                f" {', '.join(file.splits)}"
            )
        held_out = False
    split = file.splits["train" if held_out else name]
    if model.normalization.fill is not None:
        split = split.allowing_missing()
    everything = np.arange(split.n_samples, dtype=np.int64)
    if validating is None:
        return split, everything, []
    if not held_out:
        return split, everything, [_trained_note(rows.data, split.n_samples, len(validating))]
    if not len(validating):
        raise UsageError(_none_validated(model, rows.data, split.n_samples))
    return split, validating, [_validated_note(rows.data, len(validating), file.splits.get(name))]


def _validated_note(data: str, n_validating: int, own: Split | None) -> str:
    beside = f"; its split 'valid' of {counted(own.n_samples, 'row')} took no part" if own else ""
    return f"{data}: the {counted(n_validating, 'row')} of the train split that validated{beside}"


def _validating(model: Model, file: DatasetFile) -> NDArray[np.int64] | None:
    """Return the rows of the train split that validated; None for a file that the model was not trained on."""
    with ExitStack() as stack:
        known = _as_trained(model, file, stack)
        if known is None:
            return None
        if model.config.data.valid is not None:
            return np.zeros(0, np.int64)
        ids = who_validates(model.config, known, own_splits(known, model.config.data))[1]
    return ids[ids < file.splits["train"].n_samples]


def _as_trained(model: Model, file: DatasetFile, stack: ExitStack) -> DatasetFile | None:
    """Return the file as it trained a model, under the names that it has now, or opened anew; None if it did not."""
    if _trained_on(model, file):
        return file
    with suppress(DdpMlpError):  # of another file, targets, weights and names as in training may be anything
        again = stack.enter_context(_opened_as_in_training(model, file))
        if _hashed_of(again) != _hashed_of(file) and _trained_on(model, again):
            return again
    return None


def _trained_note(data: str, n_rows: int, n_validating: int) -> str:
    if not n_validating:
        return f"warning: {data}: all of these {n_rows} rows trained the model"
    trained = f"{n_rows - n_validating} of these {n_rows} rows trained the model"
    return f"warning: {data}: {trained}; --split valid means the others"


def _none_validated(model: Model, data: str, n_rows: int) -> str:
    other = model.config.data.valid
    who = f"the rows that validated are in {other}" if other else "none validated"
    return f"{data}: all {n_rows} rows of the train split trained the model; {who}; name rows with DATA and --split"


def _trained_on(model: Model, file: DatasetFile) -> bool:
    return is_same_content(model.fingerprint.split("+")[0], known_fingerprint(file))


def _hashed_of(file: DatasetFile) -> tuple[object, ...]:
    """Return the parts that a fingerprint counts; where two openings agree in them, rows need no second hash."""
    splits = tuple((name, split.has_targets, split.has_weights) for name, split in file.splits.items())
    names = file.selection[1:3]  # of features and targets
    return file.schema.task, file.schema.n_outputs, names, splits


def _opened_as_in_training(model: Model, file: DatasetFile) -> DatasetFile:
    """Open a file once more, with the targets and weights that its training asked for."""
    data = model.config.data
    weights = None if data.weights == "auto" else data.weights
    wanted = Wanted(None if data.task == "auto" else data.task, None, "unused" if data.autoencode else "needed")
    location = f"{file.path}:{file.group}"
    return open_dataset(location, features=data.features, targets=data.targets, weights=weights, wanted=wanted)
