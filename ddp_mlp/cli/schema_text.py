"""The schema of a data set or model, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddp_mlp.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.schema import Schema, SourceColumn

_SHOWN = 20
_SHOWN_COLUMNS = 50


def schema_lines(schema: Schema) -> list[str]:
    """Return lines with the task, and with the names of columns, targets and classes."""
    shape = f", images of shape {schema.image_shape}" if schema.image_shape else ""
    features, outputs = counted(schema.n_features, "feature"), counted(schema.n_outputs, "output")
    lines = [f"task {schema.task}, {features}{shape}, {outputs}"]
    if schema.feature_names:
        lines.append(f"features: {shortened(schema.feature_names)}")
    if schema.target_names:
        units = schema.target_units or ("",) * len(schema.target_names)
        named = [f"{name} [{unit}]" if unit else name for name, unit in zip(schema.target_names, units, strict=True)]
        lines.append(f"targets: {shortened(named)}")
    if schema.class_names:
        lines.append(f"classes: {shortened(schema.class_names)}")
    if schema.marks:
        lines.append(f"cells that hold nothing: {shortened(schema.marks)}")
    return lines + [f"  {line}" for line in map(_column_line, schema.columns[:_SHOWN_COLUMNS])]


def _column_line(column: SourceColumn) -> str:
    categories = f": {shortened(column.categories)}" if column.categories else ""
    unit = f" [{column.unit}]" if column.unit else ""
    return f"{column.name}{unit}, {column.kind}{categories}; missing values: {column.missing}"


def shortened(items: Sequence[str]) -> str:
    """Return the first items, and how many more there are."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
