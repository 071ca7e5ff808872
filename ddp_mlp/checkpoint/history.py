"""The history of a run: one row of numbers an epoch. ``metrics.csv`` keeps it, a checkpoint knows it by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

#: A row as the cells of its line in a table, by column.
Cells = dict[str, str]


def cells_of(row: Mapping[str, Any]) -> Cells:
    """Return a row as text: numbers that training computed with all their digits, measured ones with six."""
    return {name: _text(value, is_measured=_is_measured(name)) for name, value in row.items()}


def computed(cells: Mapping[str, str]) -> list[str]:
    """Return the cells that are the same however often, and on however many ranks, an epoch is computed."""
    return [f"{name}={text}" for name, text in cells.items() if not _is_measured(name)]


def extended(history_sha256: str, cells: Mapping[str, str]) -> str:
    """Return the hash of a history and one more row, from that of the history (empty for none).

    Columns that were measured are left out, so that every rank comes to the same hash.
    """
    return hashlib.sha256("\n".join([history_sha256, *computed(cells)]).encode()).hexdigest()


def _is_measured(column: str) -> bool:
    return column.endswith("_s")


def _text(value: object, *, is_measured: bool) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if is_measured else repr(float(value))
    return str(value)
