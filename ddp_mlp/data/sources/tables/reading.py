"""From tables of any format to a source of rows: choose the columns, understand them, and say what was decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ddp_mlp.data.rows import MAX_CLASSES, n_outputs
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.column import PLAIN, source_column
from ddp_mlp.data.sources.source import Source
from ddp_mlp.data.sources.tables.encoding import Encoder
from ddp_mlp.data.sources.tables.facts import MOST_VALUES
from ddp_mlp.data.sources.tables.kept import keeping
from ddp_mlp.data.sources.tables.looks import Looks, cells_at, look, look_at_texts
from ddp_mlp.data.sources.tables.meaning import understand_features
from ddp_mlp.data.sources.tables.reading_like import source_like
from ddp_mlp.data.sources.tables.table import Marks
from ddp_mlp.data.sources.tables.targets import understand_targets
from ddp_mlp.data.sources.tables.words import listed, shown
from ddp_mlp.errors import DataError, UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.tables.findings import Findings
    from ddp_mlp.data.sources.tables.table import Table
    from ddp_mlp.data.sources.tables.targets import Targets


def source_of_table(table: Table, options: ImportOptions) -> Source:
    """Understand a table and return its rows.

    Raises
    ------
    UsageError
        If an option names no column, no target is named, or no feature is left.
    DataError
        If columns cannot be understood: one error that lists all of them.
    """
    known = options.like.marks if options.like else ()
    marks = Marks(tuple(dict.fromkeys(filter(None, (text.strip() for text in (*options.na, *known))))))
    table = replace(keeping(table, options.scratch), marks=marks)
    if options.like is not None:
        return source_like(table, options.like, options)
    features = choose_features(table, options)
    looks = _look(table, features, options)
    targets = understand_targets(table, looks, options)
    findings = understand_features(table, features, looks, options)
    _require_understood(table, findings)
    encoder = Encoder(
        table, tuple(findings.columns), targets, options.weights, options.split_by, tuple(dict.fromkeys(options.ids))
    )
    n_rows, n_without = looks.numbers[targets.names[0]].n_rows, looks.texts[targets.names[0]].n_missing
    is_plain = len(targets.names) == 1 and options.split_by is None and options.missing != "drop"
    sizes = {"train": n_rows - n_without} if is_plain and n_rows > n_without else encoder.sizes()
    if "train" not in sizes:
        raise DataError(f"{table.path}: no row to train on; each lacks a target, or other cells that are needed")
    n_left_out = n_rows - sum(sizes.values())
    lost = [_left_out(table, targets, looks, n_left_out)] if n_left_out else []
    notes = (*table.notes, *targets.notes, *lost, *findings.told(), *table.marks.unseen())
    return Source(_schema(encoder, targets), sizes, table.source, encoder.blocks, notes, ids=encoder.ids)


def _left_out(table: Table, targets: Targets, looks: Looks, n_rows: int) -> str:
    """Return the note on rows that are left out, with a cell that is taken for a missing target: NA may be a class."""
    found = f"{counted(n_rows, 'row')} without a target or with missing cells left out"
    missing = ((name, looks.texts[name].missing_row) for name in targets.names)
    first = next(((name, row) for name, row in missing if row is not None), None)
    if first is None:
        return found
    cell = cells_at(table, [first])[first].strip()
    where = f"{shown(cell) if cell else 'an empty cell'} in {shown(first[0])}"
    return f"{found}; the first has {where}, which is no value"


def choose_features(table: Table, options: ImportOptions) -> list[str]:
    """Return the columns that may become features, after checking those that options name."""
    others = {
        "--target": options.targets,
        "--drop": options.drop,
        "--id": options.ids,
        "--weights": (options.weights,) if options.weights is not None else (),
        "--split-by": (options.split_by,) if options.split_by is not None else (),
    }
    kinds = {"--text": options.text, "--ordinal": tuple(options.ordinal), "--date": tuple(options.date)}
    for option, names in {**others, **kinds}.items():
        table.require(names, option)
    if not options.targets:
        rest = [name for name in table.names if name not in options.drop]
        raise UsageError(f"{table.path}: no target named; choose with --target one of {listed(rest)}")
    if len(set(options.targets)) != len(options.targets):
        raise UsageError(f"{table.path}: a column is named twice as --target; name each once")
    taken: dict[str, str] = {}
    for option, names in others.items():
        for name in names:
            if taken.setdefault(name, option) != option:
                raise UsageError(f"{table.path}: column {shown(name)} is both {taken[name]} and {option}; choose one")
    features = [name for name in table.names if name not in taken]
    if not features:
        raise UsageError(f"{table.path}: no column is left as a feature; drop fewer")
    return features


def _look(table: Table, features: Sequence[str], options: ImportOptions) -> Looks:
    """Read the columns that are used: as numbers all of them, as text where that matters."""
    for_classes = MAX_CLASSES + 1 if options.task in {"binary", "multiclass"} else MOST_VALUES
    texts = {name: MOST_VALUES for name in features if _is_stated_text(table, name, options)}
    looks = look(table, [*features, *options.targets], texts | dict.fromkeys(options.targets, for_classes))
    if looks.numbers[options.targets[0]].n_rows == 0:
        raise DataError(f"{table.path}: a header but no rows; at least one row of values is needed")
    # Where commas are decimal signs, points may group thousands, so numbers with points are looked at again.
    if (options.decimal or looks.shown_decimal()) == ",":
        again = {n: MOST_VALUES for n in features if n not in looks.texts and not looks.numbers[n].is_whole}
        looks = Looks(looks.numbers, {**looks.texts, **look_at_texts(table, again)})
    return looks


def _is_stated_text(table: Table, name: str, options: ImportOptions) -> bool:
    return name in options.text or name in options.ordinal or name in options.date or name in table.categories


def _require_understood(table: Table, findings: Findings) -> None:
    problems = findings.problems
    if len(problems) == 1:
        raise DataError(f"{table.path}: {problems[0]}")
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DataError(f"{table.path}: {len(problems)} columns cannot be understood:\n{lines}")
    if not findings.columns:
        notes = "; ".join(findings.told())
        raise DataError(f"{table.path}: no column is left as a feature ({notes})")


def _schema(encoder: Encoder, targets: Targets) -> Schema:
    names = tuple(feature for column in encoder.columns for feature in column.features)
    class_names = targets.class_names
    n_classes = None if class_names is None else max(len(class_names), 2 if targets.task == "binary" else 1)
    return Schema(
        task=targets.task,
        n_features=len(names),
        n_outputs=n_outputs(targets.task, len(targets.names), n_classes),
        feature_names=names,
        target_names=targets.names,
        class_names=class_names,
        columns=tuple(map(source_column, encoder.columns)),
        target_units=targets.units if any(targets.units) else None,
        numbers="float",
        class_kind=targets.class_kind,
        target_forms=_kept_forms(targets),
        marks=encoder.table.marks.texts,
    )


def _kept_forms(targets: Targets) -> tuple[str, ...] | None:
    """Return how the numbers of quantities are written, as a schema keeps it; None where all are plain."""
    forms = tuple(form if form != PLAIN else "" for form, _ in targets.forms)
    return forms if targets.task == "regression" and any(forms) else None
