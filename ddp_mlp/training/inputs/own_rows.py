"""The rows of a run, opened again as its training opened them: those that trained, validated, and are for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.config import DataConfig
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.data.dataset.known_files import known_fingerprint, recall
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.rows import Rows
from ddp_mlp.errors import DataError
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.inputs.parting import who_validates

Ids = NDArray[np.int64]

#: Rows that are beside each other in a sample, and rows that are read at a time.
_BLOCK_ROWS, _READ_ROWS = 512, 2048


@dataclass(frozen=True, eq=False)
class Portion:
    """The rows of one purpose.

    Attributes
    ----------
    name : str
        "train", "valid" or "test".
    location : str
        The file that they are in, ``F.h5`` or ``F.h5:/group``.
    split : Split
    ids : ndarray of int64
        Rows of the split, ascending; one at least.
    n_features : int
    """

    name: str
    location: str
    split: Split
    ids: Ids
    n_features: int

    def sample(self, most_rows: int, most_bytes: int) -> Ids:
        """Return rows of it in blocks that are evenly spaced, so that few of those between are read along.

        Parameters
        ----------
        most_rows : int
        most_bytes : int
            Read from the file at most.
        """
        row_bytes = self.n_features * self.split.feature_dtype.itemsize * self.split.n_samples / len(self.ids)
        most = max(1, min(most_rows, int(most_bytes / row_bytes)))
        if len(self.ids) <= most:
            return self.ids
        block = min(_BLOCK_ROWS, most)
        starts = np.linspace(0, len(self.ids) - block, most // block).astype(int)
        return np.unique(np.concatenate([self.ids[start : start + block] for start in starts]))


@dataclass(frozen=True, eq=False)
class OwnRows:
    """The rows of a run.

    Attributes
    ----------
    portions : dict of str to Portion
        By their purpose, of those that have rows; "train" first.
    is_same : bool or None
        Whether the files hold what the run was trained on; None where that was not looked at.
    """

    portions: dict[str, Portion]
    is_same: bool | None


def open_own(model: Model, data: DataConfig, stack: ExitStack, most_bytes: int) -> OwnRows:
    """Open the files that the training of a model named.

    Parameters
    ----------
    data : DataConfig
        That of the model, perhaps with other paths.
    most_bytes : int
        Content of files that are larger is compared only where it was read before and is remembered.

    Raises
    ------
    MissingInputError, DataError
        If they are not there any more, or do not fit the model.
    """
    files, splits = open_splits(data, stack, model.schema)
    if (width := files[0].schema.n_features) != model.schema.n_features:
        raise DataError(f"{data.train} has {width} features by now, but the model has {model.schema.n_features}")
    if model.normalization.fill is not None:
        splits = [split.allowing_missing() for split in splits]
    train, valid = who_validates(model.config, files[0], splits)
    if len(splits) == 2:
        valid = valid - splits[0].n_samples
    found = [("train", data.train, splits[0], train), ("valid", data.valid or data.train, splits[-1], valid)]
    if (tests := files[0].splits.get("test")) is not None:
        tests = tests.allowing_missing() if model.normalization.fill is not None else tests
        found.append(("test", data.train, tests, np.arange(tests.n_samples, dtype=np.int64)))
    portions = {name: Portion(name, where, split, ids, width) for name, where, split, ids in found if len(ids)}
    return OwnRows(portions, _is_same(model.fingerprint, files, most_bytes))


def _is_same(stored: str, files: list[DatasetFile], most_bytes: int) -> bool | None:
    is_large = sum(file.path.stat().st_size for file in files) > most_bytes
    found = [recall(file) if is_large else known_fingerprint(file) for file in files]
    known = [one for one in found if one is not None]
    of_files = "+".join(stored.split("+")[: len(files)])  # a column that parts the rows is hashed after them
    return is_same_content(of_files, "+".join(known)) if stored and len(known) == len(files) else None


def read_some(split: Split, ids: Ids) -> Iterator[Rows]:
    """Yield rows of a split, which ascend, some at a time.

    Raises
    ------
    DataError, StorageError
        As `Split.read`.
    """
    done = 0
    while done < len(ids):
        start = int(ids[done])
        end = int(np.searchsorted(ids, start + _READ_ROWS))
        rows, chosen = split.read(start, int(ids[end - 1]) + 1), ids[done:end] - start
        yield Rows(rows.features[chosen], rows.targets[chosen], None)
        done = end
