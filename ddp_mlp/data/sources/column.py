"""The meaning of one column of a table, decided once and kept: how each cell becomes numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ddp_mlp.data.class_values import BOOLEANS
from ddp_mlp.data.schema import Missing, SourceColumn

#: Numbers as Python writes them.
PLAIN = "plain"

Kind = Literal["number", "category", "date"]
Encoding = Literal["number", "one-hot", "ordinal", "date"]


@dataclass(frozen=True)
class Column:
    """One column of a table and the feature columns that it makes.

    Attributes
    ----------
    name : str
        Its name in the table.
    kind : str
        "number", "category" or "date".
    encoding : str
        How a cell becomes numbers: itself, a 1 among zeros, the position of its category, or parts of a date.
    features : tuple of str
        Names of the feature columns, in order.
    categories : tuple of str
        Of a category, in order.
    missing : str
        What a missing cell becomes: filled in from training rows ("impute"), also marked in the last of `features`
        ("indicator"), its row left out ("drop"), refused ("error").
    form : str
        How cells are written: a key of `tables.cells.NUMBER_FORMS`, or the format of a date.
    unit : str or None
        What stands beside each number, such as ``%``.
    """

    name: str
    kind: Kind
    encoding: Encoding
    features: tuple[str, ...]
    categories: tuple[str, ...] = ()
    missing: Missing = "impute"
    form: str = PLAIN
    unit: str | None = None


def is_boolean(column: Column) -> bool:
    """Tell whether a column holds false and true, however they are spelt."""
    return column.encoding == "ordinal" and {text.lower() for text in column.categories} <= set(BOOLEANS)


def source_column(column: Column) -> SourceColumn:
    """Return the column as a schema keeps it."""
    how = {"ordinal": "" if is_boolean(column) else "ordinal", "date": "cyclic"}.get(column.encoding, "")
    return SourceColumn(
        column.name,
        "boolean" if is_boolean(column) else column.kind,
        column.features,
        column.categories,
        column.missing,
        column.unit or "",
        how,
        column.form if column.form != PLAIN else "",
    )


def column_of(kept: SourceColumn) -> Column:
    """Return a column of a schema; how its cells are written is to be found out, beginning with how they were."""
    if kept.kind == "boolean":
        return Column(
            kept.name, "category", "ordinal", kept.features, kept.categories or ("false", "true"), kept.missing
        )
    encodings: dict[str, Encoding] = {"number": "number", "date": "date"}
    encoding = encodings.get(kept.kind, "ordinal" if kept.how == "ordinal" else "one-hot")
    return Column(
        kept.name,
        kept.kind,
        encoding,
        kept.features,
        kept.categories,
        kept.missing,
        form=kept.form or PLAIN,
        unit=kept.unit or None,
    )
