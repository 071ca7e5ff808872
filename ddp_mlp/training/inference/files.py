"""Applying a model to a data set: evaluate and predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ddp_mlp.checkpoint.ensemble import Ensemble, load_trained, members_of
from ddp_mlp.checkpoint.model import Model, normalization_to_json
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.row_labels import kept_texts
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import UsageError
from ddp_mlp.training.drift import remarks
from ddp_mlp.training.inference.application import Application
from ddp_mlp.training.inference.evaluators import evaluators_while_read
from ddp_mlp.training.inputs.chosen_rows import Rows
from ddp_mlp.training.inputs.common_rows import choose_common_rows
from ddp_mlp.training.inputs.tables import DataLocation, located

__all__ = ["Application", "Rows", "apply_model", "remarks_of"]


@contextmanager
def apply_model(
    location: Path | Model | Ensemble, rows: Rows, comm: Communicator, tell: Callable[[str], None]
) -> Iterator[Application]:
    """Collective. Load a model or ensemble, and open the rows of a split, bound to its schema and normalised.

    Rows are read when they are needed, some at a time, so there may be more of them than fit into memory.

    Parameters
    ----------
    location : Path, Model or Ensemble
        One, or where one is.
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
        trained = load_trained(location) if isinstance(location, Path) else location
    members = members_of(trained)
    for dtype in dict.fromkeys(model.parameters.dtype.name for model in members):
        ready_kernels(dtype, comm, tell)
    with ExitStack() as stack:
        found = stack.enter_context(located(rows.data, trained.schema, comm, tell, answers_only=rows.answers_only))
        with agreed(comm), found.called(rows.data):
            file = stack.enter_context(_open(members[0], rows, found))
            own, ids, notes = choose_common_rows(members, file, rows)
            found = found if found.is_table else replace(found, kept=partial(kept_texts, file, own[0]))
        for note in (*file.notes, *notes):
            say(note.replace(found.path, rows.data))
        evaluators = evaluators_while_read(members, own, comm)
        with agreed(comm), found.called(rows.data):
            unlike = remarks_of(members, own) if comm.rank == 0 else []
        for line in unlike:
            say(line)
        # "valid" may mean rows of the train split; they are called what they are
        name = rows.split or ("all" if found.is_table and len(file.splits) == 1 else own[0].name)
        names = trained.names if isinstance(trained, Ensemble) else ()
        yield Application(members, names, name, ids, evaluators, own[0], found, rows.data)


def remarks_of(members: Sequence[Model], splits: Sequence[Split]) -> list[str]:
    """Return the remarks on the rows of a split as each of some models has it, those that say the same once."""
    known = {normalization_to_json(m.normalization): (m, split) for m, split in zip(members, splits, strict=True)}
    lines = (remarks(model.schema, model.normalization, split) for model, split in known.values())
    return list(dict.fromkeys(line for each in lines for line in each))


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
