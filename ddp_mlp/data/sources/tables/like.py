"""A table read by the columns of an earlier one, as a model needs it: nothing is guessed but how cells are written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.column import PLAIN, is_boolean
from ddp_mlp.data.sources.tables.column_values import has_days
from ddp_mlp.data.sources.tables.facts import MOST_VALUES
from ddp_mlp.data.sources.tables.forms import Ambiguous, date_form_of, has_dates
from ddp_mlp.data.sources.tables.looks import cells_at, look
from ddp_mlp.data.sources.tables.words import MOST_NAMED, listed, shown
from ddp_mlp.errors import DataError, counted, with_hints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.looks import Looks
    from ddp_mlp.data.sources.tables.table import Table

_SHOWN = 8


def look_like(table: Table, columns: Sequence[Column], targets: Sequence[str], decimal: str | None) -> Looks:
    """Look at those columns and targets that a table has: as text where that may matter."""
    present = [column for column in columns if column.name in table.names]
    texts = {c.name: MOST_VALUES for c in present if c.kind != "number" or decimal or c.form != PLAIN}
    there = [name for name in targets if name in table.names]
    names = dict.fromkeys([*(column.name for column in present), *there])
    return look(table, list(names), texts | dict.fromkeys(there, MOST_VALUES))


def columns_like(
    table: Table,
    columns: Sequence[Column],
    decimal: str | None = None,
    others: Sequence[str] = (),
    looks: Looks | None = None,
) -> tuple[Column, ...]:
    """Return columns as they are written in this table, matched by name.

    Columns that the table has beside these do not matter. What comes back encodes the table to the
    same features in the same order, whatever its order of columns, its decimal sign or its format of dates.

    Parameters
    ----------
    table : Table
        The table to read.
    columns : sequence of Column
        What is expected.
    decimal : str or None
        The decimal sign as stated by the user.
    others : sequence of str
        What else does not fit, to be said in the same error.
    looks : Looks, optional
        What `look_like` returned.

    Raises
    ------
    DataError
        If columns are missing, categories unknown, or cells of another kind: one error that lists all.
    """
    absent = [column.name for column in columns if column.name not in table.names]
    present = [column for column in columns if column.name in table.names]
    if looks is None:
        looks = look_like(table, columns, (), decimal)
    unused = [name for name in table.names if name not in {column.name for column in columns}]
    problems = [f"no column {with_hints(absent, unused, MOST_NAMED)}", *others] if absent else [*others]
    found = []
    for column in present:
        written, problem = _as_written(table, column, looks, decimal)
        problems += [problem] if problem else []
        found.append(written)
    if problems:
        raise DataError(f"{table.path}: not a table of the columns that are needed: {'; '.join(problems)}")
    return tuple(found)


def _as_written(table: Table, column: Column, looks: Looks, decimal: str | None) -> tuple[Column, str | None]:
    """Return the column with the form that it has here, or what is wrong with it."""
    numbers = looks.numbers[column.name]
    if numbers.n_missing == numbers.n_rows:
        return replace(column, form=PLAIN, unit=None) if column.kind == "number" else column, None
    if column.kind == "category":
        column = _booleans_as_written(column, looks)
        return column, _unknown(column, looks)
    if column.kind == "date":
        # Days up to the 12th fit two formats, and a format that was stated may look like another.
        facts = looks.texts[column.name]
        form = column.form if has_dates(facts, column.form) else date_form_of(facts)
        if isinstance(form, str) and f"{column.name}.year" in column.features and not has_days(form):
            return column, _strange(table, column, looks, "dates, as it has no day")
        if isinstance(form, str):
            return replace(column, form=form), None
        return column, _strange(table, column, looks, form or "dates")
    if numbers.is_number and (numbers.is_whole or column.name not in looks.texts):
        problem = _strange(table, column, looks, "finite numbers") if numbers.infinite_row is not None else None
        return replace(column, form=PLAIN, unit=None), problem
    return _number(table, column, looks, decimal)


def _booleans_as_written(column: Column, looks: Looks) -> Column:
    """Return a column of false and true as they are spelt here."""
    here = {text.lower(): text for text in looks.texts[column.name].values or ()}
    if not is_boolean(column) or len(here) != len(looks.texts[column.name].values or ()):
        return column
    return replace(column, categories=tuple(here.get(text.lower(), text) for text in column.categories))


def _number(table: Table, column: Column, looks: Looks, decimal: str | None) -> tuple[Column, str | None]:
    facts = looks.texts[column.name]
    form = looks.form_like(column.name, column.form, decimal)
    if form is None or isinstance(form, Ambiguous):
        return column, _strange(table, column, looks, form or "numbers")
    unit = next(iter(facts.decorations)) or None
    if unit and column.unit and unit != column.unit:
        return column, f"column {shown(column.name)} is in {shown(unit)}, not in {shown(column.unit)}"
    return replace(column, form=form, unit=unit), None


def _unknown(column: Column, looks: Looks) -> str | None:
    """Say which texts are none of the categories, and how often they occur."""
    facts = looks.texts[column.name]
    if facts.values is None:
        return f"column {shown(column.name)} holds more than {facts.limit} different texts"
    unknown = {text: n for text, n in sorted(facts.values.items()) if text not in column.categories}
    if not unknown:
        return None
    words = listed([f"{text!r} ({n})" for text, n in unknown.items()], _SHOWN)
    return f"column {shown(column.name)} has {counted(len(unknown), 'unknown category').replace('ys', 'ies')}: {words}"


def _strange(table: Table, column: Column, looks: Looks, expected: str | Ambiguous) -> str:
    numbers, facts = looks.numbers[column.name], looks.texts.get(column.name)
    row = numbers.infinite_row if facts is None else facts.other_row
    row = row if row is not None else facts.bare_row if facts is not None and facts.bare_row is not None else 0
    cell = cells_at(table, [(column.name, row)])[column.name, row].strip()
    what = f"may be {expected.reason}" if isinstance(expected, Ambiguous) else f"is none of {expected}"
    return f"column {shown(column.name)}: {shown(cell)} at {table.place(row)} {what}"
