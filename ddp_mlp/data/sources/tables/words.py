"""Names and cells in messages, cut to what a line has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddp_mlp import errors
from ddp_mlp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Names that a message lists, and characters of each.
MOST_NAMED = 40


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return names for a message, which has room for some."""
    return errors.listed([printable(name)[:MOST_NAMED] for name in names], most)


def shown(cell: str) -> str:
    """Return a cell for a message, in quotes."""
    return repr(printable(cell)[:MOST_NAMED])
