"""Whether a line names the columns of the rows below it.

The first line is names unless it looks like the rows below it:

- a cell with text over a column of numbers makes it names, numbers in it or not, and so do years
  that count on, and numbers that count on over columns of fractions, as pandas writes them;
- nothing but numbers, or numbers over numbers and text over text, makes it a row;
- where neither holds, it is names if all are text, differ and do not occur below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.tables.cells import MISSING
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = re.compile(r"[+-]?\s*[$€£¥]?\s*(\d[\d.,' \u00a0]*|\.\d+|,\d+)([eE][+-]?\d+)?\s*%?|[+-]?(inf|infinity)", re.I)
#: So many numbers that count on are no chance.
_FEWEST_SERIES = 4


def _is_series(cells: list[str]) -> bool:
    """Tell whether cells are years or other whole numbers that count on, as names of columns do."""
    return len(cells) >= _FEWEST_SERIES and _counts_on(cells)


def _counts_on(cells: list[str]) -> bool:
    if len(cells) < 2 or not all(cell.strip().isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _are_fractions(column: list[str]) -> bool:
    """Tell whether most cells of a column are written with a fraction, as no whole number is."""
    return 2 * sum("." in cell or "," in cell for cell in column) > len(column)


def is_header(path: Path, line: int, cells: list[str], rows: list[list[str]]) -> bool:
    """Tell whether a line names the columns of the rows below it.

    Raises
    ------
    DataError
        If it may be either.
    """
    # Where files were joined, the names come again; they are no cells of their columns.
    others = [row for row in rows if row != cells]
    columns = [[row[i] for row in others if not is_missing(row[i])] for i in range(len(cells))]
    is_numeric = [bool(column) and all(map(is_number, column)) for column in columns]
    known = [(c, numeric, column) for c, numeric, column in zip(cells, is_numeric, columns, strict=True) if c.strip()]
    texts = [(c, numeric, column) for c, numeric, column in known if not is_number(c)]
    if any(numeric and not is_missing(c) for c, numeric, _ in texts):
        return True
    if not texts:
        return (not rows and not known) or (
            _counts_on([c for c, *_ in known]) and all(_are_fractions(column) for *_, column in known)
        )
    repeats = len(others) < len(rows) or any(c.strip() in {cell.strip() for cell in column} for c, _, column in texts)
    if len(texts) == len(known):
        differ = len({c.strip() for c, *_ in texts}) == len(texts)
        return not rows or (differ and not repeats)
    if not rows:
        return True
    if not repeats and _is_series([c for c, *_ in known if is_number(c)]):
        return True
    if repeats or all(numeric for c, numeric, _ in known if is_number(c)):
        return False
    raise DataError(
        f"{path}: line {line} may be names or a row ({listed([c for c, *_ in known][:8])}); say --header or --no-header"
    )


def is_counts(cells: list[str], rows: list[list[str]]) -> bool:
    """Tell whether a line of rows, columns and names of classes comes first, as scikit-learn writes it."""
    filled = [cell for cell in cells if cell.strip()]
    if len(filled) < 2 or not all(cell.strip().isdecimal() for cell in filled[:2]) or len(rows) < 2:
        return False
    if int(filled[0]) < len(rows):
        return False
    return int(filled[1]) == len(rows[0]) - 1 and all(not is_number(c) for c in filled[2:]) and len(filled) > 2


def is_number(cell: str) -> bool:
    """Tell whether a cell looks like a number, however it is written."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def is_missing(cell: str) -> bool:
    """Tell whether a cell holds nothing."""
    return cell.strip().lower() in MISSING
