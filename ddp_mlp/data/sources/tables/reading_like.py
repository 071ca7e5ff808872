"""A table read as an earlier data set or a model has it: columns, classes and targets are the schema's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ddp_mlp.data.class_values import are_booleans
from ddp_mlp.data.sources.column import PLAIN, Column, column_of
from ddp_mlp.data.sources.source import Source
from ddp_mlp.data.sources.tables.encoding import Encoder
from ddp_mlp.data.sources.tables.forms import Ambiguous
from ddp_mlp.data.sources.tables.like import columns_like, look_like
from ddp_mlp.data.sources.tables.targets import Targets
from ddp_mlp.data.sources.tables.words import MOST_NAMED, listed, shown
from ddp_mlp.errors import DataError, UsageError, counted, with_hints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.tables.looks import Looks
    from ddp_mlp.data.sources.tables.table import Table

_SHOWN = 8


def source_like(table: Table, schema: Schema, options: ImportOptions) -> Source:
    """Return the rows of a table as rows of a schema.

    Raises
    ------
    UsageError
        If the schema has no names that a table could be matched by.
    DataError
        If columns, categories or classes do not fit: one error that lists all of them.
    """
    expected = _expected(table, schema)
    names = _target_names(table, schema, options)
    looks = look_like(table, expected, () if options.answers_only else names, options.decimal)
    targets: Targets | None = None
    problems: list[str] = []
    if options.answers_only:  # each row gets its answer, so none is left out
        expected = [replace(column, missing="error") if column.missing == "drop" else column for column in expected]
    elif not names:
        raise UsageError(f"{table.path}: targets have no names in what --like names; give them with --target")
    else:
        targets, problems = _targets_like(table, looks, schema, names, options.decimal)
    columns = columns_like(table, expected, options.decimal, problems, looks)
    encoder = Encoder(
        table, columns, targets, options.weights, options.split_by,
        tuple(dict.fromkeys(options.ids)),
    )  # fmt: skip
    sizes = encoder.sizes()
    if not sizes:
        is_empty = not any(facts.n_rows for facts in looks.numbers.values())
        raise DataError(f"{table.path}: {'a header but no rows' if is_empty else 'no row has all that is needed'}")
    extra = [name for name in table.names if name not in {column.name for column in expected} | set(names)]
    notes = [f"columns that are not used: {listed(extra, _SHOWN)}"] if extra else []
    known = schema.target_names or tuple(names) or None
    kept = msgspec.structs.replace(schema, target_names=known, numbers="float", marks=table.marks.texts)
    told, has_targets = (*table.notes, *notes), targets is not None
    return Source(
        kept, sizes, table.source, encoder.blocks, told, partial(_texts, table), has_targets=has_targets,
        ids=encoder.ids,
    )  # fmt: skip


def _target_names(table: Table, schema: Schema, options: ImportOptions) -> tuple[str, ...]:
    """Return the columns of the targets in the order of the schema: by name where names are its own, else as named.

    Raises
    ------
    DataError
        If there are more or fewer than the schema has, or only some of them are its own.
    """
    given, known = options.targets, schema.target_names or ()
    if not given or options.answers_only or set(given) == set(known):
        return known or given
    if schema.task == "regression" and (len(given) != schema.n_targets or (len(given) > 1 and {*given} & {*known})):
        raise DataError(
            f"{table.path}: {counted(len(given), 'target')}, {listed(given, _SHOWN)}, where"
            f" {schema.n_targets} are known: {listed(known or schema.targets, _SHOWN)}; give these"
        )
    return given


def _texts(table: Table, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of columns as they are written, by name.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    table.require(names, "--with")
    found: dict[str, list[str]] = {name: [] for name in names}
    for block in table.blocks([table.names.index(name) for name in names]) if names else ():
        for name, cells in zip(names, block, strict=True):
            found[name] += [cell or "" for cell in cells.to_pylist()]
    return found


def _expected(table: Table, schema: Schema) -> list[Column]:
    """Return the columns that features are made of, in the order of the features."""
    if schema.columns:
        made = {feature for column in schema.columns for feature in column.features}
        others = [name for name in schema.feature_names or () if name not in made]
        if others:
            raise UsageError(f"{table.path}: features {listed(others, _SHOWN)} come from no column of a table")
        return [column_of(column) for column in schema.columns]
    if schema.feature_names is None:
        raise UsageError(f"{table.path}: features have no names in what --like names, so that no table can be matched")
    return [Column(name, "number", "number", (name,), missing="error") for name in schema.feature_names]


def _targets_like(
    table: Table, looks: Looks, schema: Schema, names: tuple[str, ...], decimal: str | None
) -> tuple[Targets, list[str]]:
    """Return how targets are read, and what does not fit."""
    if absent := [name for name in names if name not in table.names]:
        return Targets(schema.task, (), ()), [
            f"no column {with_hints(absent, table.names, MOST_NAMED)} with the targets"
        ]
    if schema.task != "regression":
        return _classes_like(looks, schema, names[0])
    nothing = ("",) * len(names)
    known = zip(names, schema.target_forms or nothing, schema.target_units or nothing, strict=True)
    found = [_quantity_like(looks, name, form, unit, decimal) for name, form, unit in known]
    forms = tuple((form, not looks.numbers[name].is_number) for name, (form, _) in zip(names, found, strict=True))
    return Targets("regression", names, forms), [problem for _, problem in found if problem]


def _quantity_like(looks: Looks, name: str, known: str, unit: str, decimal: str | None) -> tuple[str, str]:
    """Return how a target that had the form `known` and a unit is written, and what does not fit."""
    numbers, facts = looks.numbers[name], looks.texts[name]
    if numbers.is_number and numbers.is_whole:
        return PLAIN, ""
    form = looks.form_like(name, known, decimal)
    if isinstance(form, Ambiguous):
        return PLAIN, f"target {shown(name)}: {shown(next(iter(facts.values or ('',))))} may be {form.reason}"
    here = next(iter(facts.decorations), "")
    if form is None and not (numbers.is_number and decimal != ","):
        return PLAIN, f"target {shown(name)} holds cells that are no numbers"
    is_other = form is not None and unit and here and here != unit
    return form or PLAIN, f"target {shown(name)} is in {shown(here)}, not in {shown(unit)}" if is_other else ""


def _classes_like(looks: Looks, schema: Schema, name: str) -> tuple[Targets, list[str]]:
    classes = schema.classes or ()
    facts = looks.texts[name]
    values = facts.values or {}
    numbers = {value: _number_name(value) for value in values} if looks.numbers[name].is_number else {}
    booleans = {text.lower(): text for text in classes} if are_booleans(classes) else {}
    known = {value: numbers.get(value) or booleans.get(value.lower(), value) for value in values}
    unknown = [f"{value!r} ({n})" for value, n in values.items() if known[value] not in classes]
    problems = [
        f"target {shown(name)} has {len(unknown)} unknown class{'es' * (len(unknown) != 1)}: {listed(unknown, _SHOWN)}"
    ]
    codes = {value: classes.index(known[value]) for value in values if known[value] in classes}
    return Targets(schema.task, (name,), (), codes, None, classes), problems if unknown else []


def _number_name(value: str) -> str:
    """Return the name of a class that is a whole number, however it is written."""
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 2**53 else value
