"""Rows of a table of epochs for those who ask: so many after an epoch, or so many that stand for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ddp_mlp.plain_files import open_plain
from ddp_mlp.service.running.watching import row_of

Cells = list[float | None]

#: Rows of one answer.
MOST_ROWS = 10_000
#: Bytes of the longest line, and of a table that is read whole to choose rows of it.
_LINE, _WHOLE = 2**16, 2**22


def rows_since(path: Path, since: int, most: int = MOST_ROWS) -> tuple[list[str], list[Cells], bool]:
    """Return the columns of a table, the first rows after an epoch, and whether there are more."""
    columns, rows = list[str](), list[Cells]()
    with suppress(OSError), open_plain(path) as file:
        columns = _columns(file)
        for line in iter(lambda: file.readline(_LINE), b""):
            epoch = line.partition(b",")[0]
            if not epoch.isdigit() or len(epoch) > 18 or int(epoch) <= since:  # cheap: of a million rows few are wanted
                continue
            if len(rows) == most:
                return columns, rows, True
            rows += _cells(columns, line)
    return columns, rows, False


def rows_of_all(path: Path, most: int = MOST_ROWS) -> tuple[list[str], list[Cells]]:
    """Return the columns of a table, and rows that are evenly spread over it, the last one among them."""
    columns, rows = list[str](), list[Cells]()
    with suppress(OSError), open_plain(path) as file:
        columns = _columns(file)
        begin, end = file.tell(), os.fstat(file.fileno()).st_size
        if end <= _WHOLE:
            found = file.read(_WHOLE).splitlines(keepends=True)
            n = len(found)
            lines = iter(found if n <= most else [found[(i + 1) * n // most - 1] for i in range(most)])
        else:
            lines = _spread(file, begin, end, most)
        for line in lines:
            rows += _cells(columns, line)
    return columns, rows


def _columns(file: BinaryIO) -> list[str]:
    return file.readline(2**20).decode("latin-1").strip().split(",")


def _cells(columns: list[str], line: bytes) -> list[Cells]:
    """Return the row of a line, none for one that is no whole row."""
    row = row_of(columns, line.decode("latin-1").strip()) if line.endswith(b"\n") else None
    return [] if row is None else [list(row.values())]


def _spread(file: BinaryIO, begin: int, end: int, most: int) -> Iterator[bytes]:
    """Yield the lines after places that are evenly spread, and the last line."""
    last = begin
    for i in range(most - 1):
        place = begin + (end - begin) * i // max(most - 1, 1)
        if place >= last:
            file.seek(place)
            if i:
                file.readline(_LINE)
            yield file.readline(_LINE)
            last = file.tell()
    file.seek(max(end - _LINE, last))
    yield from file.read(_LINE).splitlines(keepends=True)[-1:]
