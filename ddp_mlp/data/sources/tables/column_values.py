"""Cells of one column turned into its feature columns; each different text is looked at once a block.

Parts of dates that repeat become points on a circle, so that December is next to January.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import cleaned, different, filled, numbers_of, plain_numbers, times_of
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.table import Table

    Floats = NDArray[np.float64]


#: Parts of a date, each with the feature columns that it makes.
_YEAR, _YEARDAY, _WEEKDAY, _CLOCK = "year", "yearday", "weekday", "clock"
_DAY_S = 86400
_YEAR_DAYS = 365.2425


def has_days(form: str) -> bool:
    """Tell whether a format of dates has more than the time of the day."""
    return not form.startswith(("%H", "%I"))


def date_features(name: str, form: str, *, has_clock: bool) -> tuple[str, ...]:
    """Return the names of the feature columns of a date.

    Examples
    --------
    >>> date_features("t", "%H:%M", has_clock=True)
    ('t.clock_sin', 't.clock_cos')
    """
    has_date = has_days(form)
    parts = [_YEARDAY, _WEEKDAY] * has_date + [_CLOCK] * has_clock
    circles = tuple(f"{name}.{part}_{wave}" for part in parts for wave in ("sin", "cos"))
    return (f"{name}.{_YEAR}", *circles) if has_date else circles


def encode_dates(times: Any, features: tuple[str, ...]) -> NDArray[np.float64]:
    """Return timestamps as features: shape (n, number of `features`); NaN where one is null."""
    missing = times.is_null().to_numpy(zero_copy_only=False)
    seconds = times.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    days = seconds.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    turns = {
        _YEARDAY: (days - years.astype("datetime64[D]")).astype(np.float64) / _YEAR_DAYS,
        _WEEKDAY: (days.astype(np.int64) + 3) % 7 / 7.0,  # 1970 began on a Thursday; Monday is 0
        _CLOCK: (seconds - days).astype(np.float64) / _DAY_S,
    }
    out = np.empty((len(seconds), len(features)))
    for i, feature in enumerate(features):
        part, _, wave = feature.rpartition(".")[2].partition("_")
        if part == _YEAR:
            out[:, i] = years.astype(np.int64) + 1970
        else:
            out[:, i] = (np.sin if wave == "sin" else np.cos)(2 * np.pi * turns[part])
    out[missing] = np.nan
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
