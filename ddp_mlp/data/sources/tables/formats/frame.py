"""DataFrames of any library as tables, so that a column means what it does in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.memory.array_likes import unmasked
from ddp_mlp.data.sources.tables.formats.columnar import as_cells, told_of_types
from ddp_mlp.data.sources.tables.table import Table, column_names
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_BATCH_ROWS = 2**16


def is_frame(value: object) -> bool:
    """Tell whether a value is a DataFrame of pandas, polars or another library, or a table of Arrow."""
    speaks = hasattr(value, "__arrow_c_stream__") or hasattr(value, "__dataframe__")
    return speaks and (hasattr(value, "columns") or hasattr(value, "column_names"))


def column_names_of(frame: Any) -> list[str]:
    """Return the names of the columns of a DataFrame, as text."""
    return [str(name) for name in (frame.column_names if hasattr(frame, "column_names") else frame.columns)]


def read_frame(frame: Any, where: str, beside: Mapping[str, Any], *, replaces: bool = False) -> Table:
    """Return a DataFrame as a table; its index is no column.

    Parameters
    ----------
    where : str
        Its name in messages.
    beside : dict of str to array-like
        Further columns, shape (n,).
    replaces : bool
        Whether they take the place of columns of the same name, which is a mistake otherwise.

    Raises
    ------
    DataError
        If columns are no cells of a table, called alike, or not of one length.
    """
    import pyarrow as pa

    own = column_names_of(frame)
    more = [name for name in beside if not (replaces and name in own)]
    names, unnamed = column_names(Path(where), [*own, *more], "the DataFrame")
    try:
        table = _with_columns(_as_arrow(frame), beside, where)
    except (pa.ArrowException, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{where}: its columns cannot be read as those of a table ({reason})") from error
    if nested := [f.name for f in table.schema if pa.types.is_nested(f.type) or pa.types.is_binary(f.type)]:
        raise DataError(f"{where}: columns {listed(nested, 8)} hold lists, records or bytes, which are no cells")

    def blocks(positions: Sequence[int], numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        for batch in table.to_batches(_BATCH_ROWS):
            if batch.num_rows:
                yield [as_cells(batch.column(i), as_numbers=i in numbers) for i in positions]

    def rows(numbers: Sequence[int]) -> list[str]:
        return [f"row {number}" for number in numbers]

    return Table(Path(where), "a DataFrame", names, unnamed, blocks, rows, told_of_types(table.schema))


def _with_columns(table: Any, beside: Mapping[str, Any], where: str) -> Any:
    """Return a table with further columns, in the place of those of the same name."""
    for name, values in beside.items():
        column = _as_array(values)
        if len(column) != table.num_rows:
            raise DataError(f"{where}: {table.num_rows} rows, but {name} has {len(column)}; one for each row is needed")
        place = table.column_names.index(name) if name in table.column_names else table.num_columns
        kept = table.remove_column(place) if place < table.num_columns else table
        table = kept.add_column(place, name, column)
    return table


def _as_arrow(frame: Any) -> Any:
    import pyarrow as pa

    if type(frame).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(frame.set_axis(column_names_of(frame), axis=1), preserve_index=False)
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    return pa.interchange.from_dataframe(frame)


def _as_array(values: Any) -> Any:
    import pyarrow as pa

    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    array = np.asarray(unmasked(values))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    array = array.astype(object) if array.dtype.kind == "T" else array
    return pa.array(array, from_pandas=True)
