"""The meaning of the target columns: classes or quantities, by one rule for every format.

Under the task "auto" one column of text or of booleans is labels, whose classes are its values in
alphabetical order; whether numbers are labels says `data.tasks.guess_task`, and the classes are in
ascending order. Several columns are quantities. A stated task overrides these rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.class_values import BOOLEANS
from ddp_mlp.data.rows import MAX_CLASSES, Task, require_task, task_of_classes
from ddp_mlp.data.sources.column import PLAIN
from ddp_mlp.data.sources.tables.cells import EXACT, numbers_of
from ddp_mlp.data.sources.tables.findings import mixed, same_but_for_case, stands_for_missing
from ddp_mlp.data.sources.tables.forms import Ambiguous, date_form_of, form_of
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.data.tasks import guess_task
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ddp_mlp.data.schema import ClassKind
    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.tables.facts import TextFacts
    from ddp_mlp.data.sources.tables.looks import Looks
    from ddp_mlp.data.sources.tables.table import Table
    from ddp_mlp.data.tasks import Guess

#: Up to so many different texts are taken for labels.
_MOST_TEXTS = 1000


@dataclass(frozen=True)
class Targets:
    """The kind of the target columns.

    Attributes
    ----------
    task : str
        One of `rows.TASKS`.
    names : tuple of str
        The columns.
    forms : tuple of (str, bool)
        How the numbers of each are written, and whether units stand beside them.
    classes : dict of str to int, or None
        The class of each text; None for numbers.
    labels : tuple of float or None
        The classes as numbers, ascending; None for text and for regression.
    class_names : tuple of str or None
        None for regression.
    notes : tuple of str
        What was decided.
    units : tuple of str
        What stands beside the numbers of each; "" for nothing.
    class_kind : str
        As in the schema.
    """

    task: Task
    names: tuple[str, ...]
    forms: tuple[tuple[str, bool], ...]
    classes: dict[str, int] | None = None
    labels: tuple[float, ...] | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    class_kind: ClassKind = ""


def understand_targets(table: Table, looks: Looks, options: ImportOptions) -> Targets:
    """Decide the meaning of the target columns.

    Raises
    ------
    UsageError
        If they do not fit the stated task.
    DataError
        If they do not fit any.
    """
    task = options.task
    if task != "auto":
        require_task(task, "--task")
    names = options.targets
    forms = [_form(table, name, looks, options) for name in names]
    if task == "regression" or len(names) > 1:
        text = [name for name, form in zip(names, forms, strict=True) if form is None]
        if text or task not in {"auto", "regression"}:
            found = f"text in {shown(text[0])}" if text else f"{len(names)} targets"
            raise UsageError(f"{table.path}: {found}; regression needs numbers, classification one target column")
        return _quantities(table, looks, options, forms)
    facts = looks.texts[names[0]]
    form = forms[0]
    if form is None:
        is_text = names[0] in options.text or not (facts.is_boolean or names[0] in table.categories)
        targets = _text_classes(table, names[0], facts, task, is_text=is_text)
        return replace(targets, class_kind="text" if is_text else "")
    values = _different_numbers(facts, form)
    guess = _guess(facts, values)
    if task == "auto" and guess.task == "regression":
        return _quantities(table, looks, options, forms, guess.reason)
    return _number_classes(table, names[0], facts, values, form, task, guess.reason)


def _guess(facts: TextFacts, values: tuple[float, ...] | None) -> Guess:
    """Guess the task from the numbers of a target."""
    is_whole = values is not None and all(np.isfinite(v) and v == np.floor(v) for v in values)
    written_whole = all(text.lstrip("+-").isdecimal() for text in facts.values or ())
    return guess_task(np.array(values) if is_whole else None, facts.n_filled, stored_whole=written_whole)


def _form(table: Table, name: str, looks: Looks, options: ImportOptions) -> tuple[str, bool] | None:
    """Return how the numbers of a target are written, None for text."""
    facts = looks.texts[name]
    if facts.n_filled == 0:
        raise DataError(f"{table.path}: target {shown(name)} holds nothing; choose another")
    if name in options.text or name in table.categories or facts.is_boolean:
        return None
    is_plain = looks.numbers[name].is_number
    if is_plain and (looks.numbers[name].is_whole or looks.numbers[name].infinite_row is not None):
        return PLAIN, False
    form = form_of(facts, options.decimal, looks.shown_decimal())
    if isinstance(form, Ambiguous):
        if options.task not in {"auto", "regression"}:
            return None
        cell = next(iter(facts.values or ("",)))
        raise DataError(f"{table.path}: target {shown(name)}: {shown(cell)} may be {form.reason}")
    if form is None and is_plain:
        raise DataError(f"{table.path}: target {shown(name)} has numbers that are none of --decimal {options.decimal}")
    if form is None and options.task in {"auto", "regression"}:
        _require_text(table, name, facts)
    return None if form is None else (form, not is_plain)


def _require_text(table: Table, name: str, facts: TextFacts) -> None:
    """Refuse a target that is neither text nor numbers throughout."""
    if facts.n_bare:
        raise DataError(f"{table.path}: {mixed(table, name, facts, 'take it as classes with --task multiclass')}")
    if date_form_of(facts) is not None:
        raise DataError(
            f"{table.path}: target {shown(name)} holds dates, which are no quantity; choose another, or take each as a"
            " class with --task multiclass"
        )


def _quantities(
    table: Table, looks: Looks, options: ImportOptions, forms: Sequence[tuple[str, bool] | None], why: str = ""
) -> Targets:
    for name in options.targets:
        facts = looks.numbers[name]
        if facts.infinite_row is not None:
            raise DataError(
                f"{table.path}: column {shown(name)}: the non-finite value inf at {table.place(facts.infinite_row)};"
                " mend or remove such rows"
            )
        if facts.large_row is not None:
            raise DataError(
                f"{table.path}: target {shown(name)} has an integer above 2**53 at {table.place(facts.large_row)},"
                " which is not exact as a number; --task multiclass takes each as a class"
            )
    reason = "stated" if options.task != "auto" else why or "several targets"
    units = tuple(next(iter(looks.texts[name].decorations), "") for name in options.targets)
    kept = tuple(form for form in forms if form is not None)
    codes = [note for name in options.targets for note in stands_for_missing(name, looks.numbers[name])]
    return Targets("regression", options.targets, kept, notes=(f"regression: {reason}", *codes), units=units)


def _different_numbers(facts: TextFacts, form: tuple[str, bool]) -> tuple[float, ...] | None:
    """Return the different numbers in ascending order, None if there are too many to remember."""
    import pyarrow as pa

    if facts.values is None:
        return None
    numbers = numbers_of(pa.array(list(facts.values), pa.string()), form[0], decorated=form[1])
    return tuple(np.unique(numbers).tolist())


def _number_classes(
    table: Table,
    name: str,
    facts: TextFacts,
    values: tuple[float, ...] | None,
    form: tuple[str, bool],
    task: str,
    why: str,
) -> Targets:
    if values is None or not all(np.isfinite(v) and v == np.floor(v) for v in values):
        raise DataError(
            f"{table.path}: target {shown(name)} has too many different values, or fractions, for classes;"
            " use --task regression or another target"
        )
    if max(map(abs, values)) >= EXACT:
        return _text_classes(table, name, facts, task, by_number=True)
    found = _task(table.path, name, len(values), task)
    names = tuple(f"{value:.0f}" for value in values)
    return Targets(found, (name,), (form,), None, values, names, _told(found, name, names, task, why))


def _text_classes(
    table: Table, name: str, facts: TextFacts, task: str, *, by_number: bool = False, is_text: bool = False
) -> Targets:
    values = facts.values
    limit = _MOST_TEXTS if task == "auto" and not by_number else MAX_CLASSES
    if values is None or len(values) > limit:
        raise DataError(
            f"{table.path}: target {shown(name)} has too many different values for classes, more than {limit};"
            " choose another target"
        )
    declared = table.categories.get(name)
    if facts.is_boolean and not declared and not is_text:
        return _boolean_classes(table, name, tuple(values), task)
    names = declared or tuple(sorted(values, key=int) if by_number else sorted(values))
    if unknown := sorted(set(values) - set(names)):
        raise DataError(f"{table.path}: target {shown(name)}: the file does not declare {listed(unknown, 8)}")
    found = _task(table.path, name, len(names), task)
    classes = {text: i for i, text in enumerate(names)}
    notes = _told(found, name, names, task, "text")
    alike = same_but_for_case(name, names, "classes")
    return Targets(found, (name,), (), classes, None, names, (*notes, alike) if alike else notes)


def _boolean_classes(table: Table, name: str, values: Sequence[str], task: str) -> Targets:
    """Return false and true as classes, however they are spelt, also where one of them does not occur."""
    spell = next((how for how in (str.upper, str.title) if how(values[0]) == values[0]), str.lower)
    names = tuple(map(spell, BOOLEANS))
    classes = {value: BOOLEANS.index(value.lower()) for value in values}
    found = _task(table.path, name, len(names), task)
    return Targets(found, (name,), (), classes, None, names, _told(found, name, names, task, "text"))


def _task(path: Path, name: str, n_classes: int, task: str) -> Task:
    found = task_of_classes(n_classes) if task == "auto" else require_task(task, "--task")
    if found == "binary" and n_classes > 2:
        raise DataError(f"{path}: target {shown(name)} has {n_classes} classes; use --task multiclass")
    return found


def _told(task: str, name: str, names: Sequence[str], stated: str, why: str) -> tuple[str, ...]:
    is_text = why == "text"
    reason = f"{shown(name)} is text" if is_text else f"{shown(name)}: {why}; --task regression takes it as a quantity"
    reason = reason if stated == "auto" else "stated"
    return (f"{task}: {reason}; classes {listed(names, 8)}",)
