"""Two splits as one, the rows of the second after those of the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.binding.bind import Binding
    from ddp_mlp.data.dataset.split import Split
    from ddp_mlp.data.rectangle import Rectangle


@dataclass(frozen=True, eq=False)
class Joined:
    """The rows of two matrices of one width."""

    first: Rectangle
    second: Rectangle

    @property
    def where(self) -> str:
        """Those of the first, for messages."""
        return self.first.where

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return self.first.n_rows + self.second.n_rows

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.first.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype that holds the values of both."""
        return np.result_type(self.first.dtype, self.second.dtype)

    @property
    def is_whole(self) -> bool:
        """Whether both are stored as integers that mean themselves."""
        return self.first.is_whole and self.second.is_whole

    @property
    def is_scaled(self) -> bool:
        """Whether a column of one is a packed quantity."""
        return self.first.is_scaled or self.second.is_scaled

    @property
    def chunk_rows(self) -> int:
        """Rows that must be unpacked together in either."""
        return max(self.first.chunk_rows, self.second.chunk_rows)

    def will_read(self, start: int, stop: int) -> None:
        """Let rows ``start <= row < stop`` be fetched while other work goes on."""
        n = self.first.n_rows
        if start < n:
            self.first.will_read(start, min(stop, n))
        if stop > n:
            self.second.will_read(max(start - n, 0), stop - n)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows ``start <= row < stop``: shape (stop - start, width), C-contiguous."""
        n = self.first.n_rows
        parts = [self.first.read(min(start, n), min(stop, n)), self.second.read(max(start - n, 0), max(stop - n, 0))]
        return np.concatenate([part.astype(self.dtype, copy=False) for part in parts if len(part)] or parts[:1])


def joined(first: Split, second: Split) -> Split:
    """Return the rows of two splits as one.

    Raises
    ------
    DataError
        If their columns, labels or weights are not stored alike.
    """
    if not _is_alike(first.binding, second.binding) or first.has_weights != second.has_weights:
        raise DataError(
            f"{first.where} and {second.where}: columns, labels or weights are not stored alike, so their rows cannot"
            " train together; write them to one file in one order of columns"
        )
    return first.with_rows_of(second, Joined)


def _is_alike(one: Binding, other: Binding) -> bool:
    """Tell whether the same is done to stored rows by both."""
    labels = [(each.labels.values, each.labels.classes) if each.labels else (None, None) for each in (one, other)]
    pairs = [(one.features, other.features), (one.targets, other.targets), *zip(*labels, strict=True)]
    return one.one_hot == other.one_hot and all(
        a is b if a is None or b is None else np.array_equal(a, b) for a, b in pairs
    )
