"""Samples of the rows that trained a model, that validated it, and that test it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.training.inputs.own_rows import OwnRows, Portion, read_some

#: Rows of a purpose that are looked at, values held of them, and bytes that are read for them.
_MOST_ROWS, _MOST_VALUES, _MOST_BYTES = 10_000, 2**23, 2**27


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the rows of one purpose.

    Attributes
    ----------
    name : str
        "train", "valid" or "test".
    n_rows : int
        Rows of that purpose in all.
    features : ndarray of float64, shape (n, F)
        In units of the data, NaN where a value is missing.
    targets : ndarray of float64, shape (n, T)
        Labels are numbers of classes.
    """

    name: str
    n_rows: int
    features: NDArray[np.float64]
    targets: NDArray[np.float64]


def samples_of(own: OwnRows) -> list[Sample]:
    """Return a sample for each purpose that rows of a run have, those that train first.

    Raises
    ------
    DataError, StorageError
        If rows cannot be read.
    """
    return [_of_portion(portion) for portion in own.portions.values()]


def _of_portion(portion: Portion) -> Sample:
    ids = portion.sample(min(_MOST_ROWS, _MOST_VALUES // portion.n_features), _MOST_BYTES)
    rows = list(read_some(portion.split, ids))
    features = np.concatenate([np.asarray(part.features, np.float64) for part in rows])
    return Sample(portion.name, len(portion.ids), features, np.concatenate([part.targets for part in rows]))
