"""ARFF, the format of Weka and OpenML: attributes with types, then rows as in CSV.

Source: Weka's description of the format. Sparse rows and relational attributes are refused.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.tables.formats.cell_rows import table_of_rows
from ddp_mlp.data.sources.tables.text.plain_text import ByteStream, PlainText, look_at
from ddp_mlp.data.sources.tables.words import shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.tables.table import Table

_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.*)""", re.I | re.S)
_MOST_HEADER_LINES = 1_000_000


@dataclass(frozen=True)
class _Header:
    names: list[str]
    categories: dict[str, tuple[str, ...]]
    n_lines: int


def read_arff(path: Path, encoding: str | None) -> Table:
    """Open an ARFF file.

    Raises
    ------
    DataError
        If it is none, or has sparse rows.
    """
    text = look_at(path, encoding)
    header = _header(path, text)

    def rows() -> Iterator[Sequence[str | None]]:
        return (row for _, row in _rows(path, text, header))

    def locate(wanted: Sequence[int]) -> list[str]:
        found = {i: line for i, (line, _) in enumerate(islice(_rows(path, text, header), max(wanted) + 1))}
        return [f"line {found[row]}" for row in wanted]

    return table_of_rows(
        path, f"ARFF {path.name}", header.names, rows, locate, where="its attributes", categories=header.categories
    )


def _lines(text: PlainText) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(ByteStream(text.chunks())), "utf-8", newline="")


def _header(path: Path, text: PlainText) -> _Header:
    names: list[str] = []
    categories: dict[str, tuple[str, ...]] = {}
    for number, raw in enumerate(islice(_lines(text), _MOST_HEADER_LINES), 1):
        line = raw.strip()
        if line.lower().startswith("@data"):
            return _Header(names, categories, number)
        if not line.lower().startswith("@attribute"):
            continue
        found = _ATTRIBUTE.fullmatch(line)
        if found is None or found[2].strip().lower().startswith("relational"):
            raise DataError(f"{path}: line {number}: {shown(line)} is no attribute that a table has")
        name, kind = _unquoted(found[1]), found[2].strip()
        names.append(name)
        if kind.startswith("{"):
            categories[name] = tuple(_split(kind.strip("{}")))
    raise DataError(f"{path}: no line @data after the attributes; is it ARFF?")


def _rows(path: Path, text: PlainText, header: _Header) -> Iterator[tuple[int, list[str | None]]]:
    for number, raw in enumerate(_lines(text), 1):
        line = raw.strip()
        if number <= header.n_lines or not line or line.startswith("%"):
            continue
        if line.startswith("{"):
            raise DataError(f"{path}: line {number}: sparse rows; convert them to LIBSVM or to full rows")
        cells = _split(line)
        if len(cells) != len(header.names):
            raise DataError(f"{path}: line {number} has {len(cells)} cells, there are {len(header.names)} attributes")
        yield number, [None if cell == "?" else cell for cell in cells]


def _split(line: str) -> list[str]:
    """Return the cells of a line; either quote may stand around one."""
    quote = "'" if "'" in line and '"' not in line else '"'
    separator = "\t" if "\t" in line and "," not in line else ","
    reader = csv.reader([line], delimiter=separator, quotechar=quote, escapechar="\\", skipinitialspace=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise DataError(f"{shown(line)} is no row of ARFF ({error})") from error
    return [cell.strip() for cell in cells]


def _unquoted(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name[:1] in "'\"" and len(name) > 1 else name
