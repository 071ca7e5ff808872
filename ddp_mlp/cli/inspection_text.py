"""An inspection as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddp_mlp.cli.schema_text import schema_lines, shortened
from ddp_mlp.data.hdf5.tree import size_text, tree_lines

if TYPE_CHECKING:
    from ddp_mlp.data.inspection import Inspection, SplitReport


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
        lines += [f"{name}: {report.n_samples} samples, features {report.feature_dtype}"]
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
    return lines


def _class_lines(report: SplitReport, counts: list[int], class_names: tuple[str, ...] | None) -> list[str]:
    names = class_names or tuple(map(str, range(len(counts))))
    lines = [f"class balance: {shortened([f'{n} {c}' for n, c in zip(names, counts, strict=False)])}"]
    if sum(count > 0 for count in counts) == 1:
        lines.append("warning: one class only, nothing to tell apart")
    if report.bad_labels:
        lines.append(f"bad labels: {report.bad_labels} are not whole numbers from 0 to {len(counts) - 1}")
    return lines
