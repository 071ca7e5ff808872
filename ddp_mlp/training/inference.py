"""Applying a model to a data set: evaluate and predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model, load_model
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.data.dataset.known_files import known_fingerprint
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.resident import Preprocessing, load_resident
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import DdpMlpError, UsageError
from ddp_mlp.training.drift import remarks
from ddp_mlp.training.inputs.row_memory import SharedAllocations
from ddp_mlp.training.inputs.tables import DataLocation, located
from ddp_mlp.training.problem import who_validates

#: Tried in this order where no split is named.
_PREFERRED = ("test", "valid", "train")

#: Rows read at a time for their targets.
_BLOCK_ROWS = 8192


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


@dataclass(frozen=True, eq=False)
class Application:
    """A model and the rows it is applied to.

    Attributes
    ----------
    ids : ndarray of int64
        Rows of the split.
    targets : ndarray of float64, shape (n, T), or None
        Of these rows, as in the data; labels are numbers of classes.
    location : DataLocation
        Where they came from.
    """

    model: Model
    split: str
    ids: NDArray[np.int64]
    evaluator: Evaluator
    targets: NDArray[np.float64] | None
    location: DataLocation

    def evaluate(self, top_k: int = 0) -> dict[str, Any]:
        """Collective. Return all metrics over all rows; `top_k` asks for that accuracy too."""
        schema = self.model.schema
        names = schema.target_names if schema.task == "regression" else schema.class_names
        return self.evaluator.evaluate_in_detail(self.model.parameters, self.ids, names, top_k)

    def predict(self) -> Floats:
        """Collective. Return the outputs for all rows, shape (n, n_outputs), float64 in units of the data."""
        return self.evaluator.predict(self.model.parameters, self.ids)


@contextmanager
def apply_model(
    location: Path | Model, rows: Rows, comm: Communicator, tell: Callable[[str], None]
) -> Iterator[Application]:
    """Collective. Load a model, and the rows of a split bound to its schema and normalised as in its training.

    Parameters
    ----------
    location : Path or Model
        A model, or the file or run directory of one.
    rows : Rows
    tell : callable
        Called on rank 0 with a line for the user.

    Raises
    ------
    MissingInputError, DataError
        If model or data are not there or not usable, or do not fit each other.
    UsageError
        If there is no such split.
    """

    def say(line: str) -> None:
        if comm.rank == 0:
            tell(line)

    with agreed(comm):
        model = location if isinstance(location, Model) else load_model(location)
    dtype = model.parameters.dtype.name
    ready_kernels(dtype, comm, tell)
    with ExitStack() as stack:
        found = stack.enter_context(located(rows.data, model.schema, comm, tell, answers_only=rows.answers_only))
        with agreed(comm), found.called(rows.data):
            file = stack.enter_context(_open(model, rows, found))
            split, ids, notes = _choose(model, file, rows)
        for note in (*file.notes, *notes):
            say(note.replace(found.path, rows.data))
        evaluator = evaluator_of(model, split, comm, found, rows.data)
        with agreed(comm), found.called(rows.data):
            unlike = remarks(model.schema, model.normalization, split) if comm.rank == 0 else []
            targets = _targets(split, ids) if rows.answers_only and comm.rank == 0 else None
        for line in unlike:
            say(line)
    name = "all" if found.is_table and rows.split is None and len(file.splits) == 1 else split.name
    yield Application(model, name, ids, evaluator, targets, found)


def _open(model: Model, rows: Rows, found: DataLocation) -> DatasetFile:
    """Open the rows as what the model knows; weights are for training, and are left aside."""
    data = model.config.data
    use: Literal["needed", "optional", "unused"] = "optional" if rows.answers_only else "needed"
    if found.is_table and (named := rows.features or rows.targets):
        raise UsageError(f"{rows.data} is a table, whose columns are found by name; leave {named} out")
    features, targets = rows.features or data.features, rows.targets or data.targets
    if found.is_table:
        features = targets = None
    if rows.answers_only and rows.targets is None and data.features is not None:
        targets = None  # rows to be answered need none, and an array of that name may not be there
    wanted = Wanted(schema=model.schema, targets="unused" if data.autoencode else use)
    return open_dataset(found.path, features=features, targets=targets, weights="none", wanted=wanted)


def _choose(model: Model, file: DatasetFile, rows: Rows) -> tuple[Split, NDArray[np.int64], list[str]]:
    """Return a split, which of its rows, and what to say of them."""
    name = rows.split or next(preferred for preferred in _PREFERRED if preferred in file.splits)
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


def evaluator_of(
    model: Model, split: Split, comm: Communicator, found: DataLocation, data: str, threads: int = 1
) -> Evaluator:
    """Collective. Read a split into memory, once for each node, for a model to be applied to it.

    Parameters
    ----------
    model : Model
    split : Split
    comm : Communicator
    found : DataLocation
        Where the rows are.
    data : str
        Their name in messages.
    threads : int
        That compute.
    """
    dtype, n_targets = model.parameters.dtype.name, model.schema.n_targets
    preprocessing = Preprocessing(model.normalization, model.target_normalization, model.config.data.autoencode)
    memory = SharedAllocations(comm, [split], model.schema.n_features, n_targets, dtype)
    with agreed(comm), found.called(data):
        resident = load_resident(
            [split], preprocessing, dtype, n_targets,
            allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
        )  # fmt: skip
    comm.node_barrier()
    return Evaluator(
        model.network, model.schema.task, resident, comm, threads, target_normalization=model.target_normalization
    )


def _targets(split: Split, ids: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the targets of rows, to stand beside the answers."""
    if not split.has_targets:
        return None
    blocks = range(0, split.n_samples, _BLOCK_ROWS)
    found = [split.read(start, min(start + _BLOCK_ROWS, split.n_samples)).targets for start in blocks]
    return np.concatenate(found)[ids]
