"""Read a data set: the layout this program writes, and most that others write.

::

    /                     attrs: format="ddp-mlp-dataset", format_version=1, task, source, created_utc
    /train/features  (N, F) any numeric dtype      attrs: names, image_shape (both optional)
    /train/targets   (N,) integer classes | (N, T) floats   attrs: names, class_names, n_classes
    /train/weights   (N,) optional sample weights
    /valid/...  /test/...  likewise, optional

Other layouts are found as `layouts` tells. There the attribute ``task`` of the file counts;
without it, integer or boolean targets of shape (N,) or (N, 1) are labels (two classes are
binary, more are multiclass), all others are regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.dataset.columns import Matrix, as_exact
from ddp_mlp.data.dataset.fingerprints import fingerprint
from ddp_mlp.data.dataset.structure import Structure, read_structure
from ddp_mlp.data.dataset.validation import Checks, check_rows
from ddp_mlp.data.hdf5.guard import OpenFile, open_readonly
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.rows import Rows, Task
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ddp_mlp.data.dataset.layouts import Role

__all__ = ["DatasetFile", "Rows", "Split", "Task", "open_dataset", "split_location"]


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
    """

    name: str
    n_samples: int
    feature_dtype: np.dtype[Any]
    _features: Matrix
    _targets: Matrix
    _weights: Matrix | None
    _checks: Checks

    @property
    def has_weights(self) -> bool:
        """Whether its samples have weights."""
        return self._weights is not None

    def read(self, start: int, stop: int) -> Rows:
        """Read and check rows ``start <= row < stop``.

        Raises
        ------
        DataError
            For non-finite values, labels out of range, negative weights, damaged files.
        StorageError
            If the disk fails.
        """
        rows = self.read_unchecked(start, stop)
        check_rows(rows, start, self._checks)
        return rows

    def read_unchecked(self, start: int, stop: int) -> Rows:
        """Read rows as `read` does, whatever their values are.

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
        weights = None
        if self._weights is not None:
            values = self._weights.read(start, stop)[:, 0]
            weights = as_exact(values, np.dtype(np.float64), self._checks.weights_where)
        targets = as_exact(self._targets.read(start, stop), np.dtype(np.float64), self._checks.targets_where)
        return Rows(self._features.read(start, stop), targets, weights)


@dataclass(frozen=True, eq=False)
class DatasetFile:
    """An open data set; a context manager that closes its file.

    Attributes
    ----------
    path : Path
        The file.
    group : str
        The group in the file, "/" for all of it.
    task : str
        "regression", "binary" or "multiclass".
    n_features : int
        Columns F of the features.
    n_outputs : int
        Number of classes for multiclass, 1 for binary, columns T for regression.
    feature_names, target_names, class_names : tuple of str or None
        Names where the file has them.
    image_shape : tuple of int or None
        Shape of one sample, (H, W) or (H, W, C), where samples are images.
    source : str
        What the file says about its origin, "" if nothing.
    splits : dict of str to Split
        Always "train"; "valid" and "test" where the file has them.
    selection : tuple of str or None
        The group, and the names that were given for features and targets.
    """

    path: Path
    group: str
    task: Task
    n_features: int
    n_outputs: int
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    source: str
    splits: dict[str, Split]
    selection: tuple[str, str | None, str | None]
    _file: OpenFile

    def fingerprint(self) -> str:
        """Hash the content: task, shapes, dtypes and the bytes of the rows.

        The same for the same content, whatever the path, the chunks and the compression.
        Every byte counts.

        Returns
        -------
        str
            Hexadecimal digits; see `fingerprints`.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        return fingerprint(self.task, self.n_outputs, self.splits)

    def identity(self) -> tuple[int, ...]:
        """Return device, number, length, and the times of change of the file, in nanoseconds."""
        return self._file.watched.identity()

    def close(self) -> None:
        """Close the file; its splits can no longer be read."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_dataset(location: str | Path, *, features: str | None = None, targets: str | None = None) -> DatasetFile:
    """Open a data set for reading.

    Parameters
    ----------
    location : str or Path
        ``F.h5`` or ``F.h5:/group``.
    features, targets : str, optional
        Which arrays these are, for layouts that are not recognised; see `layouts`.

    Returns
    -------
    DatasetFile
        Shapes and dtypes are checked; values are checked when they are read.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DataError
        If it is no HDF5 file, is damaged, has no data set, or holds what is not allowed.
    UsageError
        If `features` or `targets` is given but empty.
    """
    path, group = split_location(location)
    explicit: dict[Role, str] = {}
    if features is not None:
        explicit["features"] = features
    if targets is not None:
        explicit["targets"] = targets
    for role, text in explicit.items():
        if not text.replace(",", "").strip():
            raise UsageError(f"{role} is {text!r}; give the path of an array in {path}, or leave it out")
    file = open_readonly(path)
    try:
        base = root(file).follow(group)
        if not isinstance(base, Group):
            raise DataError(f"{path}:{group}: no such group in the file; `ddp-mlp data inspect {path}` lists it")
        structure = read_structure(path, base, explicit)
        return _dataset_file(path, structure, (group, features, targets), file)
    except BaseException:
        file.close()
        raise


def split_location(location: str | Path) -> tuple[Path, str]:
    """Split ``F.h5:/group`` into path and group; the group is "/" where none is given.

    Examples
    --------
    >>> split_location("run.h5:/fold/3")
    (PosixPath('run.h5'), '/fold/3')
    """
    text = str(location)
    path, colon, group = text.rpartition(":/")
    if not colon or _exists(text):
        return Path(text), "/"
    return Path(path), "/" + group.strip("/")


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _dataset_file(
    path: Path, structure: Structure, selection: tuple[str, str | None, str | None], file: OpenFile
) -> DatasetFile:
    splits = {}
    for name, matrices in structure.splits.items():
        checks = structure.checks(name)
        features = matrices.features
        splits[name] = Split(
            name, features.n_rows, features.dtype, features, matrices.targets, matrices.weights, checks
        )
    return DatasetFile(
        path, selection[0], structure.task, structure.n_features, structure.n_outputs, structure.feature_names,
        structure.target_names, structure.class_names, structure.image_shape, structure.source, splits, selection, file,
    )  # fmt: skip
