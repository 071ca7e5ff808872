"""Blocks of cells turned into rows of numbers, as columns and targets say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.source import BLOCK_ROWS
from ddp_mlp.data.sources.tables.cells import cleaned, filled, numbers_of, plain_numbers
from ddp_mlp.data.sources.tables.column_values import category_codes, encode_column, is_plain
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.table import Table
    from ddp_mlp.data.sources.tables.targets import Targets

    Floats = NDArray[np.float64]

#: Numbers of a block of rows, unless a single row has more.
_BLOCK_NUMBERS = 2**23
#: What a column that tells the splits may say, in lower case.
SPLITS = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """How the rows of a table become numbers.

    Attributes
    ----------
    table : Table
        Where cells come from.
    columns : tuple of Column
        The features, in order.
    targets : Targets or None
        None where rows have none.
    weights, split_by : str or None
        Further columns.
    ids : tuple of str
        Columns that are kept as they are written.
    """

    table: Table
    columns: tuple[Column, ...]
    targets: Targets | None
    weights: str | None = None
    split_by: str | None = None
    ids: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """Feature columns of all columns."""
        return sum(len(column.features) for column in self.columns)

    def _plain(self) -> list[str]:
        """Return the columns that are read as plain numbers."""
        targets = self.targets
        forms = zip(targets.names, targets.forms, strict=True) if targets and targets.classes is None else ()
        return [
            *(c.name for c in self.columns if is_plain(c)),
            *(name for name, form in forms if form == (PLAIN, False)),
        ]

    def blocks(self) -> Iterator[tuple[str, Rows]]:
        """Yield the rows that have a target, in order."""
        target_names = self.targets.names if self.targets else ()
        names = [
            *(c.name for c in self.columns),
            *target_names,
            *filter(None, (self.weights, self.split_by)),
            *self.ids,
        ]
        step = max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // max(1, self.n_features)))
        for block in self.table.cells(self.table.positions(names), self.table.positions(self._plain())):
            for start in range(0, len(block[0]), step):
                cells = {name: array.slice(start, step) for name, array in zip(names, block, strict=True)}
                yield from self._rows(cells)

    def _rows(self, cells: dict[str, Any]) -> Iterator[tuple[str, Rows]]:
        keep = self.kept(cells)
        features = self.features(cells)
        n = len(features)
        targets = np.zeros((n, 0)) if self.targets is None else encode_targets(self.targets, cells)
        weights = None if self.weights is None else _weights(self.table, self.weights, cells[self.weights])
        splits = np.full(n, "train") if self.split_by is None else splits_of(self.table, self.split_by, cells)
        ids = np.array([[text or "" for text in cleaned(cells[name]).to_pylist()] for name in self.ids], object).T
        for split in dict.fromkeys(splits[keep].tolist()):
            mask = keep & (splits == split)
            chosen = slice(None) if mask.all() else mask
            own = None if weights is None else weights[chosen]
            yield split, Rows(features[chosen], targets[chosen], own, ids[chosen] if self.ids else None)

    def kept(self, cells: dict[str, Any]) -> NDArray[np.bool_]:
        """Tell which rows stay: those with all targets, and with all features whose rows are to be dropped else."""
        dropping = [column.name for column in self.columns if column.missing == "drop"]
        names = [*(self.targets.names if self.targets else ()), *dropping]
        keep = np.ones(len(next(iter(cells.values()))), np.bool_)
        for name in names:
            keep &= filled(cells[name])
        return keep

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each split, after reading the columns that decide it."""
        deciding = [c.name for c in self.columns if c.missing == "drop"]
        names = [*(self.targets.names if self.targets else ()), *deciding, *filter(None, (self.split_by,))]
        names = names or [self.table.names[0]]
        found: dict[str, int] = {}
        for block in self.table.cells(self.table.positions(names)):
            cells = dict(zip(names, block, strict=True))
            keep = self.kept(cells)
            splits = (
                np.full(len(keep), "train") if self.split_by is None else splits_of(self.table, self.split_by, cells)
            )
            for split in dict.fromkeys(splits[keep].tolist()):
                found[split] = found.get(split, 0) + int((splits[keep] == split).sum())
        return {split: found[split] for split in ("train", "valid", "test") if split in found}

    def features(self, cells: dict[str, Any]) -> Floats:
        """Return the features: shape (n, F), C-contiguous; NaN where a cell is missing."""
        out = np.empty((len(cells[self.columns[0].name]), self.n_features))
        place = 0
        for column in self.columns:
            width = len(column.features)
            encode_column(self.table, column, cells[column.name], out[:, place : place + width])
            place += width
        return out


def encode_targets(targets: Targets, cells: dict[str, Any]) -> Floats:
    """Return the targets: shape (n, T); NaN or -1 in rows that have none."""
    if targets.classes is not None:
        clean = cleaned(cells[targets.names[0]])
        texts = category_codes(clean, tuple(targets.classes))
        codes = np.array([*targets.classes.values(), -1], np.float64)
        return codes[texts][:, None]
    columns = [
        _target_numbers(cells[name], form, decorated)
        for name, (form, decorated) in zip(targets.names, targets.forms, strict=True)
    ]
    out = np.column_stack(columns)
    if targets.labels is not None:
        labels = np.asarray(targets.labels)
        out = np.searchsorted(labels, np.nan_to_num(out)).astype(np.float64)
    return out


def _target_numbers(cells: Any, form: str, decorated: bool) -> Floats:
    numbers = plain_numbers(cells) if form == PLAIN and not decorated else None
    return numbers_of(cleaned(cells), form, decorated=decorated) if numbers is None else numbers


def _weights(table: Table, name: str, cells: Any) -> Floats:
    weights = plain_numbers(cells)
    if weights is None or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(
            f"{table.path}: column {shown(name)} is --weights but has cells that are no numbers of 0 or more; mend them"
        )
    return weights


def splits_of(table: Table, name: str, cells: dict[str, Any]) -> NDArray[np.str_]:
    """Return the split of each row.

    Raises
    ------
    DataError
        If a cell is no name of a split.
    """
    texts = [(text or "").lower() for text in cleaned(cells[name]).to_pylist()]
    if unknown := list(dict.fromkeys(text for text in texts if text not in SPLITS)):
        raise DataError(
            f"{table.path}: column {shown(name)} is --split-by but holds {listed(unknown, 8) or 'empty cells'}; train,"
            " valid and test are known"
        )
    return np.array([SPLITS[text] for text in texts])
