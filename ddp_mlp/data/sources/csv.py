"""CSV and TSV files with a header, read twice: once to learn the columns, once for the rows.

A column is numbers or text throughout; its first cell tells which, and a cell of the other
kind is an error. Text features become one column ``name=value`` of 0 and 1 for each value,
in alphabetical order. Targets under the task "auto":

- one text column is labels; the classes are its values in alphabetical order;
- one column of whole numbers written without a point, at most 20 different ones and at
  least ten rows for each, is labels; the classes are its values in ascending order;
- anything else is regression.

Two classes are binary, more are multiclass. A stated task overrides these rules.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import MAX_CLASSES, Description, Rows, Task, require_task, task_of_classes
from ddp_mlp.data.sources.csv_columns import parse_numbers
from ddp_mlp.data.sources.csv_table import open_table
from ddp_mlp.data.sources.source import Source
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.csv_columns import ColumnFacts
    from ddp_mlp.data.sources.csv_table import CsvTable

#: Up to so many different whole numbers are taken for labels ...
AUTO_CLASSES = 20
#: ... if each has so many rows on average.
AUTO_ROWS_PER_CLASS = 10
MAX_TEXTS = 1000
#: Columns that a message names, and characters of each.
_MOST_NAMED = 40


@dataclass(frozen=True)
class _Targets:
    """The meaning of the target columns; `values` are the classes in order, None for regression."""

    task: Task
    values: tuple[str, ...] | tuple[float, ...] | None


def read_csv(path: Path, targets: Sequence[str], drop: Sequence[str] = (), task: str = "auto") -> Source:
    """Read a table from a text file.

    Parameters
    ----------
    path : Path
        Comma, semicolon, tab or bar separated, the header tells which; plain or gzip; UTF-8.
    targets : sequence of str
        Names of the target columns.
    drop : sequence of str
        Names of columns to leave out; all others are features.
    task : str
        "auto" or one of `rows.TASKS`.

    Raises
    ------
    UsageError
        If a name is not in the header, no target is named, or no feature is left.
    DataError
        If a cell is empty or of the wrong kind, rows are ragged, or the targets do not fit
        the task.
    """
    table = open_table(path)
    features = _feature_names(table, targets, drop)
    limits = dict.fromkeys(features, MAX_TEXTS)
    limits |= dict.fromkeys(targets, MAX_TEXTS if task == "auto" else MAX_CLASSES)
    n_rows, facts = table.scan(limits)
    meaning = _meaning_of_targets(path, targets, facts, n_rows, task)
    names = tuple(n for f in features for n in _expanded(path, f, facts[f]))
    description = _description(path, targets, names, meaning)
    return Source(description, {"train": n_rows}, lambda: _blocks(table, facts, features, targets, meaning))


def _feature_names(table: CsvTable, targets: Sequence[str], drop: Sequence[str]) -> list[str]:
    """Return the columns that are neither targets nor dropped, after checking these."""
    path, header = table.path, table.header
    _require_names(path, header, targets, "--target")
    _require_names(path, header, drop, "--drop")
    if not targets:
        rest = [name for name in header if name not in drop]
        raise UsageError(f"{path}: no target named; choose with --target one of {_listed(rest)}")
    if both := set(targets) & set(drop):
        raise UsageError(f"{path}: column {both.pop()!r} is both --target and --drop; choose one")
    if len(set(targets)) != len(targets):
        raise UsageError(f"{path}: a column is named twice as --target; name each once")
    features = [name for name in header if name not in targets and name not in drop]
    if not features:
        raise UsageError(f"{path}: no column is left as a feature; drop fewer")
    if unnamed := [name for name in features if name in table.unnamed]:
        # Most often the row numbers that a data frame wrote; nobody means them as a feature.
        raise DataError(
            f"{path}: {unnamed[0]} has no name in line 1; name it, or leave it out with --drop {unnamed[0]!r}"
        )
    return features


def _require_names(path: Path, header: Sequence[str], names: Sequence[str], option: str) -> None:
    for name in names:
        if name not in header:
            close = difflib.get_close_matches(name, header, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"the columns are {_listed(header)}"
            raise UsageError(f"{path}: no column {name!r} for {option}; {hint}")


def _listed(names: Sequence[str]) -> str:
    """Return names for a message, which has room for some."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(name[:_MOST_NAMED] for name in names[:_MOST_NAMED]) + more


def _expanded(path: Path, name: str, facts: ColumnFacts) -> list[str]:
    """Return the names of the feature columns that one column of the table becomes."""
    if not facts.is_text:
        return [name]
    if facts.values is None:
        raise DataError(
            f"{path}: column {name!r} has more than {MAX_TEXTS} different texts, too many to encode; leave it"
            f" out with --drop {name!r}"
        )
    return [f"{name}={text}" for text in facts.values]


def _meaning_of_targets(
    path: Path, targets: Sequence[str], facts: Mapping[str, ColumnFacts], n_rows: int, task: str
) -> _Targets:
    if task != "auto":
        require_task(task, "--task")
    text = [name for name in targets if facts[name].is_text]
    if task == "regression" or len(targets) > 1:
        if text or task not in {"auto", "regression"}:
            found = f"text in {text[0]!r}" if text else f"{len(targets)} targets"
            raise UsageError(f"{path}: {found}; regression needs numbers, classification one target column")
        return _Targets("regression", None)
    target = facts[targets[0]]
    if task == "auto" and not (target.is_text or _looks_like_labels(target, n_rows)):
        return _Targets("regression", None)
    if target.values is None:
        raise DataError(
            f"{path}: target {targets[0]!r} has too many different values, or fractions, for classes;"
            " use --task regression or another target"
        )
    found_task = task_of_classes(len(target.values)) if task == "auto" else require_task(task, "--task")
    if found_task == "binary" and len(target.values) > 2:
        raise DataError(f"{path}: target {targets[0]!r} has {len(target.values)} classes; use --task multiclass")
    return _Targets(found_task, target.values)


def _looks_like_labels(facts: ColumnFacts, n_rows: int) -> bool:
    n_values = len(facts.values or ())
    return facts.written_whole and 0 < n_values <= AUTO_CLASSES and n_rows >= AUTO_ROWS_PER_CLASS * n_values


def _description(path: Path, targets: Sequence[str], names: tuple[str, ...], meaning: _Targets) -> Description:
    values = meaning.values
    class_names = None if values is None else tuple(v if isinstance(v, str) else f"{v:.0f}" for v in values)
    n_classes = None if values is None else max(len(values), 2 if meaning.task == "binary" else 1)
    return Description(
        task=meaning.task,
        source=f"CSV {path.name}",
        n_features=len(names),
        feature_dtype="float64",
        n_targets=len(targets),
        n_classes=n_classes,
        feature_names=names,
        target_names=tuple(targets),
        class_names=class_names,
    )


def _blocks(
    table: CsvTable,
    facts: Mapping[str, ColumnFacts],
    features: Sequence[str],
    targets: Sequence[str],
    meaning: _Targets,
) -> Iterator[tuple[str, Rows]]:
    for block in table.blocks((*features, *targets)):
        columns = [_feature_columns(block.cells[name], facts[name]) for name in features]
        if meaning.values is None:
            labels = np.column_stack([_numbers(block.cells[name]) for name in targets])
        else:
            cells = block.cells[targets[0]]
            labels = _codes(cells, meaning.values).astype(np.float64)[:, None]
        yield "train", Rows(np.concatenate(columns, axis=1), labels)


def _feature_columns(cells: list[str], facts: ColumnFacts) -> NDArray[np.float64]:
    """Return numbers as one column, texts as one column of 0 and 1 per value."""
    if not facts.is_text:
        return _numbers(cells)[:, None]
    values = facts.values or ()
    out = np.zeros((len(cells), len(values)))
    out[np.arange(len(cells)), _codes(cells, values)] = 1.0
    return out


def _numbers(cells: list[str]) -> NDArray[np.float64]:
    return np.array(parse_numbers(cells), np.float64)


def _codes(cells: list[str], values: tuple[str, ...] | tuple[float, ...]) -> NDArray[np.int64]:
    """Return the position of each cell among the values: shape (n,)."""
    order: dict[str | float, int] = dict(zip(values, range(len(values)), strict=True))
    as_text = isinstance(values[0], str)
    return np.array([order[c.strip() if as_text else float(c)] for c in cells], np.int64)
