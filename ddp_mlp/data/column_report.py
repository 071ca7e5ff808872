"""The columns of a data set one by one: ranges, gaps, and those that tell the target or the number of the row.

Whether a column tells the target is measured on up to 20,000 rows, without a model: rows are put in the order of the
column, and a target is known if that of a neighbour is the same label, or far nearer than in a random order. So the
relation may have any form, and a column in which each row differs tells nothing by that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Rows
    from ddp_mlp.data.schema import Schema

    Floats = NDArray[np.float64]

_MOST_ROWS, _MOST_NUMBERS = 20_000, 2**23
_FEWEST_ROWS = 40
#: Of the distances in a random order: as near as this is known.
_NEAR = 0.1
#: A column tells the target if it makes so many of those known that are not by chance.
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class ColumnReport:
    """The values of one feature in the rows of a split.

    Attributes
    ----------
    name : str
        Its name, or number.
    low, high : float or None
        Range of the finite values; None where there are none.
    n_missing : int
        Values that are NaN.
    """

    name: str
    low: float | None
    high: float | None
    n_missing: int


@dataclass
class Sample:
    """Some rows of a split, spread evenly over it, and the gaps of all.

    Attributes
    ----------
    n_rows : int
        Of the split.
    n_features : int
    """

    n_rows: int
    n_features: int
    _parts: list[tuple[Floats, Floats]] = field(default_factory=list)
    _seen: int = 0
    _missing: Any = 0

    def add(self, rows: Rows) -> None:
        """Take in the next rows of the split."""
        most = max(1, min(_MOST_ROWS, _MOST_NUMBERS // max(1, self.n_features)))
        step = -(-self.n_rows // most)
        first = -self._seen % step
        self._seen += len(rows.features)
        self._missing = self._missing + np.isnan(rows.features).sum(axis=0)
        self._parts.append((rows.features[first::step].astype(np.float64), rows.targets[first::step]))

    def telling(self, schema: Schema) -> list[str]:
        """Return the columns that nearly determine the target, if there are others too."""
        features, targets = self._all()
        columns = _columns(schema)
        if len(columns) < 2 or len(features) < _FEWEST_ROWS or not targets.shape[1]:
            return []
        # Files are often sorted by their targets, so that equal values would have like neighbours.
        mixed = np.random.default_rng(0).permutation(len(features))
        features, targets = features[mixed], targets[mixed]
        labels = schema.task != "regression"
        targets = targets if labels else _ranks(targets)
        return [name for name, places in columns.items() if _tells(features[:, places], targets, labels=labels)]

    def counting(self, schema: Schema) -> list[str]:
        """Return the columns of whole numbers that rise, or fall, from row to row: ids, or times."""
        features, _ = self._all()
        if len(features) < _FEWEST_ROWS:
            return []
        steps = np.diff(features, axis=0)
        is_whole = (features == np.floor(features)).all(axis=0)
        found = is_whole & ((steps > 0).all(axis=0) | (steps < 0).all(axis=0))
        names = schema.feature_names or tuple(map(str, range(self.n_features)))
        return [names[i] for i in np.flatnonzero(found)]

    def reports(self, schema: Schema, low: NDArray[Any], high: NDArray[Any]) -> list[ColumnReport]:
        """Return a report for each feature, from the range of all its values: arrays of shape (F,)."""
        names = schema.feature_names or tuple(map(str, range(self.n_features)))
        return [
            ColumnReport(name, _finite(least), _finite(most), int(n))
            for name, least, most, n in zip(names, low, high, np.broadcast_to(self._missing, len(names)), strict=True)
        ]

    def _all(self) -> tuple[Floats, Floats]:
        features, targets = zip(*self._parts, strict=True)
        return np.concatenate(features), np.concatenate(targets)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None  # JSON has no NaN


def _columns(schema: Schema) -> dict[str, list[int]]:
    """Return the places of each column of the table behind the features; features that come from none are their own."""
    names = schema.feature_names or tuple(map(str, range(schema.n_features)))
    places = {name: i for i, name in enumerate(names)}
    made = {feature for column in schema.columns for feature in column.features}
    columns = {c.name: [places[f] for f in c.features if f in places] for c in schema.columns if c.kind != "date"}
    return columns | {name: [i] for name, i in places.items() if name not in made}


def _order(columns: Floats) -> NDArray[np.int64]:
    """Return rows in the order of a column, or of the category that several stand for."""
    if columns.shape[1] == 1:
        return np.argsort(columns[:, 0], kind="stable")
    codes = np.unique(np.nan_to_num(columns, nan=-1.0), axis=0, return_inverse=True)[1]
    return np.argsort(codes.reshape(-1), kind="stable")


def _ranks(targets: Floats) -> Floats:
    """Return each quantity as its place among the different ones, so that a few far ones do not decide."""
    return np.column_stack([np.unique(t, return_inverse=True)[1].reshape(-1) for t in targets.T]).astype(np.float64)


def _distances(targets: Floats, order: NDArray[np.int64]) -> Floats:
    """Return how far each target is from the nearer one of its two neighbours."""
    steps = np.abs(np.diff(targets[order], axis=0))
    edge = np.full((1, targets.shape[1]), np.inf)
    return np.minimum(np.concatenate([edge, steps]), np.concatenate([steps, edge]))


def _tells(columns: Floats, targets: Floats, *, labels: bool) -> bool:
    by_chance = _distances(targets, np.arange(len(targets)))
    near = np.zeros(targets.shape[1]) if labels else _NEAR * np.median(by_chance, axis=0)
    if not labels and not (near > 0).all():
        return False
    base = (by_chance <= near).mean(axis=0)
    known = (_distances(targets, _order(columns)) <= near).mean(axis=0)
    return bool((known - base >= _NEARLY_ALL * (1 - base)).all() and (base < 1).all())
