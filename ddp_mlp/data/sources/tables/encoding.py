"""Blocks of cells turned into rows of numbers, as columns and targets say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.data.sources.source import BLOCK_ROWS
from ddp_mlp.data.sources.tables.cells import (
    PLAIN,
    cleaned,
    different,
    filled,
    numbers_of,
    plain_numbers,
    times_of,
)
from ddp_mlp.data.sources.tables.dates import encode_dates
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    """

    table: Table
    columns: tuple[Column, ...]
    targets: Targets | None
    weights: str | None = None
    split_by: str | None = None

    @property
    def n_features(self) -> int:
        """Feature columns of all columns."""
        return sum(len(column.features) for column in self.columns)

    def _plain(self) -> list[str]:
        """Return the columns that are read as plain numbers."""
        targets = self.targets
        forms = zip(targets.names, targets.forms, strict=True) if targets and targets.classes is None else ()
        return [
            *(c.name for c in self.columns if _is_plain(c)),
            *(name for name, form in forms if form == (PLAIN, False)),
        ]

    def blocks(self) -> Iterator[tuple[str, Rows]]:
        """Yield the rows that have a target, in order."""
        target_names = self.targets.names if self.targets else ()
        names = [*(c.name for c in self.columns), *target_names, *filter(None, (self.weights, self.split_by))]
        step = max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // max(1, self.n_features)))
        for block in self.table.blocks(self.table.positions(names), self.table.positions(self._plain())):
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
        for split in dict.fromkeys(splits[keep].tolist()):
            mask = keep & (splits == split)
            chosen = slice(None) if mask.all() else mask
            yield split, Rows(features[chosen], targets[chosen], None if weights is None else weights[chosen])

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
        for block in self.table.blocks(self.table.positions(names)):
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


def encode_column(table: Table, column: Column, cells: Any, out: Floats) -> None:
    """Write the feature columns of some cells into `out`, shape (n, F of the column).

    Raises
    ------
    DataError
        If a cell is not of the column's kind, or of none of its categories.
    """
    if column.missing == "indicator" and column.features[-1] == f"{column.name}=missing":
        out[:, -1] = ~filled(cells)
        out = out[:, :-1]
    if _is_plain(column):
        numbers = plain_numbers(cells)
        if numbers is None:
            clean = cleaned(cells)
            raise _not_of(table, column, clean, np.isnan(numbers_of(clean, PLAIN)))
        out[:, 0] = numbers
        return
    texts, codes = different(cells)
    np.take(_encoded(table, column, cleaned(texts), out.shape[1]), codes, axis=0, out=out)


def _is_plain(column: Column) -> bool:
    return column.encoding == "number" and column.form == PLAIN and column.unit is None


def _encoded(table: Table, column: Column, clean: Any, width: int) -> Floats:
    """Return the feature columns of cleaned cells that are all different."""
    missing = clean.is_null().to_numpy(zero_copy_only=False)
    if column.kind == "category":
        codes = category_codes(clean, column.categories)
        _require(table, column, clean, (codes < 0) & ~missing)
        return _spread(column, codes, missing, width)
    if column.kind == "date":
        times = times_of(clean, column.form)
        _require(table, column, clean, times.is_null().to_numpy(zero_copy_only=False) & ~missing)
        return encode_dates(times, column.features[:width])
    numbers = numbers_of(clean, column.form, decorated=True)
    _require(table, column, clean, np.isnan(numbers) & ~missing)
    return numbers[:, None]


def _spread(column: Column, codes: NDArray[np.int64], missing: NDArray[np.bool_], width: int) -> Floats:
    out = np.zeros((len(codes), width))
    if column.encoding == "ordinal":
        out[:, 0] = codes
    else:
        rows = np.flatnonzero(~missing)
        out[rows, codes[rows]] = 1.0
    out[missing] = np.nan
    return out


def category_codes(clean: Any, categories: Sequence[str]) -> NDArray[np.int64]:
    """Return the position of each cell among the categories, -1 where it is none of them."""
    import pyarrow as pa
    from pyarrow import compute as pc

    codes = pc.index_in(clean, pa.array(categories, pa.string()), skip_nulls=True)
    return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _require(table: Table, column: Column, clean: Any, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        raise _not_of(table, column, clean, wrong)


def _not_of(table: Table, column: Column, clean: Any, wrong: NDArray[np.bool_]) -> DataError:
    found = list(dict.fromkeys(clean.filter(np.asarray(wrong)).drop_null().to_pylist()))
    what = "categories" if column.kind == "category" else f"{column.kind}s"
    return DataError(
        f"{table.path}: column {shown(column.name)} holds {listed(found, 8)}, none of its {what}; mend such cells"
    )


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
