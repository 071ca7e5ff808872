"""Cells of one column turned into its feature columns; each different text is looked at once a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.tables.cells import PLAIN, cleaned, different, filled, numbers_of, plain_numbers, times_of
from ddp_mlp.data.sources.tables.dates import encode_dates
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.table import Table

    Floats = NDArray[np.float64]


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
    if is_plain(column):
        numbers = plain_numbers(cells)
        if numbers is None:
            clean = cleaned(cells)
            raise _not_of(table, column, clean, np.isnan(numbers_of(clean, PLAIN)))
        out[:, 0] = numbers
        return
    texts, codes = different(cells)
    np.take(_encoded(table, column, cleaned(texts), out.shape[1]), codes, axis=0, out=out)


def is_plain(column: Column) -> bool:
    """Tell whether cells are plain numbers, so that a reader may give them as such."""
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
