"""The columns of a file that is bound to a schema, and all in which they differ from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Names that one message lists.
SHOWN = 8


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


@dataclass
class Differences:
    """All that does not fit, gathered before any of it is said."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def nameless(names: Sequence[str] | None, knows: str) -> str:
    """Say which of two sides has no names."""
    return "have no names" if names is None else f"have names but those of {knows} have none"
