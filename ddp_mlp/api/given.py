"""Rows that a caller gives: arrays, DataFrames with their targets, or paths of tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from ddp_mlp.config import DataConfig
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.importing import is_importable, open_for_model
from ddp_mlp.data.memory.array_likes import class_kind_of, numbers_of
from ddp_mlp.data.memory.held import Arrays, HeldData, held_arrays
from ddp_mlp.data.schema import Missing, Schema
from ddp_mlp.data.sources.held import held_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.source import Source
from ddp_mlp.data.sources.tables.formats.frame import column_names_of, is_frame, read_frame
from ddp_mlp.data.sources.tables.reading import source_of_table
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.training.inputs.held import Give

_BY_POSITION = (
    "warning: the columns of X have names but those of the model have none, so features are taken by position"
)
_OTHER_ORDER = (
    "warning: {} has the index of X, but in another order; an index is no column, so rows are taken by position"
)
#: Name of a column of weights beside those of a DataFrame.
_WEIGHTS = "sample_weight"


@dataclass(frozen=True, eq=False)
class Part:
    """Features, targets and weights as they were given.

    Attributes
    ----------
    x : array-like, DataFrame, or path of a table
    y : array-like, DataFrame, Series, name or names of columns of `x`, or None
    weights : array-like or None
    """

    x: Any
    y: Any = None
    weights: Any = None

    @property
    def is_table(self) -> bool:
        """Whether columns have names and may hold text."""
        return is_frame(self.x) or is_path(self.x)


def is_path(value: object) -> bool:
    """Tell whether a value is the path of a file."""
    return isinstance(value, str | os.PathLike)


def part_of(given: Any, name: str) -> Part:
    """Return the parts of ``X``, ``(X, y)`` or ``(X, y, sample_weight)``.

    Raises
    ------
    UsageError
        If it is a tuple of another length.
    """
    if not isinstance(given, tuple):
        return Part(given)
    if len(given) not in {2, 3}:
        raise UsageError(f"{name} is a tuple of {len(given)}; (X, y) or (X, y, sample_weight) is needed")
    return Part(*given)


def give(train: Part, valid: Part | None) -> Give:
    """Return a function that makes a data set of given rows, once the configuration is known."""

    def given(config: DataConfig, schema: Schema | None) -> HeldData:
        if valid is not None and valid.is_table != train.is_table:
            raise UsageError("data and valid must both be arrays, or both DataFrames or tables with names of columns")
        if not train.is_table:
            return _held({"train": train} | ({} if valid is None else {"valid": valid}))
        missing = cast("Missing | Literal['auto']", config.missing)
        own = _with_unused_targets(train) if config.autoencode else train
        held = _held_table(own, ImportOptions(task=config.task, missing=missing, like=schema), "X")
        if not config.autoencode and _has_text_labels(train):
            held = replace(held, carried=replace(held.carried, class_kind="text"))
        if valid is None:
            return held
        task = None if config.task == "auto" else config.task
        known = schema or held.open(Wanted(task)).schema
        others = _with_unused_targets(valid) if config.autoencode else valid
        beside = _held_table(others, ImportOptions(like=known), "X (valid)", "valid")
        return replace(held, splits={**held.splits, "valid": beside.splits["valid"]}, notes=held.notes + beside.notes)

    return given


def _held(parts: Mapping[str, Part]) -> HeldData:
    """Return arrays as a data set; targets that are a DataFrame have the names of its columns."""
    arrays = {name: Arrays(part.x, part.y, part.weights) for name, part in parts.items()}
    held = held_arrays({name: each.of(name) if name == "valid" else each for name, each in arrays.items()})
    splits = dict(held.splits)
    for split, part in parts.items():
        names = tuple(column_names_of(part.y)) if is_frame(part.y) else ()
        if len(names) > 1:  # of columns of 0 and 1 they are the names of classes
            splits[split] = replace(splits[split], target_names=names, class_names=names)
    return replace(held, splits=splits)


def _with_unused_targets(part: Part) -> Part:
    """Return rows of a DataFrame for an autoencoder, which has no use for the targets that a table has."""
    return part if part.y is not None or is_path(part.x) else replace(part, y=np.zeros(len(part.x)))


def table_source(part: Part, options: ImportOptions, where: str) -> Source:
    """Return the rows of a DataFrame, or of the file of a table, with their targets.

    Raises
    ------
    UsageError, DataError, MissingInputError
        If it cannot be read or understood.
    """
    targets, beside = _targets(part, options.like)
    if not targets and not options.answers_only:
        raise UsageError(f"{where} has no targets; give (X, y), y an array or the name of a column of X")
    options = replace(options, targets=tuple(targets))
    if is_path(part.x):
        path = Path(part.x)
        if beside or part.weights is not None:
            raise UsageError(
                f"{path}: y must be the name of a column of this table, and there are no weights beside it"
            )
        return open_for_model(path, options)
    if isinstance(part.weights, str):
        options = replace(options, weights=part.weights)
    elif part.weights is not None:
        beside, options = beside | {_WEIGHTS: part.weights}, replace(options, weights=_WEIGHTS)
    return source_of_table(read_frame(part.x, where, beside, replaces=options.like is not None), options)


def _targets(part: Part, like: Schema | None) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the targets, and those columns of them that are not in the table."""
    y = part.y
    if y is None:
        return [], {}
    if isinstance(y, str):
        return [y], {}
    if isinstance(y, list | tuple) and y and all(isinstance(name, str) for name in y) and _are_columns(part.x, y):
        return list(y), {}
    if is_frame(y):
        return column_names_of(y), {name: _column(y, name) for name in column_names_of(y)}
    if isinstance(y, list | tuple) and y and isinstance(y[0], list | tuple):
        y = np.asarray(y)
    names = list(like.target_names) if like and like.target_names else []
    if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
        names = names if len(names) == y.shape[1] else [f"target{i}" for i in range(y.shape[1])]
        return names, {name: y[:, i] for i, name in enumerate(names)}
    own = getattr(y, "name", None)
    taken = set() if is_path(part.x) else set(column_names_of(part.x))
    free = next(name for name in chain(["target"], map("target{}".format, count())) if name not in taken)
    name = names[0] if names else str(own) if own is not None and str(own) not in taken else free
    return [name], {name: y}


def _has_text_labels(part: Part) -> bool:
    """Tell whether the targets of a DataFrame are one column of text; the cells of a file are all written as text."""
    names, beside = _targets(part, None)
    if len(names) != 1 or is_path(part.x):
        return False
    return class_kind_of(beside[names[0]] if beside else _column(part.x, names[0])) == "text"


def _are_columns(x: Any, names: Any) -> bool:
    return is_path(x) or set(names) <= set(column_names_of(x))


def _column(frame: Any, name: str) -> Any:
    """Return a column of a DataFrame of any library, by the text of its name."""
    at = column_names_of(frame).index(name)
    if hasattr(frame, "iloc"):
        return frame.iloc[:, at]
    return frame[name] if isinstance(frame, Mapping) or hasattr(frame, "__getitem__") else frame.column(at)


def rows_for_model(part: Part, schema: Schema, *, answers_only: bool) -> HeldData:
    """Return rows that a model is applied to: a table by the names of its columns, arrays by their position.

    Raises
    ------
    UsageError, DataError, MissingInputError
        If they cannot be read or do not fit the schema.
    """
    if not part.is_table:
        return _held({"test": replace(part, y=None if answers_only else part.y)})
    if is_frame(part.x) and schema.feature_names is None:  # the model knows positions alone
        beside = {part.y} if isinstance(part.y, str) else set()
        names = [name for name in column_names_of(part.x) if name not in beside]
        if not names:
            raise DataError("X has no columns")
        x = np.column_stack([numbers_of(_column(part.x, name), f"X, column {name}") for name in names])
        y = _column(part.x, part.y) if isinstance(part.y, str) and part.y in column_names_of(part.x) else part.y
        return replace(_held({"test": Part(x, None if answers_only else y)}), notes=(_BY_POSITION,))
    if is_frame(part.x) and part.y is None and set(schema.target_names or ()) <= set(column_names_of(part.x)):
        part = replace(part, y=list(schema.target_names or ()) or None)  # its own targets, as a file has
    options = ImportOptions(like=schema, answers_only=answers_only)
    part = part if not answers_only else replace(part, y=None)
    return _held_table(part, options, "X", "test")


def _held_table(part: Part, options: ImportOptions, where: str, split: str = "train") -> HeldData:
    """Return the rows of a DataFrame, or of the file of a table, in memory."""
    held = held_source(table_source(part, options, where), where, split)
    return replace(held, notes=held.notes + _notes_of_index(part))


def _notes_of_index(part: Part) -> tuple[str, ...]:
    """Warn of targets or weights whose index is that of the features in another order, as after a sort of one alone."""
    known, beside = _index_of(part.x), {"y": _index_of(part.y), "sample_weight": _index_of(part.weights)}
    return tuple(
        _OTHER_ORDER.format(name)
        for name, index in beside.items()
        if known is not None and index is not None and len(index) == len(known)
        if not index.equals(known) and set(index) == set(known)
    )


def _index_of(values: Any) -> Any:
    """Return the index of a DataFrame or Series of pandas, None of others; ``index`` of a list is a method."""
    index = getattr(values, "index", None)
    return index if hasattr(index, "equals") else None


def is_table_file(path: str) -> bool:
    """Tell whether a path is that of a table that can be imported, and so of no HDF5 file."""
    return is_importable(path)
