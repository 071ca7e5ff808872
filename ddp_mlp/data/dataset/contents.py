"""The contents of a data set that is to be written, but for its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddp_mlp.data.schema import Schema


@dataclass(frozen=True)
class Contents:
    """A schema, and how its rows are stored.

    Attributes
    ----------
    schema : Schema
        What holds for all rows.
    sizes : dict of str to int
        Rows of each split, all to be appended before the end.
    origin : str
        Where the rows come from, in words.
    feature_dtype : str
        NumPy name of the dtype of the features.
    has_targets : bool
        Whether rows have targets.
    ids : tuple of str
        Names of columns of texts that are kept beside the rows.
    """

    schema: Schema
    sizes: Mapping[str, int]
    origin: str
    feature_dtype: str = "float64"
    has_targets: bool = True
    ids: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all features and targets."""
        row_bytes = self.schema.n_features * np.dtype(self.feature_dtype).itemsize
        return (row_bytes + 8 * self.has_targets * self.schema.n_targets) * sum(self.sizes.values())
