"""The schema of a data set: of a new one from the arrays and attributes of its file, else the one that is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from ddp_mlp.data.binding import Binding, bind
from ddp_mlp.data.dataset.containers import Opener
from ddp_mlp.data.dataset.layouts import Search, SplitColumns
from ddp_mlp.data.dataset.matrices import (
    SplitMatrices,
    convenience,
    image_shape_of,
    matrices_of,
    require_same_widths,
    where_of,
)
from ddp_mlp.data.dataset.names import Role
from ddp_mlp.data.dataset.orientation import turned
from ddp_mlp.data.dataset.targets import Classes, classes_of
from ddp_mlp.data.dataset.validation import Checks
from ddp_mlp.data.hdf5.arrays import check_sizes
from ddp_mlp.data.hdf5.attributes import read_int, read_text
from ddp_mlp.data.rows import Task, require_task
from ddp_mlp.data.schema import Schema, SourceColumn, number_kind, schema_from_builtins
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ddp_mlp.data.hdf5.nodes import Group

FORMAT = "ddp-mlp-dataset"
FORMAT_VERSION = 1
#: Of the attribute ``schema``: a table of a hundred thousand columns.
MOST_SCHEMA_BYTES = 64 * 2**20
_ANY_VERSION = 10**6
_KIND_WORDS = {"boolean": "booleans", "unsigned": "whole numbers from 0", "integer": "whole numbers", "float": "floats"}


@dataclass(frozen=True, eq=False)
class Wanted:
    """The wants of a reader of a file, and its knowledge of it so far.

    Attributes
    ----------
    task : str or None
        As the configuration states it.
    schema : Schema or None
        Of the model that the rows are for: the file is not asked what it is, but bound to that.
    targets : str
        "needed", "optional" for rows that are to be answered, or "unused" for those of an autoencoder.
    """

    task: Task | None = None
    schema: Schema | None = None
    targets: Literal["needed", "optional", "unused"] = "needed"


@dataclass(frozen=True, eq=False)
class Structure:
    """All of a data set but its rows: its schema, and how the rows of each split become those of it.

    Attributes
    ----------
    schema : Schema
    splits : dict of str to SplitMatrices
    bindings : dict of str to Binding
    source : str
        What the file says about its origin.
    notes : tuple of str
        What was guessed, taken by position, or left aside.
    """

    schema: Schema
    splits: dict[str, SplitMatrices]
    bindings: dict[str, Binding]
    source: str
    notes: tuple[str, ...]

    def checks(self, split: str) -> Checks:
        """Return the conditions on the rows of a split."""
        matrices, schema = self.splits[split], self.schema
        found = (matrices.features, matrices.targets or matrices.features, matrices.weights or matrices.features)
        where = [where_of(matrix) for matrix in found]
        return Checks(where[0], where[1], where[2], schema.feature_names, schema.target_names, schema.n_classes)


def read_structure(path: Path, base: Group, explicit: Mapping[Role, str], wanted: Wanted) -> Structure:
    """Find the arrays of a data set and check that they fit together.

    Raises
    ------
    DataError
        If arrays are missing, refused, empty or of unequal length, the task is unclear, or the file does not fit the
        schema that is wanted.
    """
    own = _is_own(path, base) and not explicit.keys() & {"features", "targets"}
    opener = Opener(own)
    found = Search(path, base, explicit, own, wanted.targets == "needed", wanted.schema is None, opener).find()
    check_sizes({c.array.name: c.array.found for s in found.values() for c in s.all}.values())
    found, notes = (found, ()) if own else _turned(found, wanted)
    notes = (*dict.fromkeys(opener.notes), *notes, *_decoding_notes(found))
    splits = {name: matrices_of(name, split, own=own) for name, split in found.items()}
    source = printable(convenience(partial(read_text, base, "source"), own=own) or "")
    schema = wanted.schema
    if schema is not None:
        uses = wanted.targets != "unused"
        found_in = {name: split.found(targets=uses) for name, split in splits.items()}
        bindings = {n: bind(schema, each, f"{path}, {n} split", "the model") for n, each in found_in.items()}
        return Structure(schema, splits, bindings, source, notes + _notes(schema, splits, bindings))
    require_same_widths(splits)
    classes = _classes(path, base, splits, wanted)
    schema = _schema(base, splits, classes, own=own)
    bindings = {}
    for name, split in splits.items():
        binding = bind(schema, split.found(), f"{path}, {name} split", "the train split")
        labels = classes.labels if split.class_names is None else binding.labels
        bindings[name] = replace(binding, labels=labels, one_hot=classes.one_hot)
    if classes.reason:
        notes += (f"{path}: task {classes.task}, since {classes.reason}; [data] task or --task states it",)
    return Structure(schema, splits, bindings, source, notes + _notes(schema, splits, bindings))


def _turned(found: Mapping[str, SplitColumns], wanted: Wanted) -> tuple[dict[str, SplitColumns], tuple[str, ...]]:
    """Return the columns of each split with rows along the dimension that was meant, and what to say of it."""
    n_features = wanted.schema.n_features if wanted.schema else None
    each = {name: turned(split.all, n_features) for name, split in found.items()}
    notes = tuple(note for turn in each.values() for note in turn.notes)
    return {name: found[name].replaced(turn.columns) for name, turn in each.items()}, notes


def _decoding_notes(found: Mapping[str, SplitColumns]) -> tuple[str, ...]:
    """Say which arrays hold other quantities than the numbers in them."""
    named: dict[str, list[str]] = {}
    for column in (column for split in found.values() for column in split.all):
        if column.decoding is not None:
            named.setdefault(column.decoding.words, []).append(column.where)
    return tuple(
        f"{where[0]}{f' and {len(where) - 1} more' if where[1:] else ''}: {words}" for words, where in named.items()
    )


def _notes(schema: Schema, splits: Mapping[str, SplitMatrices], bindings: Mapping[str, Binding]) -> tuple[str, ...]:
    notes = [note for binding in bindings.values() for note in binding.notes]
    for name, split in splits.items():
        numbers = number_kind(split.features.dtype)
        if schema.numbers and "float" in {numbers, schema.numbers} and numbers != schema.numbers:
            notes.append(
                f"{where_of(split.features)}: features of the {name} split are {split.features.dtype.name}, those that"
                f" trained are {_KIND_WORDS[schema.numbers]}; if the scale differs too, answers mean nothing"
            )
    return tuple(dict.fromkeys(notes))


def _schema(base: Group, splits: Mapping[str, SplitMatrices], classes: Classes, *, own: bool) -> Schema:
    """Return the schema that an own file carries, else the one that its arrays and attributes give."""
    train = splits["train"]
    columns, units = _carried(base) if own else ((), None)
    schema = Schema(
        task=classes.task,
        n_features=train.features.width,
        n_outputs=classes.n_outputs if train.targets else train.features.width,
        feature_names=train.feature_names,
        target_names=None if classes.one_hot else train.target_names,
        class_names=classes.names,
        image_shape=image_shape_of(train.features, own=own),
        columns=columns,
        target_units=units,
        numbers=number_kind(train.features.dtype),
    )
    for reason in schema.contradictions():
        raise DataError(f"{base.where}: attribute schema: {reason}; write the data set again")
    return schema


def _carried(base: Group) -> tuple[tuple[SourceColumn, ...], tuple[str, ...] | None]:
    """Return source columns and units of the targets, as the attribute ``schema`` has them."""
    text = read_text(base, "schema", MOST_SCHEMA_BYTES)
    if text is None:
        return (), None
    try:
        schema = schema_from_builtins(msgspec.json.decode(text))
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise DataError(
            f"{base.where}: attribute schema is not one of this program; write the data set again"
        ) from None
    return schema.columns, schema.target_units


def _is_own(path: Path, base: Group) -> bool:
    """Tell whether the group is in this program's layout, and refuse newer versions of it."""
    if convenience(partial(read_text, base, "format"), own=False) != FORMAT:
        return False
    version = read_int(base, "format_version", 1, _ANY_VERSION)
    if version is None or version > FORMAT_VERSION:
        raise DataError(
            f"{path}: format_version is {version}, this program reads up to {FORMAT_VERSION}; update it or"
            " write the file again"
        )
    return True


def _classes(path: Path, base: Group, splits: Mapping[str, SplitMatrices], wanted: Wanted) -> Classes:
    """Return the task, and the classes if it has them."""
    train = splits["train"]
    if train.targets is None:
        return Classes("regression", train.features.width)
    text = read_text(base, "task")
    stated = wanted.task or (None if text is None else require_task(text, str(path)))
    targets = [split.targets for split in splits.values() if split.targets is not None]
    names, n_classes = train.class_names, train.n_classes
    if stated is None and not train.targets.is_whole:  # names of quantities, in the files of others
        names, n_classes = None, None
    return classes_of(targets, where_of(train.targets), stated, names, n_classes)
