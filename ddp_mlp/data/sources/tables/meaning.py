"""The meaning of the columns of a table: which are features, of which kind, and all that cannot be decided."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.column import PLAIN, Column
from ddp_mlp.data.sources.tables.cells import ISO, times_of
from ddp_mlp.data.sources.tables.column_values import date_features
from ddp_mlp.data.sources.tables.findings import (
    Findings,
    bad_cell,
    line_below,
    mixed,
    same_but_for_case,
    stands_for_missing,
    tell_missing,
)
from ddp_mlp.data.sources.tables.forms import Ambiguous, date_form_of, form_of, has_dates
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.schema import Missing
    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.tables.facts import TextFacts
    from ddp_mlp.data.sources.tables.looks import Looks
    from ddp_mlp.data.sources.tables.table import Table

#: Categories that become columns of their own; more need a word of the user.
MOST_CATEGORIES = 1000
#: From so many rows on, text that differs from row to row is a name and no category.
_FEWEST_NAMES = 20
_COUNTING_NAMES = re.compile(r"(.*[ _.-])?(id|index|idx|row|rows|rownames?|no|nr|number|unnamed.*|column 1)|#", re.I)
_SHOWN = 8
#: Up to this share of numbers, a column of text is text: names of models that are numbers, say.
_FEW_NUMBERS = 0.1


def understand_features(table: Table, names: Sequence[str], looks: Looks, options: ImportOptions) -> Findings:
    """Decide the meaning of each column as a feature."""
    findings = Findings()
    for name in names:
        numbers = looks.numbers[name]
        if numbers.n_missing == numbers.n_rows:
            findings.empty.append(name)
        elif name in options.ordinal or name in options.text or name in table.categories:
            _add_category(table, name, looks, options, findings)
        elif name in options.date:
            _add_stated_date(table, name, looks, options, findings)
        elif numbers.is_number:
            _add_number(table, name, looks, options, findings)
        else:
            _add_text(table, name, looks, options, findings)
    policy = "impute" if options.missing == "auto" else options.missing
    findings.columns = [_with_policy(column, looks, policy) for column in findings.columns]
    tell_missing(table, looks, policy, findings)
    return findings


def _add_number(table: Table, name: str, looks: Looks, options: ImportOptions, findings: Findings) -> None:
    facts = looks.numbers[name]
    if facts.is_counting and facts.n_rows > 1 and (name in table.unnamed or _COUNTING_NAMES.fullmatch(name)):
        findings.notes.append(f"column {shown(name)} counts the rows and is left out")
    elif name in table.unnamed:
        findings.problems.append(f"{name} has no name; name it, or leave it out with --drop {name!r}")
    elif facts.infinite_row is not None:
        findings.problems.append(bad_cell(table, name, facts.infinite_row, "the non-finite value {}") + _mend(name))
    elif facts.large_row is not None:
        findings.problems.append(
            bad_cell(table, name, facts.large_row, "the integer {}")
            + f", which is above 2**53 and not exact as a number; --text {name!r} takes the column as text, --drop"
            f" {name!r} leaves it out"
        )
    elif name in looks.texts and not facts.is_whole and (form := _other_form(name, looks, options)) is not PLAIN:
        _add_formed(table, name, form, looks, findings, options)
    else:
        if facts.is_zero_led:
            findings.notes.append(
                f"column {shown(name)} has numbers that begin with 0; --text {name!r} takes them as categories"
            )
        if facts.low == facts.high and facts.n_rows > 1:
            findings.constant.append(name)
        findings.notes += stands_for_missing(name, facts)
        column = Column(name, "number", "number", (name,))
        findings.columns.append(column)


def _other_form(name: str, looks: Looks, options: ImportOptions) -> str | Ambiguous | None:
    """Return how numbers with points are to be read where the decimal sign is a comma."""
    return form_of(looks.texts[name], options.decimal, looks.shown_decimal())


def _add_formed(
    table: Table, name: str, form: str | Ambiguous | None, looks: Looks, findings: Findings, options: ImportOptions
) -> None:
    """Add numbers that are written in some form of their own, or say why they are none."""
    facts = looks.texts[name]
    if form is None or isinstance(form, Ambiguous):
        row = facts.other_row if facts.other_row is not None else facts.bare_row
        reason = form.reason if form else f"no number of --decimal {options.decimal}"
        findings.problems.append(bad_cell(table, name, row or 0, "{}") + f" may be {reason}")
        return
    unit = next(iter(facts.decorations)) or None
    how = " and ".join(
        ([f"{form}s"] if form == "decimal comma" else [form] if form != PLAIN else []) + ([shown(unit)] if unit else [])
    )
    findings.notes.append(f"column {shown(name)} holds numbers as text, with {how}")
    column = Column(name, "number", "number", (name,), form=form, unit=unit)
    findings.columns.append(column)


def _add_text(table: Table, name: str, looks: Looks, options: ImportOptions, findings: Findings) -> None:
    facts = looks.texts[name]
    form = form_of(facts, options.decimal, looks.shown_decimal())
    date = date_form_of(facts)
    if facts.is_boolean:
        findings.columns.append(_ordinal(name, tuple(sorted(facts.values or (), key=str.lower))))
    elif form is not None:
        _add_formed(table, name, form, looks, findings, options)
    elif isinstance(date, Ambiguous):
        findings.problems.append(
            bad_cell(table, name, facts.other_row or 0, "{}")
            + f" may be {date.reason}; --date {name!r}={' or ='.join(date.formats)} decides"
        )
    elif date is not None:
        _add_date(name, date, facts, findings)
    elif facts.n_bare > _FEW_NUMBERS * facts.n_filled:
        findings.problems.append(mixed(table, name, facts, f"leave it out with --drop {name!r}"))
    else:
        _add_category(table, name, looks, options, findings)


def _add_stated_date(table: Table, name: str, looks: Looks, options: ImportOptions, findings: Findings) -> None:
    facts = looks.texts[name]
    form = options.date[name] or date_form_of(facts)
    if isinstance(form, str) and has_dates(facts, form):
        _add_date(name, form, facts, findings)
        return
    row = min(row for row in (facts.bare_row, facts.other_row) if row is not None)
    findings.problems.append(
        bad_cell(table, name, row, "{}") + f" and others are no dates of one format; state it as --date {name}=%d.%m.%Y"
    )


def _add_date(name: str, form: str, facts: TextFacts, findings: Findings) -> None:
    import pyarrow as pa

    times = None if facts.values is None else times_of(pa.array(list(facts.values)), form)
    seconds = None if times is None else times.cast("int64").to_numpy(zero_copy_only=False)
    has_clock = bool((seconds % 86400).any()) if seconds is not None else "%H" in form or "%I" in form or form == ISO
    features = date_features(name, form, has_clock=has_clock)
    parts = listed([feature.removeprefix(f"{name}.") for feature in features])
    findings.notes.append(f"column {shown(name)} holds text that is dates ({form}): {parts}")
    findings.columns.append(Column(name, "date", "date", features, form=form))


def _add_category(table: Table, name: str, looks: Looks, options: ImportOptions, findings: Findings) -> None:
    facts = looks.texts[name]
    stated = name in options.text or name in options.ordinal
    n_values = None if facts.values is None else len(facts.values)
    if not stated and name not in table.categories and (below := line_below(table, name, facts)):
        findings.problems.append(below)
        return
    if not stated and name not in table.categories:
        if _is_name(facts) or (name in table.unnamed and n_values == facts.n_filled):
            n = f"{n_values} different texts" if n_values else "texts that differ"
            findings.notes.append(f"warning: column {shown(name)} holds {n} in {facts.n_filled} cells and is left out")
            return
        if name in table.unnamed:
            findings.problems.append(f"{name} has no name; name it, or leave it out with --drop {name!r}")
            return
    if facts.n_bare and not stated and name not in table.categories:
        findings.notes.append(
            f"column {shown(name)} is text, also where it looks like a number ({counted(facts.n_bare, 'cell')})"
        )
    declared = options.ordinal.get(name) or table.categories.get(name)
    categories = declared or tuple(sorted(facts.values or ()))
    if name in options.ordinal and n_values is not None:
        if unknown := sorted(set(facts.values or ()) - set(categories)):
            findings.problems.append(f"column {shown(name)}: --ordinal does not list {listed(unknown, _SHOWN)}")
            return
        findings.columns.append(_ordinal(name, declared or _in_order(categories)))
    elif n_values is None or n_values > MOST_CATEGORIES:
        findings.problems.append(
            f"column {shown(name)} has more than {MOST_CATEGORIES} different texts, too many for a column each; leave"
            f" it out with --drop {name!r}, or number them with --ordinal {name!r}"
        )
    else:
        if alike := same_but_for_case(name, categories):
            findings.notes.append(alike)
        features = tuple(f"{name}={category}" for category in categories)
        column = Column(name, "category", "one-hot", features, categories)
        findings.columns.append(column)


def _in_order(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Return categories by their numbers where all are such, so that 10 comes after 2; else as they are."""
    try:
        return tuple(sorted(categories, key=float))
    except ValueError:
        return categories


def _is_name(facts: TextFacts) -> bool:
    """Tell whether texts name rows: nearly every one is another."""
    if facts.values is None:
        return True
    n = len(facts.values)
    return n == facts.n_filled > _FEWEST_NAMES or (n > 2 * _FEWEST_NAMES and 2 * n > facts.n_filled)


def _ordinal(name: str, categories: tuple[str, ...]) -> Column:
    return Column(name, "category", "ordinal", (name,), categories)


def _with_policy(column: Column, looks: Looks, policy: Missing) -> Column:
    facts = looks.texts.get(column.name) or looks.numbers[column.name]
    marks = (f"{column.name}=missing",) if policy == "indicator" and facts.n_missing else ()
    return replace(column, missing=policy, features=(*column.features, *marks))


def _mend(name: str) -> str:
    return f"; mend or remove such rows, or leave the column out with --drop {name!r}"
