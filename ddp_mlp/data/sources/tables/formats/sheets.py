"""Workbooks of Excel and LibreOffice, read by calamine: an extra, imported where one is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddp_mlp.data.sources.tables.formats.cell_rows import table_of_rows, text_of
from ddp_mlp.data.sources.tables.text.header import is_header
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.tables.table import Table

#: Of a workbook, which is held as a whole.
_MOST_BYTES = 2**28
#: Rows that tell whether the first holds names.
_LOOKED_AT = 1000


def read_sheet(path: Path, sheet: str | None, has_header: bool | None) -> Table:
    """Open one sheet of a workbook; its first row that is filled holds the names.

    Raises
    ------
    MissingInputError
        If calamine is not installed.
    UsageError
        If there is no such sheet, or there are several and none is named.
    DataError
        If the file is damaged or the sheet no table.
    """
    book = _open(path)
    names = book.sheet_names
    if not names:
        raise DataError(f"{path}: a workbook without sheets; is it damaged?")
    if sheet is not None and sheet not in names:
        raise UsageError(f"{path}: no sheet {sheet!r}; the sheets are {listed(names)}")
    chosen, cells, first = _first_table(path, book, names if sheet is None else [sheet])
    notes = [] if sheet or len(names) == 1 else [f"sheet {shown(chosen)} of {listed(names)}; --sheet names another"]
    header = [text or "" for text in cells[first]]
    start = first + 1
    rows = [[cell or "" for cell in row] for row in cells[start : start + _LOOKED_AT]]
    named = is_header(path, first + 1, header, rows) if has_header is None else has_header
    if not named:
        header, start = [f"column {i + 1}" for i in range(len(header))], first
        if has_header is None:
            notes.append(f"row {first + 1} is no names, so columns are called 'column 1' to 'column {len(header)}'")
    if first:
        notes.append(f"the {first} rows before row {first + 1} are left out")
    places = [i for i in range(start, len(cells)) if any(v is not None for v in cells[i])]

    def locate(rows: Sequence[int]) -> list[str]:
        return [f"row {places[row] + 1}" for row in rows]

    return table_of_rows(
        path,
        f"Excel {path.name}",
        header,
        lambda: (cells[i] for i in places),
        locate,
        where=f"row {first + 1}",
        notes=tuple(notes),
    )


def _first_table(path: Path, book: Any, names: Sequence[str]) -> tuple[str, list[list[str | None]], int]:
    """Return the first sheet that has a table, its cells, and the row where the table begins."""
    for name in names:
        cells = _cells(path, book, name)
        first = next((i for i, row in enumerate(cells) if sum(v is not None for v in row) > len(row) // 2), None)
        if first is not None and len(cells[first]) > 1:
            return name, cells, first
    raise DataError(f"{path}: sheet {listed([shown(name) for name in names])} has no table of two or more columns")


def _open(path: Path) -> Any:
    try:
        import python_calamine
    except ImportError as error:
        raise MissingInputError(
            f"{path}: reading workbooks needs python-calamine; pip install 'ddp-mlp[excel]', or save the sheet as CSV"
        ) from error
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"{path}: a workbook of more than {_MOST_BYTES / 2**20:.0f} MiB; save the sheet as CSV")
    try:
        return python_calamine.load_workbook(path)
    except Exception as error:  # calamine has no root of its errors
        raise DataError(f"{path}: no workbook that can be read ({' '.join(str(error).split())[:200]})") from error


def _cells(path: Path, book: Any, sheet: str) -> list[list[str | None]]:
    try:
        rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except Exception as error:
        raise DataError(
            f"{path}: sheet {shown(sheet)} cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error
    return [[text_of(value) for value in row] for row in rows]
