"""The findings about columns, and the words for them: a cell, where it is, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unicodedata import normalize

from ddp_mlp.data.sources.column import source_column
from ddp_mlp.data.sources.tables.looks import cells_at
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.facts import NumberFacts, TextFacts
    from ddp_mlp.data.sources.tables.looks import Looks
    from ddp_mlp.data.sources.tables.table import Table

_IMPUTE = 'impute it (--missing impute, in Python missing="impute")'
_SHOWN = 8
#: Words that begin a line below a table, and rows at its end that may be such.
_BELOW = re.compile(
    r"(((grand|sub)[ -]?)?totals?|totaal|totale|sums?|summe|summa|gesamt|suma|somme|means?|averages?|avg|mittelwert"
    r"|moyenne|promedio) ?:?",
    re.IGNORECASE,
)
_ROWS_BELOW = 5
_NEAR_ROWS = 100_000
_POLICIES = {
    "impute": "kept as such, to be filled in from training rows",
    "indicator": "kept as such and marked in a column of their own",
    "drop": "such rows are left out",
    "error": "refused",
}


@dataclass
class Findings:
    """The findings about columns while they are looked at one by one.

    Attributes
    ----------
    columns : list of Column
        Those that become features.
    problems : list of str
        What cannot be decided, each with a column, a cell, its place and an option.
    notes : list of str
        What was decided.
    empty, constant : list of str
        Columns that hold nothing, and those that never change.
    """

    columns: list[Column] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        """Return all notes, with one for all columns that hold nothing or never change."""
        empty = [f"left out, as they hold nothing: {listed(self.empty, _SHOWN)}"] if self.empty else []
        constant = [f"the same in every row: {listed(self.constant, _SHOWN)}"] if self.constant else []
        return [*self.notes, *self._kinds(), *empty, *constant]

    def _kinds(self) -> list[str]:
        """Return the kinds of columns of text, a line for each with its columns."""
        found: dict[str, list[str]] = {}
        for column in self.columns:
            if column.encoding == "one-hot":
                found.setdefault("a column of 0 and 1 for each text", []).append(
                    f"{column.name} ({len(column.categories)})"
                )
            elif source_column(column).kind == "boolean":
                found.setdefault("true and false are 1 and 0", []).append(column.name)
            elif column.encoding == "ordinal":
                order = listed(column.categories, _SHOWN)
                found.setdefault("numbered in the order of their texts", []).append(f"{column.name} ({order})")
        return [f"{words}: {listed(names, _SHOWN)}" for words, names in found.items()]


def mixed(table: Table, name: str, facts: TextFacts, rest: str) -> str:
    """Say which cell of a column is of another kind than the cells before it; `rest` is the last way on."""
    bare, other = facts.bare_row or 0, facts.other_row or 0
    kinds = ("numbers", "text") if bare < other else ("text", "numbers")
    first, second = table.locate([min(bare, other), max(bare, other)])
    cells = cells_at(table, [(name, bare), (name, other)])
    before, cell = (shown(cells[name, row].strip()) for row in sorted((bare, other)))
    text = cells[name, other].strip()
    # What has digits is a value in another dress.
    mark = "" if re.search(r"\d", text) else f" say --na {shown(text)} if that means a missing value,"
    return (
        f"column {shown(name)}: {cell} at {second}, but {kinds[0]} in {first} ({before}); mend such cells,{mark}"
        f" take the column as text with --text {name!r}, or {rest}"
    )


def stands_for_missing(name: str, facts: NumberFacts) -> list[str]:
    """Return a warning where a number of a column may mean a missing value; else nothing."""
    if facts.code is None:
        return []
    code, others = f"{facts.code:g}", f"{facts.inner_low:g} to {facts.inner_high:g}"
    found = f"warning: column {shown(name)} holds {code}, far from its other numbers ({others})"
    return [f"{found}, and it is taken as a number; --na={code} if it means a missing value"]


def line_below(table: Table, name: str, facts: TextFacts) -> str:
    """Say which cell among the last begins a line of sums or means below the table; empty where none does."""
    words = {text for text, n in (facts.values or {}).items() if n == 1 and _BELOW.fullmatch(text)}
    if not words or facts.n_filled <= _ROWS_BELOW:
        return ""
    last = [(name, row) for row in range(facts.n_rows - _ROWS_BELOW, facts.n_rows)]
    for (_, row), cell in cells_at(table, last).items():
        if cell.strip() in words:
            found = bad_cell(table, name, row, "{}")
            return f"{found} looks like a line below the table; remove the line, or keep it with --text {name!r}"
    return ""


def same_but_for_case(name: str, categories: Sequence[str], what: str = "categories") -> str:
    """Return a warning where categories differ in case, blanks or the code points of letters only; else nothing.

    Examples
    --------
    >>> same_but_for_case("k", ("a b", "A B", "c"), "classes")
    "warning: column 'k': 'a b' and 'A B' differ in case, blanks or code points only, and are classes of their own"
    """
    alike: dict[str, list[str]] = {}
    for text in categories:
        alike.setdefault("".join(normalize("NFKC", text).split()).casefold(), []).append(text)
    found = [" and ".join(map(shown, texts)) for texts in alike.values() if len(texts) > 1]
    differ = f"differ in case, blanks or code points only, and are {what} of their own"
    return f"warning: column {shown(name)}: {'; '.join(found[:_SHOWN])} {differ}" if found else ""


def tell_missing(table: Table, looks: Looks, policy: str, findings: Findings) -> None:
    """Say where cells are missing; refuse them where that was asked for."""
    found = []
    for column in findings.columns:
        facts = looks.texts.get(column.name) or looks.numbers[column.name]
        if facts.missing_row is not None:
            found.append((column.name, facts.missing_row, facts.n_missing))
    if not found:
        return
    found, n_more = found[:_SHOWN], max(0, len(found) - _SHOWN)
    cells = cells_at(table, [(name, row) for name, row, _ in found])
    places = _places(table, sorted({row for _, row, _ in found}))
    told = []
    for name, row, n in found:
        cell = cells[name, row].strip()
        first = f"{shown(cell) if cell else 'an empty cell'} at {places[row]}"
        if policy == "error":
            findings.problems.append(f"column {shown(name)}: {first}; fill it in, or {_IMPUTE}")
        told.append(f"{shown(name)} {n}, first {first}")
    more = f"; and {counted(n_more, 'column')} more" if n_more else ""
    findings.notes.append(f"missing cells ({_POLICIES[policy]}): {'; '.join(told)}{more}")


def _places(table: Table, rows: Sequence[int]) -> dict[int, str]:
    """Return where rows are; lines far down are not worth another reading of the text."""
    near = [row for row in rows if row < _NEAR_ROWS]
    places = dict(zip(near, table.locate(near), strict=True)) if near else {}
    return {row: places.get(row, f"row {row + 1}") for row in rows}


def bad_cell(table: Table, name: str, row: int, found: str) -> str:
    """Return the words for one cell and its place; ``{}`` in `found` stands for the cell."""
    cell = cells_at(table, [(name, row)])[name, row].strip()
    word = cell if found != "{}" else shown(cell)
    return f"column {shown(name)}: {found.format(word)} at {table.place(row)}"
