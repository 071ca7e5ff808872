"""Lines under one separator: their cells, how many most of them have, and which are comments."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

_RUN_OF_BLANKS = re.compile(r'("(?:[^"]|"")*")|[ \t]+')


@dataclass(frozen=True)
class Layout:
    """Rows of the beginning under one separator, each with the number of its first line and of the next."""

    separator: str
    rows: list[tuple[int, int, list[str]]]
    width: int
    share: float
    comments: bool


def layout_of(lines: list[str], separator: str, quote: str, escape: str | None, skip: int) -> Layout | None:
    """Read the lines under one separator; those that begin with ``#`` are comments unless they have all cells.

    Parameters
    ----------
    lines : list of str
        With their ends.
    separator, quote : str
        One character each; a blank stands for runs of blanks.
    escape : str or None
        As in `Dialect`.
    skip : int
        Lines to leave out.
    """
    commented = [line.lstrip().startswith("#") for line in lines]
    rows = _parsed(
        ["\n" if comment else line for line, comment in zip(lines, commented, strict=True)][skip:],
        separator,
        quote,
        escape,
    )
    if not rows and any(commented):
        # A list of colours, say.
        commented = [False] * len(lines)
        rows = _parsed(lines[skip:], separator, quote, escape)
    if not rows:
        return None
    width = _width(rows)
    first = skip + rows[0][0]
    emptied = [
        c and not (i > first and _n_cells(lines[i], separator, quote, escape) == width) for i, c in enumerate(commented)
    ]
    if emptied != commented:
        rows = _parsed(
            ["\n" if c else line for line, c in zip(lines, emptied, strict=True)][skip:], separator, quote, escape
        )
        width = _width(rows)
    placed = [(skip + begin, skip + after, row) for begin, after, row in rows]
    share = sum(len(row) == width for *_, row in rows) / len(rows)
    return Layout(separator, placed, width, share, any(emptied))


def _width(rows: list[tuple[int, int, list[str]]]) -> int:
    """Return the number of cells that most rows have; of equals that of the first row."""
    widths = Counter(len(row) for *_, row in rows)
    return max(widths, key=lambda width: (widths[width], width == len(rows[0][2])))


def _n_cells(line: str, separator: str, quote: str, escape: str | None) -> int:
    rows = _parsed([line], separator, quote, escape)
    return len(rows[0][2]) if rows else 0


def _parsed(lines: list[str], separator: str, quote: str, escape: str | None) -> list[tuple[int, int, list[str]]]:
    """Return the rows that hold something, each with its first line and the next, up to a quote that does not fit."""
    if separator == " ":
        lines = [_RUN_OF_BLANKS.sub(lambda m: m[1] or "\t", line.strip()) + "\n" for line in lines]
        separator = "\t"
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, escapechar=escape, strict=True)
    rows = []
    start = 0
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append((start, reader.line_num, row))
            start = reader.line_num
    except csv.Error:
        # What came before a quote that is not closed, or that something follows, decides.
        return rows
    return rows
