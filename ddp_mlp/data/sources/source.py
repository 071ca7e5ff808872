"""The interface of every source: a schema, sizes, and blocks of rows in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ddp_mlp.data.rows import Rows
    from ddp_mlp.data.schema import Schema

#: Rows of a block.
BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Source:
    """Rows that can be read once more each time they are asked for.

    Attributes
    ----------
    schema : Schema
        What holds for all rows.
    sizes : dict of str to int
        Rows of each split; always "train".
    origin : str
        Where the rows come from, in words.
    blocks : callable
        Returns an iterator of ``(split, rows)``; the rows of each split come in order.
    notes : tuple of str
        What was decided, in words; those of a doubtful decision begin with ``warning:``.
    texts : callable or None
        Of a table: returns the cells of columns as they are written, by name, all rows in order.
    feature_dtype : str
        NumPy name of the dtype of the features.
    has_targets : bool
        False for rows that are only to be answered, whose targets have no columns.
    ids : tuple of str
        Names of the columns of `Rows.ids`.
    """

    schema: Schema
    sizes: Mapping[str, int]
    origin: str
    blocks: Callable[[], Iterator[tuple[str, Rows]]]
    notes: tuple[str, ...] = ()
    texts: Callable[[Sequence[str]], dict[str, list[str]]] | None = None
    feature_dtype: str = "float64"
    has_targets: bool = True
    ids: tuple[str, ...] = ()
