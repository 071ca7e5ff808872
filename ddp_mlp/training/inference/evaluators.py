"""Evaluators of models on the rows of a split; those that need the same rows read them once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ddp_mlp.checkpoint.model import Model, normalization_to_json
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.resident import Preprocessing, Resident, load_resident
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.engine.evaluated_rows import EvaluatedRows, evaluated_rows
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.training.inputs.row_memory import SharedAllocations
from ddp_mlp.training.inputs.tables import DataLocation


def evaluators_while_read(
    members: Sequence[Model], splits: Sequence[Split], comm: Communicator
) -> tuple[Evaluator, ...]:
    """Return evaluators of rows that are read when they are needed, one for each model.

    Parameters
    ----------
    splits : sequence of Split
        The rows, as each model has them.
    """
    return _evaluators(members, splits, comm, 1, reader_of)


def evaluators_in_memory(
    members: Sequence[Model],
    splits: Sequence[Split],
    comm: Communicator,
    found: DataLocation,
    data: str,
    threads: int = 1,
) -> tuple[Evaluator, ...]:
    """Collective. Read a split into memory, once for each node, and return evaluators of it, one for each model.

    Parameters
    ----------
    splits : sequence of Split
        The rows, as each model has them.
    found : DataLocation
        Where the rows are.
    data : str
        Their name in messages.
    threads : int
        That compute.
    """

    def load(model: Model, split: Split) -> Resident:
        reader = reader_of(model, split)
        memory = SharedAllocations(comm, [split], model.schema.n_features, reader.n_targets, reader.dtype)
        with agreed(comm), found.called(data):
            resident = load_resident(
                [split], reader.preprocessing, reader.dtype, reader.n_targets,
                allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
            )  # fmt: skip
        comm.node_barrier()
        return resident

    return _evaluators(members, splits, comm, threads, load)


def _evaluators(
    members: Sequence[Model],
    splits: Sequence[Split],
    comm: Communicator,
    threads: int,
    load: Callable[[Model, Split], Resident | RowReader],
) -> tuple[Evaluator, ...]:
    known: dict[tuple[object, ...], EvaluatedRows] = {}
    found = []
    for model, split in zip(members, splits, strict=True):
        key = _preprocessing_of(model)
        if key not in known:
            known[key] = evaluated_rows(load(model, split))
        task, targets = model.schema.task, model.target_normalization
        found.append(Evaluator(model.network, task, known[key], comm, threads, target_normalization=targets))
    return tuple(found)


def _preprocessing_of(model: Model) -> tuple[object, ...]:
    """Return all by which the rows of a split in memory may differ between models."""
    targets = model.target_normalization
    told = None if targets is None else normalization_to_json(targets)
    dtype, config = model.parameters.dtype.name, model.config.data
    return normalization_to_json(model.normalization), told, dtype, config.autoencode


def reader_of(model: Model, split: Split) -> RowReader:
    """Return a reader of the rows of a split as the training of a model had them."""
    preprocessing = Preprocessing(model.normalization, model.target_normalization, model.config.data.autoencode)
    return RowReader((split,), preprocessing, model.parameters.dtype.name, model.schema.n_targets)
