"""How a text writes a table: its separator, what comes before the rows, and the names of the columns.

Each separator is tried on the beginning of the text; the one under which most lines, the first
among them, have the same number of cells is taken, of equals the one that leaves more numbers
whole, then the one with more cells. So a decimal comma between semicolons is no separator, and a
ragged line does not hide one.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.tables.text.header import is_counts, is_header, is_number
from ddp_mlp.data.sources.tables.text.layout import Layout, layout_of
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError, UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEPARATORS = ",;\t|"
_NAMED = {"tab": "\t", "\\t": "\t", "blank": " ", "blanks": " ", "space": " ", "comma": ",", "semicolon": ";"}
#: Lines that may come before a table.
_MOST_BEFORE = 100
_MOST_SPARSE = 20
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Dialect:
    """How a text is to be read.

    Attributes
    ----------
    separator : str
        One character; a blank stands for runs of blanks.
    quote : str
        One character.
    escape : str or None
        What keeps the next character from its meaning, beside doubled quotes.
    skip : int
        Lines before the first row, the names among them.
    names : tuple of str
        One name a column; "" where there is none.
    comments : bool
        Whether lines that begin with ``#`` are none of the rows, unless they have a cell for each column.
    notes : tuple of str
        What was decided, in words.
    """

    separator: str
    quote: str
    escape: str | None
    skip: int
    names: tuple[str, ...]
    comments: bool
    notes: tuple[str, ...] = ()


def find_dialect(path: Path, sample: str, separator: str | None, has_header: bool | None) -> Dialect:
    """Find out how a text is written.

    Parameters
    ----------
    path : Path
        For messages.
    sample : str
        Its first lines, all whole.
    separator : str or None
        Stated by the user; None finds it.
    has_header : bool or None
        Likewise.

    Raises
    ------
    UsageError
        If the stated separator is none.
    DataError
        If there is no table, or one cannot tell whether the first line is names.
    """
    _require_no_other(path, sample)
    lines = sample.splitlines(keepends=True)
    notes: list[str] = []
    stated = None if separator is None else _require_separator(separator)
    said = re.match(r"\s*sep=(.)\s*$", lines[0]) if lines else None
    if said and stated is None:
        stated = said[1]
    quote = "'" if '"' not in sample and re.search(r"(?m)(^|[,;\t|])'[^'\n]*'([,;\t|\r]|$)", sample) else '"'
    escape = "\\" if f"\\{quote}" in sample else None
    layout = _best_layout(lines, stated, quote, escape, 1 if said else 0)
    if layout is None or layout.width < 2:
        raise DataError(
            f"{path}: no table of two or more columns found; name what separates its cells with --separator"
        )
    dialect = Dialect(layout.separator, quote, escape, 0, (), layout.comments)
    return _with_names(path, lines, layout, dialect, has_header, notes)


def _require_no_other(path: Path, sample: str) -> None:
    """Refuse an empty file, and pages that lie in the place of a table when fetching it went wrong."""
    start = sample.lstrip()[:100].lower()
    if not start:
        raise DataError(f"{path}: the file is empty; fetch or write it again")
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{path}: a page of the web ({start.split('>')[0]}>), no table; fetch the file itself")
    if start.startswith("version https://git-lfs"):
        raise DataError(f"{path}: a pointer of Git LFS, no table; fetch the file with `git lfs pull`")


def _require_separator(separator: str) -> str:
    found = _NAMED.get(separator.lower(), separator)
    if len(found) != 1 or found in "\"'\n\r\\" or found.isalnum():
        raise UsageError(f"--separator {separator!r}; one character is allowed, or tab, or blank for runs of blanks")
    return found


def _require_quotes(path: Path, lines: list[str], separator: str, quote: str) -> None:
    """Refuse quotes that do not fit, as the reason why no table was found."""
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num}: not a readable table ({error}); check quotes and separators"
        ) from error


def _best_layout(lines: list[str], stated: str | None, quote: str, escape: str | None, skip: int) -> Layout | None:
    candidates = [stated] if stated else [*SEPARATORS, " "]
    found = [layout_of(lines, separator, quote, escape, skip) for separator in candidates]
    tables = [layout for layout in found if layout is not None and (layout.width > 1 or stated)]
    # Sentences have blanks too, so these separate only where nothing else does.
    proper = [layout for layout in tables if layout.separator != " "] or tables
    blanks = tables[-1] if tables and tables[-1].separator == " " else None
    best = max(proper, key=_fitness, default=None)
    if best is None or blanks is None or best is blanks:
        return best
    if max(p.share for p in proper) < 0.5:
        return max(tables, key=_fitness)
    return blanks if _hides_numbers(best, blanks) else best


def _hides_numbers(layout: Layout, blanks: Layout) -> bool:
    """Tell whether cells hold runs of numbers between blanks: a tab stands before the last column only, say."""
    meant, by_blanks = _share_of_numbers(layout), _share_of_numbers(blanks)
    return _fitness(blanks)[0] and blanks.share > _NEARLY_ALL and by_blanks > 0.5 and 2 * meant < by_blanks


def _fitness(layout: Layout) -> tuple[bool, float, float, int]:
    """Return the marks of a likely separator, most important first."""
    starts_well = layout.share >= 0.5 and len(layout.rows[0][2]) in {layout.width, layout.width - 1}
    # Of a wrong one, parts of numbers stay in one cell: 5;2 of 1,5;2,5.
    return starts_well, round(layout.share, 1), round(_share_of_numbers(layout), 1), layout.width


def _share_of_numbers(layout: Layout) -> float:
    cells = [cell for *_, row in layout.rows for cell in row]
    return sum(is_number(cell) and "  " not in cell.strip() for cell in cells) / max(1, len(cells))


def _with_names(
    path: Path, lines: list[str], layout: Layout, dialect: Dialect, has_header: bool | None, notes: list[str]
) -> Dialect:
    width = layout.width
    first = next(i for i, (*_, row) in enumerate(layout.rows) if len(row) in {width, width - 1})
    # A line that is one short names the columns but not the row names before them, or misses a cell.
    if len(layout.rows[first][2]) == width - 1:
        following = [row for *_, row in layout.rows[first + 1 :]]
        is_names = all(not is_number(cell) for cell in layout.rows[first][2]) and any(
            is_number(cell) for row in following[:1] for cell in row
        )
        if not (is_names and following and len(following[0]) == width):
            first = next(i for i, (*_, row) in enumerate(layout.rows) if len(row) == width)
    first = _after_sparse(layout, first)
    if first > _MOST_BEFORE:
        raise DataError(f"{path}: the first {first} lines are no rows of a table; name the separator with --separator")
    begin, after, cells = layout.rows[first]
    rows = [row for *_, row in layout.rows[first + 1 :] if len(row) == width]
    counts = has_header is None and is_counts(cells, rows)
    before = [i for i, line in enumerate(lines[:begin]) if line.strip()]
    if counts:
        before.append(begin)
        begin, cells, rows = after, rows[0], rows[1:]
        after = layout.rows[first + 1][1]
    commented = _commented_names(lines[:begin], layout, width) if dialect.comments else None
    if before and not commented:
        notes.append(
            f"{counted(len(before), 'line')} before line {begin + 1} left out ({shown(lines[before[0]].strip())})"
        )
    if commented:
        return replace(
            dialect, skip=begin, names=commented, notes=(*notes, "names come from a comment before the rows")
        )
    if len(cells) == width - 1:
        last_is_empty = all(not row[-1].strip() for row in rows)
        cells = [*cells, ""] if last_is_empty else ["", *cells]
    if not (is_header(path, begin + 1, cells, rows) if has_header is None else has_header):
        if has_header is None:
            notes.append(
                f"line {begin + 1} is a row, so columns are called 'column 1' to 'column {width}'; --header takes it"
                " as names"
            )
        return replace(dialect, skip=begin, names=tuple(f"column {i + 1}" for i in range(width)), notes=tuple(notes))
    if numbers := [cell for cell in cells if is_number(cell)]:
        notes.append(f"names that are numbers: {listed(numbers)}")
    return replace(dialect, skip=after, names=tuple(cell.strip() for cell in cells), notes=tuple(notes))


def _after_sparse(layout: Layout, first: int) -> int:
    """Return the first row that is full of names, if what comes before it is nearly empty; titles are padded so."""
    for i, (*_, row) in enumerate(layout.rows[first : first + _MOST_SPARSE], first):
        filled = sum(bool(cell.strip()) for cell in row)
        if i > first and filled == layout.width and 2 * sum(map(is_number, row)) < filled:
            return i
        if 2 * filled > layout.width:
            break
    return first


def _commented_names(lines: Sequence[str], layout: Layout, width: int) -> tuple[str, ...] | None:
    """Return the names in the last comment before the rows, if the rows have none of their own."""
    comments = [line.strip() for line in lines if line.lstrip().startswith("#")]
    if not comments:
        return None
    text = comments[-1].lstrip("#").strip()
    cells = text.split() if layout.separator == " " else next(csv.reader([text], delimiter=layout.separator), [])
    first = next(row for *_, row in layout.rows if len(row) == width)
    is_row = any(is_number(cell) for cell in first)
    return tuple(c.strip() for c in cells) if len(cells) == width and is_row else None
