"""Binding the targets of a file to a schema: quantities by name, labels as numbers of the classes that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.binding.differences import SHOWN, Differences, nameless
from ddp_mlp.data.class_values import are_booleans
from ddp_mlp.errors import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ddp_mlp.data.binding.differences import Found
    from ddp_mlp.data.schema import Schema

    Ids = NDArray[np.int64]


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


def bind_targets(schema: Schema, found: Found, told: Differences, knows: str) -> tuple[Ids | None, Labels | None, bool]:
    """Return the column of each quantity, labels as classes, and whether classes have a column of 0 and 1 each.

    Parameters
    ----------
    told : Differences
        Gets what does not fit, and what is to be said.
    """
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


def _bind_quantities(schema: Schema, found: Found, told: Differences, knows: str) -> Ids | None:
    known, names = schema.target_names, found.target_names
    if known is None or names is None or known == names:
        if found.n_targets != schema.n_targets:
            told.problems.append(f"{counted(found.n_targets, 'target')}, {knows} has {schema.n_targets}")
        elif (known is None) != (names is None):
            told.notes.append(f"its targets {nameless(names, knows)}, so they are taken by position")
        return None
    if len(known) == len(names) == 1:
        told.notes.append(f"its target is called {names[0]}, that of {knows} {known[0]}")
        return None
    if missing := [name for name in known if name not in names]:
        told.problems.append(f"targets that {knows} has are missing: {listed(missing, SHOWN)}")
        return None
    return np.array([names.index(name) for name in known], np.int64)


def _bind_labels(
    schema: Schema, names: tuple[str, ...] | None, n_classes: int, told: Differences, knows: str
) -> Labels | None:
    known, names = _comparable(schema.class_names, names, n_classes)
    if known == names:
        return None
    if names is None and known is not None:
        if (labels := labels_of(known)) is not None:
            return labels
        told.notes.append(
            f"warning: its classes have no names, so labels are numbers of the classes of {knows}:"
            f" {listed(known, SHOWN)}"
        )
        return None
    if known is None:
        if names is not None and len(names) > n_classes:
            told.problems.append(f"{counted(len(names), 'class')}, {knows} has {n_classes}")
        told.notes.append(
            f"warning: the classes of {knows} have no names, so labels are taken by position: those called"
            f" {listed(names or (), SHOWN)} for 0, 1 and so on"
        )
        return None
    names = names or ()
    if strange := [name for name in names if name not in known]:
        told.problems.append(
            f"classes that {knows} does not know: {listed(strange, SHOWN)}; it knows {listed(known, SHOWN)}"
        )
        return None
    values = np.arange(len(names), dtype=np.float64)
    return Labels(values, np.array([known.index(name) for name in names], np.int64))


def _comparable(
    known: tuple[str, ...] | None, names: tuple[str, ...] | None, n_classes: int
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Return names of classes that are known and found, numbers and booleans of both written alike."""
    if known is None and names and (numbers := labels_of(names)) is not None:  # labels 0, 1, ... are their own names
        in_order = numbers.values[np.argsort(numbers.classes)]
        return tuple(map(str, range(n_classes))), tuple(f"{value:.17g}" for value in in_order)
    if known and names and are_booleans(known):
        return tuple(name.lower() for name in known), tuple(name.lower() for name in names)
    return known, names


def labels_of(names: Iterable[str]) -> Labels | None:
    """Return the numbers or booleans that are the names of classes as labels of these; None for other texts."""
    names = tuple(names)
    value = _is_true if are_booleans(names) else float
    try:
        values = np.array([value(name) for name in names], np.float64)
    except ValueError:
        return None
    if not np.isfinite(values).all() or len(set(values.tolist())) != len(values):
        return None
    order = np.argsort(values)
    return Labels(values[order], order)


def _is_true(name: str) -> bool:
    return name.lower() == "true"
