"""Samples of the rows that trained a model, that validated it, and that test it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.training.inputs.tables import located
from ddp_mlp.training.problem import who_validates

#: Rows of a split that are looked at, in blocks that are evenly spaced, and values held of them.
_MOST_ROWS, _BLOCK_ROWS, _MOST_VALUES = 10_000, 512, 2**23


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the rows of one purpose.

    Attributes
    ----------
    name : str
        "train", "valid" or "test".
    n_rows : int
        Rows of that purpose in all.
    features : ndarray of float64, shape (n, F)
        In units of the data, NaN where a value is missing.
    targets : ndarray of float64, shape (n, T)
        Labels are numbers of classes.
    """

    name: str
    n_rows: int
    features: NDArray[np.float64]
    targets: NDArray[np.float64]


def samples_of(model: Model, data: str) -> list[Sample]:
    """Return a sample for each purpose that rows of the training data have; a part of the train split may validate.

    Parameters
    ----------
    model : Model
    data : str
        The file that it was trained on.

    Raises
    ------
    MissingInputError, DataError
        If the file is not there any more, or does not fit the model.
    """
    config = model.config.data
    with ExitStack() as stack:
        found = stack.enter_context(located(data, model.schema, SingleProcess(), lambda _: None, answers_only=False))
        wanted = Wanted(schema=model.schema, targets="unused" if config.autoencode else "needed")
        file = stack.enter_context(open_dataset(found.path, weights="none", wanted=wanted))
        return [sample for split in file.splits.values() for sample in _of_split(model, split, set(file.splits))]


def _of_split(model: Model, split: Split, names: set[str]) -> Iterator[Sample]:
    chosen = split.allowing_missing() if model.normalization.fill is not None else split
    ids, features, targets = _looked_at(chosen, model.schema.n_features)
    if split.name != "train" or "valid" in names:
        yield Sample(split.name, split.n_samples, features, targets)
        return
    validating = who_validates(model.config, [split])[1]
    validates = np.isin(ids, validating)
    for name, rows, n_rows in (
        ("train", ~validates, split.n_samples - len(validating)),
        ("valid", validates, len(validating)),
    ):
        if rows.any():
            yield Sample(name, n_rows, features[rows], targets[rows])


def _looked_at(split: Split, n_features: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the numbers of rows, their features and their targets."""
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // n_features))
    block = min(_BLOCK_ROWS, most)
    starts = range(0, split.n_samples, block * -(-split.n_samples // most))
    ids, features, targets = [], [], []
    for start in starts:
        stop = min(start + block, split.n_samples)
        rows = split.read(start, stop)
        ids.append(np.arange(start, stop))
        features.append(np.asarray(rows.features, np.float64))
        targets.append(rows.targets)
    return np.concatenate(ids), np.concatenate(features), np.concatenate(targets)
