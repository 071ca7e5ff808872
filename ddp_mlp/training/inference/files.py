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
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.resident import Preprocessing, load_resident
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.errors import UsageError
from ddp_mlp.training.drift import remarks
from ddp_mlp.training.inputs.chosen_rows import Rows, choose_rows
from ddp_mlp.training.inputs.row_memory import SharedAllocations
from ddp_mlp.training.inputs.tables import DataLocation, located

__all__ = ["Application", "Rows", "apply_model", "evaluator_of"]

#: Rows read at a time for their targets.
_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Application:
    """A model and the rows it is applied to.

    Attributes
    ----------
    ids : ndarray of int64
        Rows of the split.
    rows : Split or None
        The split, as long as its file is open.
    location : DataLocation
        Where they came from.
    data : str
        Their name in messages.
    """

    model: Model
    split: str
    ids: NDArray[np.int64]
    evaluator: Evaluator
    rows: Split | None
    location: DataLocation
    data: str = ""

    def evaluate(self, top_k: int = 0) -> dict[str, Any]:
        """Collective. Return all metrics over all rows; `top_k` asks for that accuracy too."""
        schema = self.model.schema
        names = schema.target_names if schema.task == "regression" else schema.class_names
        with self.location.called(self.data):
            return self.evaluator.evaluate_in_detail(self.model.parameters, self.ids, names, top_k)

    def predict(self) -> Floats:
        """Collective. Return the outputs for all rows, shape (n, n_outputs), float64 in units of the data."""
        with self.location.called(self.data):
            return self.evaluator.predict(self.model.parameters, self.ids)

    def predict_pieces(self) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Collective. Yield the outputs for some rows after the other, and which of the split these are."""
        with self.location.called(self.data):
            for start, outputs in self.evaluator.predict_pieces(self.model.parameters, self.ids):
                yield self.ids[start : start + len(outputs)], outputs

    @property
    def targets(self) -> NDArray[np.float64] | None:
        """Targets of all rows; see `targets_of`."""
        return self.targets_of(self.ids)

    def targets_of(self, ids: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the targets of some rows as in the data, shape (n, T), if they have any; labels number classes."""
        if self.rows is None or not self.rows.has_targets:
            return None
        found = [np.zeros((0, self.model.schema.n_targets))]
        for start in range(0, self.rows.n_samples, _BLOCK_ROWS):
            first, last = np.searchsorted(ids, (start, start + _BLOCK_ROWS))
            if first < last:
                wanted = ids[first:last]
                block = self.rows.read(int(wanted[0]), int(wanted[-1]) + 1)
                found.append(block.targets[wanted - wanted[0]])
        return np.concatenate(found)


@contextmanager
def apply_model(
    location: Path | Model, rows: Rows, comm: Communicator, tell: Callable[[str], None]
) -> Iterator[Application]:
    """Collective. Load a model, and open the rows of a split, bound to its schema and normalised as in its training.

    Rows are read when they are needed, some at a time, so there may be more of them than fit into memory.

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
            split, ids, notes = choose_rows(model, file, rows)
        for note in (*file.notes, *notes):
            say(note.replace(found.path, rows.data))
        evaluator = Evaluator(
            model.network, model.schema.task, reader_of(model, split), comm, 1,
            target_normalization=model.target_normalization,
        )  # fmt: skip
        with agreed(comm), found.called(rows.data):
            unlike = remarks(model.schema, model.normalization, split) if comm.rank == 0 else []
        for line in unlike:
            say(line)
        name = "all" if found.is_table and rows.split is None and len(file.splits) == 1 else split.name
        yield Application(model, name, ids, evaluator, split, found, rows.data)


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
    reader = reader_of(model, split)
    memory = SharedAllocations(comm, [split], model.schema.n_features, reader.n_targets, reader.dtype)
    with agreed(comm), found.called(data):
        resident = load_resident(
            [split], reader.preprocessing, reader.dtype, reader.n_targets,
            allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
        )  # fmt: skip
    comm.node_barrier()
    return Evaluator(
        model.network, model.schema.task, resident, comm, threads, target_normalization=model.target_normalization
    )


def reader_of(model: Model, split: Split) -> RowReader:
    """Return a reader of the rows of a split as the training of a model had them."""
    preprocessing = Preprocessing(model.normalization, model.target_normalization, model.config.data.autoencode)
    return RowReader((split,), preprocessing, model.parameters.dtype.name, model.schema.n_targets)
