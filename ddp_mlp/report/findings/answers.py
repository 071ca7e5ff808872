"""The answers of a run's model to rows whose targets are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.ensemble import Ensemble, members_of
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.core.ensembles.spread import joined
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, counted
from ddp_mlp.training.inference.application import Application
from ddp_mlp.training.inference.evaluators import evaluators_while_read
from ddp_mlp.training.inference.files import Rows, apply_model
from ddp_mlp.training.inputs.own_rows import OwnRows, read_some
from ddp_mlp.training.inputs.tables import DataLocation

Numbers = NDArray[np.float64]

#: Rows times parameters, numbers of answers and targets, and bytes of a file, for answers nobody asked for: a second.
_MOST_WORK, _MOST_VALUES, _MOST_BYTES = 2 * 10**10, 2**23, 2**28
_PURPOSES = {"valid": "validation", "test": "test (none validated)", "train": "training (none validated)"}


@dataclass(frozen=True, eq=False)
class AnswerSheet:
    """Answers beside what is true.

    Attributes
    ----------
    where : str
        The rows, in words.
    rows : ndarray of int64, shape (n,)
        Numbers of the rows in their split, from 0.
    outputs : ndarray of float64, shape (n, n_outputs)
        In units of the data, or probabilities (scores where `has_probabilities` is False).
    targets : ndarray of float64, shape (n, T)
        Labels are numbers of classes.
    metrics : dict
        As ``ddp-mlp evaluate --json`` gives them.
    spread : dict of str to ndarray
        Of an ensemble, see `ddp_mlp.core.ensembles.spread.Combined`; empty for one model.
    """

    schema: Schema
    where: str
    rows: NDArray[np.int64]
    outputs: NDArray[np.float64]
    targets: NDArray[np.float64]
    metrics: dict[str, Any]
    has_probabilities: bool
    threshold: float
    spread: Mapping[str, Numbers] = field(default_factory=dict)


def answer(path: Path, data: str, split: str | None, tell: Callable[[str], None]) -> AnswerSheet:
    """Apply the model of a run, or an ensemble, to the rows of a file.

    Parameters
    ----------
    path : Path
        Directory of the run or ensemble.
    data : str
        ``F.h5``, ``F.h5:/group``, or a table of any format that can be imported.
    split : str or None
        None for the test split, else that which validates, else that which trains.
    tell : callable
        Called with each line about what was understood.

    Raises
    ------
    MissingInputError, DataError, UsageError
        If model or rows are not there or do not fit each other, or the rows have no targets.
    """
    with apply_model(path, Rows(data, split, answers_only=True), SingleProcess(), tell) as applied:
        if applied.targets is None:
            raise DataError(f"{data}: no targets in these rows that answers could be compared with; leave --data out")
        if not len(applied.ids):
            raise DataError(f"{data}: no rows in split {applied.split}; name another with --split")
        part = "validation" if applied.split == "valid" else applied.split
        where = f"{counted(len(applied.ids), 'row')}, {part}, of {data}"
        return _sheet(applied, where, applied.targets)


def own_answers(trained: Model | Ensemble, own: OwnRows) -> AnswerSheet:
    """Apply a model or ensemble to the rows that validated; where none did, to those for a test, else that trained.

    Of many rows, or for a large network, it is a sample.

    Raises
    ------
    DataError, StorageError
        If rows cannot be read.
    """
    portion = next(own.portions[name] for name in ("valid", "test", "train") if name in own.portions)
    members, schema = members_of(trained), trained.schema
    n_parameters = sum(model.network.layout.n_parameters for model in members)
    most = min(_MOST_WORK // n_parameters, _MOST_VALUES // (len(members) * schema.n_outputs + schema.n_targets))
    ids = portion.sample(most, _MOST_BYTES)
    place = DataLocation(portion.location)
    evaluators = evaluators_while_read(members, [portion.split] * len(members), SingleProcess())
    names = trained.names if isinstance(trained, Ensemble) else ()
    applied = Application(members, names, portion.name, ids, evaluators, portion.split, place, portion.location)
    of = f" of {len(portion.ids)}" if len(ids) < len(portion.ids) else ""
    where = f"{len(ids)}{of} rows, {_PURPOSES[portion.name]}, of {portion.location}"
    return _sheet(applied, where, _own_targets(applied))


def _own_targets(applied: Application) -> Numbers:
    """Return targets in units of the data; those of an autoencoder are its features, gaps filled as in training."""
    if applied.targets is not None:
        return applied.targets
    assert applied.rows is not None  # noqa: S101
    features = np.concatenate([rows.features for rows in read_some(applied.rows, applied.ids)]).astype(np.float64)
    fill = applied.model.normalization.fill
    return features if fill is None else np.where(np.isnan(features), fill, features)


def _sheet(applied: Application, where: str, targets: Numbers) -> AnswerSheet:
    network, found = applied.model.network, joined([answers for _, answers in applied.predict_pieces()])
    return AnswerSheet(
        applied.model.schema, where, applied.ids,
        found.outputs.astype(np.float64), targets.astype(np.float64), applied.evaluate(),
        network.output in ("sigmoid", "softmax") and network.output_threshold == 0.5, network.output_threshold,
        found.spread,
    )  # fmt: skip
