"""What one column of a table means, decided once and kept: how each cell becomes numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "category", "date"]
Encoding = Literal["number", "one-hot", "ordinal", "date"]
#: What a missing cell becomes: filled in from training rows, also marked in a column, its row left out, refused.
MISSING_POLICIES = ("impute", "indicator", "drop", "error")


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
        One of `MISSING_POLICIES`; with "indicator" the last of `features` is 1 where the cell is missing.
    form : str
        How cells are written: a key of `tables.cells.NUMBER_FORMS`, or the format of a date.
    unit : str or None
        What stands beside each number, such as ``%``.
    low, high : float or None
        Range of the numbers that were seen, over all rows.
    """

    name: str
    kind: Kind
    encoding: Encoding
    features: tuple[str, ...]
    categories: tuple[str, ...] = ()
    missing: str = "impute"
    form: str = "plain"
    unit: str | None = None
    low: float | None = None
    high: float | None = None
