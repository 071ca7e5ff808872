"""The schema of a data set: the one description that data files, models and checkpoints carry, word for word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ddp_mlp.data.rows import TASKS, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

ColumnKind = Literal["number", "boolean", "category", "date"]
Missing = Literal["impute", "indicator", "drop", "error"]
NumberKind = Literal["", "boolean", "unsigned", "integer", "float"]
ClassKind = Literal["", "text"]

_KIND_OF_DTYPE: Mapping[str, NumberKind] = {"b": "boolean", "u": "unsigned", "i": "integer", "f": "float"}


class SourceColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column of the table that features were made from.

    Attributes
    ----------
    name : str
        As in the first line of the table.
    kind : str
        "number", "boolean", "category" or "date".
    features : tuple of str
        Names of the feature columns that it makes, in their order.
    categories : tuple of str
        Of a category, in the order of its features where these are one for each.
    missing : str
        What a missing value becomes: "impute", "indicator", "drop" or "error".
    unit : str
        What every cell carried, such as "%" or "kg"; empty for none.
    how : str
        How cells become features where the kind leaves a choice, such as "ordinal" or "cyclic"; else empty.
    form : str
        How cells were written: the format of a date, or a form of numbers such as "decimal comma"; empty where they
        were plain, and in files from before it. It decides where another file may be read in two ways.
    """

    name: str
    kind: ColumnKind
    features: tuple[str, ...]
    categories: tuple[str, ...] = ()
    missing: Missing = "error"
    unit: str = ""
    how: str = ""
    form: str = ""


class Schema(msgspec.Struct, frozen=True):
    """The description of all rows of a data set, and of all that a model trained on it can be asked.

    Attributes
    ----------
    task : str
        "regression", "binary" or "multiclass".
    n_features : int
        Columns F of the features.
    n_outputs : int
        Columns T of the targets for regression, 1 for binary, the number of classes for multiclass.
    feature_names, target_names, class_names : tuple of str or None
        One name for each; None where there are none, and position decides.
    image_shape : tuple of int or None
        Shape of one sample before it was flattened, (H, W) or (H, W, C), with product F.
    columns : tuple of SourceColumn
        The table behind the features; empty where features came as arrays.
    target_units : tuple of str or None
        One for each target.
    numbers : str
        How features were stored: "boolean", "unsigned", "integer" or "float"; empty where that is not known.
    class_kind : str
        "text" where the classes came as text, which they stay although they may read as numbers; else empty, as in
        files from before it.
    target_forms : tuple of str or None
        As `SourceColumn.form`, one for each target; None where all were plain.
    marks : tuple of str
        What stood in cells of the table that held nothing, besides what always means that.
    """

    task: Task
    n_features: int
    n_outputs: int
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    columns: tuple[SourceColumn, ...] = ()
    target_units: tuple[str, ...] | None = None
    numbers: NumberKind = ""
    class_kind: ClassKind = ""
    target_forms: tuple[str, ...] | None = None
    marks: tuple[str, ...] = ()

    @property
    def n_targets(self) -> int:
        """Columns of the targets in memory: T, and 1 for labels."""
        return self.n_outputs if self.task == "regression" else 1

    @property
    def n_classes(self) -> int | None:
        """Number of classes, at least 2; None for regression."""
        return None if self.task == "regression" else max(2, self.n_outputs)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes, their numbers where they have none; None for regression."""
        return None if self.n_classes is None else self.class_names or tuple(map(str, range(self.n_classes)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, ``target0`` and so on where they have none."""
        return self.target_names or tuple(f"target{i}" for i in range(self.n_targets))

    def plain(self) -> Schema:
        """Return the schema without what says how cells were written, which earlier files do not tell."""
        columns = tuple(msgspec.structs.replace(column, form="") for column in self.columns)
        return msgspec.structs.replace(self, columns=columns, target_forms=None, marks=())

    def autoencoding(self) -> Schema:
        """Return the schema of a regression on the features themselves."""
        return msgspec.structs.replace(
            self, task="regression", n_outputs=self.n_features, target_names=self.feature_names,
            class_names=None, target_units=None, class_kind="", target_forms=None,
        )  # fmt: skip

    def contradictions(self) -> Iterator[str]:
        """Yield each way in which no data set can be so; a stranger may have written the schema."""
        if self.task not in TASKS:
            yield f"the task is {self.task!r:.80}"
        if self.n_features < 1 or self.n_outputs < 1 or (self.task == "binary" and self.n_outputs != 1):
            yield f"{self.n_features} features and {self.n_outputs} outputs"
        n_classes = 2 if self.task == "binary" else self.n_outputs
        counts = {"feature": self.n_features, "target": self.n_targets, "class": n_classes}
        for kind, names in zip(counts, (self.feature_names, self.target_names, self.class_names), strict=True):
            if names is not None and len(names) != counts[kind]:
                yield f"{len(names)} {kind} names where there are {counts[kind]}"
        if self.image_shape is not None and math.prod(self.image_shape) != self.n_features:
            yield f"an image shape of {len(self.image_shape)} numbers that is not one of {self.n_features} features"
        for kind, each in (("units", self.target_units), ("forms", self.target_forms)):
            if each is not None and len(each) != self.n_targets:
                yield f"{len(each)} {kind} where there are {self.n_targets} targets"
        made = [feature for column in self.columns for feature in column.features]
        if made and (self.feature_names is None or not set(made) <= set(self.feature_names)):
            yield "source columns that make features which it has not"


def number_kind(dtype: np.dtype[Any]) -> NumberKind:
    """Return how numbers of a dtype are stored, as `Schema.numbers` says it."""
    return _KIND_OF_DTYPE.get(dtype.kind, "")


def schema_to_json(schema: Schema) -> str:
    """Return a schema as JSON."""
    return msgspec.json.encode(schema).decode()


def schema_from_builtins(values: Any) -> Schema:
    """Rebuild a schema from the values of its JSON, also of earlier versions that knew less of it.

    Raises
    ------
    msgspec.ValidationError
        If they are none.
    """
    return msgspec.convert(values, Schema)
