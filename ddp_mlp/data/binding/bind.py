"""Binding a file to a schema: which of its columns, targets and labels are those that a model knows.

Names decide where both sides have them. Where one side has none, position does, and that is said. Whatever does not
fit is one error that lists all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.binding.differences import SHOWN, Differences, nameless
from ddp_mlp.data.binding.targets import Labels, bind_targets
from ddp_mlp.data.rows import Rows
from ddp_mlp.errors import DataError, counted, listed, with_hints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.binding.differences import Found
    from ddp_mlp.data.schema import Schema

    Ids = NDArray[np.int64]

#: A feature that no column of the file gives: 0 in every row.
ABSENT = -1
_WARNING = "warning: "


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
    told = Differences()
    features = _bind_features(schema, found, told, knows)
    targets, labels, one_hot = bind_targets(schema, found, told, knows) if found.n_targets else (None, None, False)
    if told.problems:
        raise DataError(f"{where} does not fit {knows}: {'; '.join(told.problems)}")
    return Binding(features, targets, labels, one_hot, tuple(_placed(note, where) for note in told.notes))


def _placed(note: str, where: str) -> str:
    """Return a note with the file or split that it is about; whoever tells it sees a warning by its first word."""
    warning = _WARNING if note.startswith(_WARNING) else ""
    return f"{warning}{where}: {note.removeprefix(_WARNING)}"


def _bind_features(schema: Schema, found: Found, told: Differences, knows: str) -> Ids | None:
    known, names = schema.feature_names, found.feature_names
    if known is None or names is None or known == names:
        if found.n_features != schema.n_features:
            told.problems.append(f"{counted(found.n_features, 'feature')}, {knows} has {schema.n_features}")
        elif (known is None) != (names is None):
            told.notes.append(f"its columns {nameless(names, knows)}, so features are taken by position")
        return None
    for whose, each in ((knows, known), ("it", names)):
        if twice := sorted({name for name in each if each.count(name) > 1}) if len(set(each)) < len(each) else []:
            told.problems.append(f"{whose} has several columns called {listed(twice, SHOWN)}")
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


def _tell_missing(missing: list[str], unknown: list[str], told: Differences, knows: str) -> None:
    if missing:
        told.problems.append(f"columns that {knows} needs are missing: {with_hints(missing, unknown, SHOWN)}")


def _tell_unknown(
    unknown: list[str], categorical: set[str], found: Found, at: dict[str, int], told: Differences
) -> None:
    categories = [name for name in unknown if "=" in name and name.partition("=")[0] in categorical]
    held = [(name, found.rows_with(at[name])) for name in categories]
    if strange := [f"{name} ({counted(n, 'row')})" for name, n in held if n]:
        told.problems.append(f"categories that are unknown: {listed(strange, SHOWN)}")
    if others := [name for name in unknown if name not in categories]:
        words = f"columns that are not used: {listed(others, SHOWN)}"
        (told.problems if told.problems else told.notes).append(words)
