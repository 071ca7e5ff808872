"""Tables whose reader gives rows of Python values, held as columns of text: sheets and ARFF."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.sources.tables.table import Table, column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_BLOCK_ROWS = 2**14


def table_of_rows(
    path: Path,
    source: str,
    names: Sequence[str],
    rows: Callable[[], Iterable[Sequence[str | None]]],
    locate: Callable[[Sequence[int]], list[str]],
    *,
    where: str,
    notes: tuple[str, ...] = (),
    categories: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """Return a table of rows that a function gives anew each time.

    Parameters
    ----------
    path : Path
    source : str
        The kind of file, for messages.
    rows : callable
        Returns the cells of each row, None for a missing one.
    locate : callable
        Returns where rows are, for messages.
    where : str
        The place of the names.
    notes : tuple of str
        Lines for the user.
    categories : mapping, optional
        Of columns whose categories are known.
    """
    found, unnamed = column_names(path, names, where)

    def blocks(positions: Sequence[int], _numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        import pyarrow as pa

        block: list[Sequence[str | None]] = []
        for row in rows():
            block.append(row)
            if len(block) == _BLOCK_ROWS:
                yield [pa.array([r[i] for r in block], pa.string()) for i in positions]
                block = []
        if block:
            yield [pa.array([r[i] for r in block], pa.string()) for i in positions]

    return Table(path, source, found, unnamed, blocks, locate, notes, categories or {})


def text_of(value: object) -> str | None:
    """Return a value of a sheet as the text of a cell; whole floats lose their point, as sheets show them."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value.total_seconds()) if isinstance(value, timedelta) else str(value)
