"""ARFF, the format of Weka and OpenML: attributes with types, then rows as in CSV.

Source: Weka's description of the format. Sparse rows and relational attributes are refused.
"""

from __future__ import annotations

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
_QUOTES = {"'", '"', "\\"}
_ESCAPED, _ESCAPES = re.compile(r"\\(.)", re.S), {"n": "\n", "t": "\t", "r": "\r"}
#: A cell: in quotes of either kind, or as it stands, up to a separator.
_CELLS = {
    sign: re.compile(
        rf"""\s*(?:'((?:[^'\\]|\\.)*)'\s*|"((?:[^"\\]|\\.)*)"\s*|((?!\s*['"])[^{sign}]*))({sign}|$)""", re.S
    )
    for sign in (",", "\t")
}
#: Categories, and a comment behind them.
_BRACES = re.compile(r"""\{((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^}'"])*)\}\s*(?:%.*)?""", re.S)
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
            inner = _BRACES.fullmatch(kind)
            cells = _split(inner[1] if inner else kind.strip("{}"), f"{path}: line {number}")
            categories[name] = tuple(cells)
    raise DataError(f"{path}: no line @data after the attributes; is it ARFF?")


def _rows(path: Path, text: PlainText, header: _Header) -> Iterator[tuple[int, list[str | None]]]:
    for number, raw in enumerate(_lines(text), 1):
        line = raw.strip()
        if number <= header.n_lines or not line or line.startswith("%"):
            continue
        if line.startswith("{"):
            raise DataError(f"{path}: line {number}: sparse rows; convert them to LIBSVM or to full rows")
        cells = _split(line, f"{path}: line {number}")
        if len(cells) != len(header.names):
            raise DataError(f"{path}: line {number} has {len(cells)} cells, there are {len(header.names)} attributes")
        yield number, [None if cell == "?" else cell for cell in cells]


def _split(line: str, where: str) -> list[str]:
    """Return the cells of a line; either quote may stand around one, and a backslash before a letter within it."""
    separator = "\t" if "\t" in line and "," not in line else ","
    if not _QUOTES & set(line):
        return [cell.strip() for cell in line.split(separator)]
    cells, place = [], 0
    while True:
        found = _CELLS[separator].match(line, place)
        if found is None:
            raise DataError(f"{where}: {shown(line[place:])} is no cell of ARFF; check its quotes")
        cells.append(found[3].strip() if found[3] is not None else _unescaped(found[1] or found[2] or ""))
        if found.end() == len(line) and not found[4]:
            return cells
        place = found.end()


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _unquoted(name: str) -> str:
    return _unescaped(name[1:-1]) if name[:1] in "'\"" and len(name) > 1 else name
