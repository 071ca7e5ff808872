"""Binding a file to a schema: which of its columns, targets and labels are those that a model knows.

Names decide where both sides have them. Where one side has none, position does, and that is said. Whatever does not
fit is one error that lists all of it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.errors import DataError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.schema import Schema

    Ids = NDArray[np.int64]

#: A feature that no column of the file gives: 0 in every row.
ABSENT = -1
_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """The columns of one split of a file.

    Attributes
    ----------
    n_features, n_targets : int
        Columns; no targets are 0.
    feature_names, target_names, class_names : tuple of str or None
    rows_with : callable
        Returns the number of rows in which a feature column is not 0.
    """

    n_features: int
    n_targets: int
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    rows_with: Callable[[int], int]


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of a file as classes of a schema.

    Attributes
    ----------
    values : ndarray of float64, shape (k,)
        Labels that may be met, ascending.
    classes : ndarray of int64, shape (k,)
        The class of each.
    """

    values: NDArray[np.float64]
    classes: NDArray[np.int64]

    def classes_of(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the class of each label, shape (n,); NaN for those that are none of `values`."""
        at = np.minimum(np.searchsorted(self.values, labels), len(self.values) - 1)
        return np.where(self.values[at] == labels, self.classes[at], np.nan)


@dataclass(frozen=True, eq=False)
class Binding:
    """How rows of a file become rows of a schema; None leaves a part as it is.

    Attributes
    ----------
    features : ndarray of int64, shape (F,), or None
        The file's column for each feature, or `ABSENT`.
    targets : ndarray of int64, shape (T,), or None
        The file's column for each target.
    labels : Labels or None
    one_hot : bool
        The file has a column of 0 and 1 for each class.
    notes : tuple of str
        For the user: where position decided, and what was left aside.
    """

    features: Ids | None = None
    targets: Ids | None = None
    labels: Labels | None = None
    one_hot: bool = False
    notes: tuple[str, ...] = ()


def bind_rows(rows: Rows, binding: Binding) -> Rows:
    """Return rows as a schema has them; labels that are none of it become NaN."""
    features, targets = rows.features, rows.targets
    if binding.features is not None:
        features = np.ascontiguousarray(features[:, binding.features])
        features[:, binding.features == ABSENT] = 0
    if binding.one_hot and targets.shape[1]:
        is_one_hot = ((targets == 0) | (targets == 1)).all(axis=1) & (targets.sum(axis=1) == 1)
        targets = np.where(is_one_hot, targets.argmax(axis=1), np.nan)[:, None]
    if binding.labels is not None and targets.shape[1]:
        targets = binding.labels.classes_of(targets[:, 0])[:, None]
    if binding.targets is not None and targets.shape[1]:
        targets = np.ascontiguousarray(targets[:, binding.targets])
    return Rows(features, targets, rows.weights)


@dataclass
class _Differences:
    """All that does not fit, gathered before any of it is said."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def bind(schema: Schema, found: Found, where: str, knows: str) -> Binding:
    """Return how the rows of a split become those of a schema.

    Parameters
    ----------
    where : str
        The file or split, for messages.
    knows : str
        Whose schema it is, for messages: "the model", "the train split".

    Raises
    ------
    DataError
        With everything that does not fit.
    """
    told = _Differences()
    features = _bind_features(schema, found, told, knows)
    targets, labels, one_hot = _bind_targets(schema, found, told, knows) if found.n_targets else (None, None, False)
    if told.problems:
        raise DataError(f"{where} does not fit {knows}: {'; '.join(told.problems)}")
    return Binding(features, targets, labels, one_hot, tuple(f"{where}: {note}" for note in told.notes))


def _bind_features(schema: Schema, found: Found, told: _Differences, knows: str) -> Ids | None:
    known, names = schema.feature_names, found.feature_names
    if known is None or names is None or known == names:
        if found.n_features != schema.n_features:
            told.problems.append(f"{found.n_features} features, {knows} has {schema.n_features}")
        elif (known is None) != (names is None):
            told.notes.append(f"its columns {_nameless(names, knows)}, so features are taken by position")
        return None
    for whose, each in ((knows, known), ("it", names)):
        if twice := sorted({name for name in each if each.count(name) > 1}) if len(set(each)) < len(each) else []:
            told.problems.append(f"{whose} has several columns called {listed(twice, _SHOWN)}")
    at = {name: i for i, name in enumerate(names)}
    groups = one_hot_groups(schema)
    met = {groups[name] for name in names if name in groups}
    marks = {column.features[-1] for column in schema.columns if column.missing == "indicator" and column.features}
    may_be_absent = {name for name in marks if name.endswith("=missing")}
    missing = [n for n in known if n not in at and groups.get(n) not in met and n not in may_be_absent]
    unknown = [name for name in names if name not in set(known)]
    _tell_missing(missing, unknown, told, knows)
    _tell_unknown(unknown, {group.name for group in schema.columns if group.kind == "category"} | met, found, at, told)
    return np.array([at.get(name, ABSENT) for name in known], np.int64)


def _nameless(names: Sequence[str] | None, knows: str) -> str:
    return "have no names" if names is None else f"have names but those of {knows} have none"


def one_hot_groups(schema: Schema) -> dict[str, str]:
    """Return the source column of each feature that stands for one category of several.

    Without source columns, names such as ``colour=red`` tell them.
    """
    if schema.columns:
        one_hot = [column for column in schema.columns if column.kind == "category" and column.how != "ordinal"]
        # A column that marks missing cells comes after those of the categories, and is none of them.
        members = [(column.name, column.features[: len(column.categories) or None]) for column in one_hot]
        return {feature: name for name, features in members for feature in features}
    split = [(name, name.partition("=")) for name in schema.feature_names or ()]
    return {name: source for name, (source, sign, _) in split if sign}


def _tell_missing(missing: list[str], unknown: list[str], told: _Differences, knows: str) -> None:
    if missing:
        close = {name: difflib.get_close_matches(name, unknown, 1) for name in missing[:_SHOWN]}
        hints = [f"{name} (is it {match[0]}?)" if match else name for name, match in close.items()]
        told.problems.append(f"columns that {knows} needs are missing: {listed([*hints, *missing[_SHOWN:]], _SHOWN)}")


def _tell_unknown(
    unknown: list[str], categorical: set[str], found: Found, at: dict[str, int], told: _Differences
) -> None:
    categories = [name for name in unknown if "=" in name and name.partition("=")[0] in categorical]
    counted = [(name, found.rows_with(at[name])) for name in categories]
    if strange := [f"{name} ({n} rows)" for name, n in counted if n]:
        told.problems.append(f"categories that are unknown: {listed(strange, _SHOWN)}")
    if others := [name for name in unknown if name not in categories]:
        words = f"columns that are not used: {listed(others, _SHOWN)}"
        (told.problems if told.problems else told.notes).append(words)


def _bind_targets(
    schema: Schema, found: Found, told: _Differences, knows: str
) -> tuple[Ids | None, Labels | None, bool]:
    if schema.task == "regression":
        return _bind_quantities(schema, found, told, knows), None, False
    n_classes = schema.n_classes or 2
    if found.n_targets not in {1, n_classes}:
        told.problems.append(f"{found.n_targets} columns of targets, {knows} has {n_classes} classes in one")
        return None, None, False
    one_hot = found.n_targets > 1
    names = (found.target_names if one_hot else None) or found.class_names
    if one_hot and names is None:  # the columns are the classes in their order
        return None, None, True
    return None, _bind_labels(schema, names, n_classes, told, knows), one_hot


def _bind_quantities(schema: Schema, found: Found, told: _Differences, knows: str) -> Ids | None:
    known, names = schema.target_names, found.target_names
    if known is None or names is None or known == names:
        if found.n_targets != schema.n_targets:
            told.problems.append(f"{found.n_targets} targets, {knows} has {schema.n_targets}")
        elif (known is None) != (names is None):
            told.notes.append(f"its targets {_nameless(names, knows)}, so they are taken by position")
        return None
    if len(known) == len(names) == 1:
        told.notes.append(f"its target is called {names[0]}, that of {knows} {known[0]}")
        return None
    if missing := [name for name in known if name not in names]:
        told.problems.append(f"targets that {knows} has are missing: {listed(missing, _SHOWN)}")
        return None
    return np.array([names.index(name) for name in known], np.int64)


def _bind_labels(
    schema: Schema, names: tuple[str, ...] | None, n_classes: int, told: _Differences, knows: str
) -> Labels | None:
    known = schema.class_names
    if known == names or (known is None and names is None):
        return None
    if names is None and known is not None:
        if (values := _as_numbers(known)) is not None:
            order = np.argsort(values)
            return Labels(values[order], order)
        told.notes.append(
            f"its classes have no names, so labels are numbers of the classes of {knows}: {listed(known, _SHOWN)}"
        )
        return None
    if known is None:
        if names is not None and len(names) > n_classes:
            told.problems.append(f"{len(names)} classes, {knows} has {n_classes}")
        told.notes.append(f"the classes of {knows} have no names, so labels are taken by position")
        return None
    names = names or ()
    if strange := [name for name in names if name not in known]:
        told.problems.append(
            f"classes that {knows} does not know: {listed(strange, _SHOWN)}; it knows {listed(known, _SHOWN)}"
        )
        return None
    values = np.arange(len(names), dtype=np.float64)
    return Labels(values, np.array([known.index(name) for name in names], np.int64))


def _as_numbers(names: Iterable[str]) -> NDArray[np.float64] | None:
    """Return labels that are the text of whole numbers as these numbers, else None."""
    try:
        values = np.array([float(name) for name in names])
    except ValueError:
        return None
    return values if np.isfinite(values).all() and len(set(values.tolist())) == len(values) else None
