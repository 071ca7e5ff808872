"""The rows of one split: read a block at a time, bound to a schema, and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.binding.bind import Binding, bind_rows
from ddp_mlp.data.dataset.validation import Checks, check_rows, require_known_labels
from ddp_mlp.data.layouts.decoding import as_exact
from ddp_mlp.data.rectangle import Rectangle
from ddp_mlp.data.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one split, read a block at a time.

    Attributes
    ----------
    name : str
        "train", "valid" or "test".
    n_samples : int
        Number of rows N, at least 1.
    feature_dtype : numpy.dtype
        Dtype of the features as read.
    binding : Binding
        How its rows become those of the schema.
    """

    name: str
    n_samples: int
    feature_dtype: np.dtype[Any]
    binding: Binding
    _features: Rectangle
    _targets: Rectangle | None
    _weights: Rectangle | None
    _checks: Checks
    _class_names: tuple[str, ...] | None = None
    _uses_targets: bool = True

    @property
    def has_targets(self) -> bool:
        """Whether it has targets that are of use."""
        return self._targets is not None and self._uses_targets

    @property
    def has_weights(self) -> bool:
        """Whether its samples have weights."""
        return self._weights is not None

    @property
    def allows_missing(self) -> bool:
        """Whether NaN among the features is a missing value and no error."""
        return self._checks.allows_missing

    @property
    def where(self) -> str:
        """``FILE:/path`` of the features, for messages."""
        return self._checks.features_where

    @property
    def chunk_rows(self) -> tuple[int, ...]:
        """Rows that must be unpacked together, of features, targets and weights; 0 where each can be read by itself."""
        return tuple(matrix.chunk_rows for matrix in self._matrices())

    def will_read(self, start: int, stop: int) -> None:
        """Let rows ``start <= row < stop`` be fetched while other work goes on; a hint, no more."""
        for matrix in self._matrices():
            matrix.will_read(start, stop)

    def _matrices(self) -> list[Rectangle]:
        return [matrix for matrix in (self._features, self._targets, self._weights) if matrix is not None]

    def read(self, start: int, stop: int) -> Rows:
        """Read rows ``start <= row < stop`` as rows of the schema, and check them.

        Raises
        ------
        DataError
            For non-finite values, labels that are none, negative weights, damaged files.
        StorageError
            If the disk fails.
        """
        stored = self.read_stored(start, stop)
        rows = self.bound(stored)
        checks = self._checks
        if checks.n_classes is not None and self.has_targets:
            require_known_labels(stored.targets, rows.targets, start, checks.targets_where, self._class_names)
        check_rows(rows, start, checks, self._all)
        return rows

    def _all(self) -> Iterator[Rows]:
        for start in range(0, self.n_samples, _BLOCK_ROWS):
            yield self.bound(self.read_stored(start, min(start + _BLOCK_ROWS, self.n_samples)))

    def allowing_missing(self) -> Split:
        """Return the same rows, with NaN allowed among the features."""
        return replace(self, _checks=replace(self._checks, allows_missing=True))

    def with_rows_of(self, other: Split, join: Callable[[Rectangle, Rectangle], Rectangle]) -> Split:
        """Return the rows of both, which are stored alike; `join` puts two matrices one after the other."""
        features = join(self._features, other._features)
        parts = [(self._targets, other._targets), (self._weights, other._weights)]
        targets, weights = (join(one, two) if one is not None and two is not None else None for one, two in parts)
        return replace(
            self, n_samples=features.n_rows, feature_dtype=features.dtype, _features=features, _targets=targets,
            _weights=weights,
        )  # fmt: skip

    def bound(self, rows: Rows) -> Rows:
        """Return stored rows as rows of the schema; labels that are none become NaN, unused targets no columns."""
        if not self._uses_targets:
            rows = Rows(rows.features, rows.targets[:, :0], rows.weights)
        return bind_rows(rows, self.binding)

    def read_stored(self, start: int, stop: int) -> Rows:
        """Read rows as they are in the file, whatever their values are.

        Without targets, those have no columns.

        Raises
        ------
        DataError
            For damaged files.
        StorageError
            If the disk fails.
        """
        if not 0 <= start <= stop <= self.n_samples:
            message = f"rows {start} to {stop} of a split with {self.n_samples}"
            raise ValueError(message)
        weights, targets = None, np.zeros((stop - start, 0))
        if self._weights is not None:
            values = self._weights.read(start, stop)[:, 0]
            weights = as_exact(values, np.dtype(np.float64), self._checks.weights_where)
        if self._targets is not None:
            targets = as_exact(self._targets.read(start, stop), np.dtype(np.float64), self._checks.targets_where)
        return Rows(self._features.read(start, stop), targets, weights)
