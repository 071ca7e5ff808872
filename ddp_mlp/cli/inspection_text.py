"""An inspection as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddp_mlp.cli.schema_text import schema_lines, shortened
from ddp_mlp.data.hdf5.tree import size_text, tree_lines
from ddp_mlp.errors import counted, printable

if TYPE_CHECKING:
    from ddp_mlp.data.column_report import ColumnReport
    from ddp_mlp.data.inspection import Inspection, SplitReport

_MOST_COLUMNS = 40


def text_lines(inspection: Inspection) -> list[str]:
    """Return an inspection as lines: the file, its arrays, the data set, its splits."""
    i = inspection
    group = "" if i.group == "/" else f":{i.group}"
    lines = [f"{i.path}{group}  {size_text(i.file_bytes)}", *tree_lines(i.tree, storage=True)]
    if i.splits is None or i.schema is None:
        return lines
    lines += schema_lines(i.schema)
    if i.source:
        lines.append(f"source {i.source}")
    for name, report in i.splits.items():
        lines += [f"{name}: {counted(report.n_samples, 'sample')}, features {report.feature_dtype}"]
        lines += [f"  {line}" for line in _split_lines(report, i.schema.class_names)]
    lines += [f"note: {note}" for note in i.notes]
    memory = ", ".join(f"{size_text(n)} as {dtype}" for dtype, n in (i.memory_bytes or {}).items())
    return [*lines, f"memory a node {memory}", f"fingerprint {i.fingerprint}"]


def _split_lines(report: SplitReport, class_names: tuple[str, ...] | None) -> list[str]:
    bad = (
        f"{report.non_finite_features} in features, {report.non_finite_targets} in targets,"
        f" {report.non_finite_weights} in weights"
    )
    lines = [f"non-finite values: {bad}"]
    if report.class_counts is not None:
        lines += _class_lines(report, report.class_counts, class_names)
    if report.target_range is not None:
        ranges = [f"{low:g} to {high:g}" for low, high in report.target_range if None not in (low, high)]
        lines.append(f"target range: {shortened(ranges)}")
    if columns := report.constant_columns:
        lines.append(f"constant columns: {len(columns)} ({shortened(columns)})")
    if columns := report.telling_columns:
        lines.append(
            f"warning: one column alone nearly determines the target: {shortened(columns)}; leave it out unless it is"
            " known before the target is"
        )
    if columns := report.counting_columns:
        lines.append(f"warning: whole numbers that rise or fall from row to row, as ids do: {shortened(columns)}")
    return lines + _column_lines(report)


def _column_lines(report: SplitReport) -> list[str]:
    """Return a line for each column, but for those that there is no room for."""
    shown = report.columns[:_MOST_COLUMNS]
    width = max(len(printable(column.name)) for column in shown)
    lines = [
        f"  {printable(column.name):<{width}}  {_range(column)}"
        + (f"  {column.n_missing} missing" if column.n_missing else "")
        for column in shown
    ]
    more = len(report.columns) - len(shown)
    return [*lines, f"  and {more} columns more; --json lists all"] if more else lines


def _range(column: ColumnReport) -> str:
    return "nothing finite" if column.low is None or column.high is None else f"{column.low:g} to {column.high:g}"


def _class_lines(report: SplitReport, counts: list[int], class_names: tuple[str, ...] | None) -> list[str]:
    names = class_names or tuple(map(str, range(len(counts))))
    lines = [f"class balance: {shortened([f'{n} {c}' for n, c in zip(names, counts, strict=False)])}"]
    if sum(count > 0 for count in counts) == 1:
        lines.append("warning: one class only, nothing to tell apart")
    if report.bad_labels:
        lines.append(f"bad labels: {report.bad_labels} are not whole numbers from 0 to {len(counts) - 1}")
    return lines
