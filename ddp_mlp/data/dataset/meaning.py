"""The schema of rows of a file or in memory: from their values and names, else the one that is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ddp_mlp.data.binding.bind import Binding, bind
from ddp_mlp.data.dataset.matrices import SplitMatrices, where_of
from ddp_mlp.data.dataset.targets import Classes, classes_of
from ddp_mlp.data.dataset.validation import Checks
from ddp_mlp.data.rows import Task
from ddp_mlp.data.schema import ClassKind, Schema, SourceColumn, number_kind
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True)
class Carried:
    """The part of a schema that arrays cannot tell: images, the table behind, how its cells are written, text."""

    image_shape: tuple[int, ...] | None = None
    columns: tuple[SourceColumn, ...] = ()
    target_units: tuple[str, ...] | None = None
    class_kind: ClassKind = ""
    target_forms: tuple[str, ...] | None = None
    marks: tuple[str, ...] = ()

    @classmethod
    def of(cls, schema: Schema, image_shape: tuple[int, ...] | None) -> Carried:
        """Return the part of a schema, with the shape of images as it is known here."""
        kept = (schema.columns, schema.target_units, schema.class_kind, schema.target_forms, schema.marks)
        return cls(image_shape, *kept)


def bound_structure(
    where: str, splits: dict[str, SplitMatrices], wanted: Wanted, source: str, notes: tuple[str, ...]
) -> Structure:
    """Return the structure of splits that are bound to the schema of a model.

    Parameters
    ----------
    where : str
        The file, for messages.
    splits : dict of str to SplitMatrices
    wanted : Wanted
        With a schema.
    source : str
        Where the rows come from, in words.
    notes : tuple of str
        What was said of them so far.

    Raises
    ------
    DataError
        With all that does not fit it.
    """
    schema = wanted.schema
    assert schema is not None  # noqa: S101 - of the caller
    uses = wanted.targets != "unused"
    found_in = {name: split.found(targets=uses) for name, split in splits.items()}
    bindings = {n: bind(schema, each, f"{where}, {n} split", "the model") for n, each in found_in.items()}
    return Structure(schema, splits, bindings, source, notes + _notes(schema, splits, bindings))


def new_structure(
    where: str,
    splits: dict[str, SplitMatrices],
    stated: Task | None,
    carried: Carried,
    source: str,
    notes: tuple[str, ...],
) -> Structure:
    """Return the structure of splits, the "train" split among them, with a schema that is found out from them.

    Parameters
    ----------
    where : str
        The file, for messages.
    splits : dict of str to SplitMatrices
    stated : str or None
        The task, where configuration or file say it.
    carried : Carried
    source : str
        Where the rows come from, in words.
    notes : tuple of str
        What was said of them so far.

    Raises
    ------
    DataError
        If the task is unclear, or splits do not fit each other.
    """
    classes = _classes(splits, stated)
    schema = _schema(where, splits, classes, carried)
    bindings = {}
    for name, split in splits.items():
        binding = bind(schema, split.found(), f"{where}, {name} split", "the train split")
        labels = classes.labels if split.class_names is None else binding.labels
        bindings[name] = replace(binding, labels=labels, one_hot=classes.one_hot)
    if classes.reason:
        notes += (f"{where}: task {classes.task}, since {classes.reason}; [data] task or --task states it",)
    return Structure(schema, splits, bindings, source, notes + _notes(schema, splits, bindings))


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


def _schema(where: str, splits: Mapping[str, SplitMatrices], classes: Classes, carried: Carried) -> Schema:
    """Return the schema that arrays, their names and attributes give, with what is carried beside them."""
    train = splits["train"]
    schema = Schema(
        task=classes.task,
        n_features=train.features.width,
        n_outputs=classes.n_outputs if train.targets else train.features.width,
        feature_names=train.feature_names,
        target_names=None if classes.one_hot else train.target_names,
        class_names=classes.names,
        image_shape=carried.image_shape,
        columns=carried.columns,
        target_units=carried.target_units,
        numbers=number_kind(train.features.dtype),
        class_kind=carried.class_kind if classes.names else "",
        target_forms=carried.target_forms,
        marks=carried.marks,
    )
    for reason in schema.contradictions():
        raise DataError(f"{where}: attribute schema: {reason}; write the data set again")
    return schema


def _classes(splits: Mapping[str, SplitMatrices], stated: Task | None) -> Classes:
    """Return the task, and the classes if it has them."""
    train = splits["train"]
    if train.targets is None:
        return Classes("regression", train.features.width)
    targets = [split.targets for split in splits.values() if split.targets is not None]
    names, n_classes = train.class_names, train.n_classes
    if stated is None and not train.targets.is_whole:  # names of quantities, in the files of others
        names, n_classes = None, None
    return classes_of(targets, where_of(train.targets), stated, names, n_classes)
