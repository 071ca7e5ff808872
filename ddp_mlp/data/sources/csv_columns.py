"""The contents of a column of a CSV file: numbers or text, and which different values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 40


@dataclass(frozen=True)
class ColumnFacts:
    """The facts about a column from the first reading.

    Attributes
    ----------
    is_text : bool
        Whether its cells are text, else numbers.
    written_whole : bool
        Whether all its numbers are written as integers: ``3``, not ``3.0``.
    values : tuple of str or tuple of float or None
        The different values in order; None if there are more than were asked for, or if
        one is a fraction.
    """

    is_text: bool
    written_whole: bool
    values: tuple[str, ...] | tuple[float, ...] | None


class ColumnLearner:
    """Facts about one column, gathered block by block."""

    def __init__(self, path: Path, name: str, limit: int) -> None:
        self._where = f"{path}: column {name!r}"
        self._limit = limit
        self._is_text: bool | None = None
        self._first_line = 0
        self._whole = True
        self._values: set[str | float] | None = set()

    def learn(self, cells: list[str], lines: list[int]) -> None:
        """Take in the next cells; each must be of the kind of the first."""
        if self._is_text is None:
            self._is_text, self._first_line = not is_number(cells[0]), lines[0]
        values = self._texts(cells, lines) if self._is_text else self._numbers(cells, lines)
        if self._values is not None:
            self._values = self._values | values
            if len(self._values) > self._limit:
                self._values = None

    def _texts(self, cells: list[str], lines: list[int]) -> set[str | float]:
        values = {cell.strip() for cell in cells}
        known = self._values or set()
        if bad := {v for v in values if v not in known and (not v or is_number(v))}:
            row = next(i for i, cell in enumerate(cells) if cell.strip() in bad)
            raise DataError(self._wrong_cell(cells[row], lines[row], "text"))
        return set(values)

    def _numbers(self, cells: list[str], lines: list[int]) -> set[str | float]:
        numbers = parse_numbers(cells)
        if numbers is None:
            row = next(i for i, cell in enumerate(cells) if not _is_finite(cell))
            raise DataError(self._wrong_cell(cells[row], lines[row], "numbers"))
        if self._values is None or not self._limit:
            return set()
        self._whole = self._whole and not any(c in ".eE" for c in set("".join(cells)))
        if not all(v.is_integer() for v in numbers):
            self._values = None
        return set(numbers)

    def _wrong_cell(self, cell: str, line: int, kind: str) -> str:
        if not cell.strip():
            found = "an empty cell"
        elif is_number(cell) and not _is_finite(cell):
            found = f"the non-finite value {cell.strip()}"
        else:
            found = repr(printable(cell.strip())[:_SHOWN])
        return (
            f"{self._where}: {found} at line {line}, but {kind} in line {self._first_line}; fill in or remove"
            " such rows, or leave the column out with --drop"
        )

    def facts(self) -> ColumnFacts:
        """Return the facts that were learned."""
        # All of one kind, so they can be sorted.
        values = None if self._values is None else tuple(sorted(cast("set[str]", self._values)))
        return ColumnFacts(bool(self._is_text), self._whole, values)


def parse_numbers(cells: list[str]) -> list[float] | None:
    """Return the cells as finite numbers, None if one of them is not."""
    try:
        numbers = list(map(float, cells))
    except ValueError:
        return None
    # Python reads 1_000 as a number, no other program does.
    return numbers if all(map(math.isfinite, numbers)) and "_" not in "".join(cells) else None


def is_number(cell: str) -> bool:
    """Tell whether a cell is written as a number, finite or not."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_finite(cell: str) -> bool:
    return parse_numbers([cell]) is not None
