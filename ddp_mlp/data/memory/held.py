"""Data sets that are in memory, with the schema and the checks of a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.dataset.dataset import DatasetFile, dataset_file
from ddp_mlp.data.dataset.matrices import (
    SplitMatrices,
    require_fitting,
    require_same_images,
    require_same_widths,
)
from ddp_mlp.data.dataset.meaning import Carried, Wanted, bound_structure, new_structure
from ddp_mlp.data.memory.array_likes import numbers_of, texts_of
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Task


@dataclass(frozen=True, eq=False)
class HeldMatrix:
    """Rows of numbers in memory.

    Attributes
    ----------
    values : ndarray, shape (n, width)
        Of any memory layout and byte order.
    where : str
        Its name in messages.
    """

    values: NDArray[Any]
    where: str
    is_scaled: bool = False

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the rows that are read, native byte order."""
        return self.values.dtype.newbyteorder("=")

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are integers or booleans."""
        return self.values.dtype.kind in "iub"

    @property
    def chunk_rows(self) -> int:
        """0: any row can be read by itself."""
        return 0

    def will_read(self, start: int, stop: int) -> None:
        """Return at once: it is in memory."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return a copy of rows ``start <= row < stop``."""
        return np.array(self.values[start:stop], self.dtype, order="C")


@dataclass(frozen=True, eq=False)
class HeldData:
    """A data set in memory, not yet understood.

    Attributes
    ----------
    where : str
        Its name in messages.
    splits : dict of str to SplitMatrices
    task : str or None
        Where it is known already.
    carried : Carried
    source : str
        Where it comes from, in words.
    notes : tuple of str
        What was decided so far.
    """

    where: str
    splits: dict[str, SplitMatrices]
    task: Task | None = None
    carried: Carried = field(default_factory=Carried)
    source: str = ""
    notes: tuple[str, ...] = ()

    def open(self, wanted: Wanted) -> DatasetFile:
        """Understand the data as those of a file are.

        Raises
        ------
        DataError
            If targets are missing, the task is unclear, or the data do not fit the schema that is wanted.
        """
        if wanted.targets == "needed" and (bare := [n for n, split in self.splits.items() if split.targets is None]):
            raise DataError(f"{self.where}: the {bare[0]} rows have no targets; give them as (X, y)")
        stated = wanted.schema.task if wanted.schema is not None else wanted.task
        if stated == "regression" and wanted.targets != "unused" and self.carried.class_kind == "text":
            raise DataError(f"{self.where}: the targets are text, which are classes; a regression needs numbers")
        if wanted.schema is not None:
            require_same_images(self.where, self.carried.image_shape, wanted.schema.image_shape, "those that trained")
            structure = bound_structure(self.where, self.splits, wanted, self.source, self.notes)
        else:
            require_same_widths(self.splits)
            task = wanted.task or self.task
            structure = new_structure(self.where, self.splits, task, self.carried, self.source, self.notes)
        return dataset_file(Path(self.where), structure, ("/",), None, uses_targets=wanted.targets != "unused")


@dataclass(frozen=True, eq=False)
class Arrays:
    """The arrays of one split, as they were given.

    Attributes
    ----------
    x : array-like, shape (n, F), or (n, H, W) and (n, H, W, C) for images
    y : array-like, shape (n,) or (n, T), or None
        Numbers or text.
    weights : array-like, shape (n,), or None
    names : tuple of str
        Of features, targets and weights, in messages.
    """

    x: Any
    y: Any = None
    weights: Any = None
    names: tuple[str, str, str] = ("X", "y", "sample_weight")

    def of(self, split: str) -> Arrays:
        """Return the same arrays, with names that say the split."""
        x, y, weights = (f"{name} ({split})" for name in self.names)
        return replace(self, names=(x, y, weights))


def held_arrays(splits: Mapping[str, Arrays], where: str = "X", source: str = "arrays in memory") -> HeldData:
    """Return arrays as a data set.

    Parameters
    ----------
    splits : dict of str to Arrays
    where : str
        Its name in messages.
    source : str
        Where it comes from, in words.

    Raises
    ------
    DataError
        If shapes do not fit, or values are no numbers.
    """
    labels = {split: texts_of(given.y) for split, given in splits.items()}
    texts = [each for each in labels.values() if each is not None]
    classes = np.unique(np.concatenate(texts)) if texts else None
    found: dict[str, SplitMatrices] = {}
    images: list[tuple[int, ...]] = []
    for split, given in splits.items():
        features, shape = _features(given.x, given.names[0])
        images.append(shape)
        text = labels[split]
        if text is not None and classes is not None:
            targets: HeldMatrix | None = HeldMatrix(np.searchsorted(classes, text)[:, None], given.names[1])
        else:
            targets = None if given.y is None else _columns(given.y, given.names[1])
        weights = None if given.weights is None else _columns(given.weights, given.names[2])
        require_fitting(split, features, targets, weights)
        known = None if text is None or classes is None else tuple(map(str, classes.tolist()))
        found[split] = SplitMatrices(features, targets, weights, None, None, known, len(known) if known else None)
        require_same_images(given.names[0], shape, images[0], "those of the first split")
    image_shape = images[0] if len(images[0]) > 1 else None
    return HeldData(where, found, carried=Carried(image_shape, class_kind="text" if texts else ""), source=source)


def _features(x: Any, where: str) -> tuple[HeldMatrix, tuple[int, ...]]:
    values = numbers_of(x, where)
    if values.ndim < 2:
        raise DataError(
            f"{where} has shape {values.shape}; rows of features are needed: reshape(-1, 1) makes one feature of it,"
            " reshape(1, -1) one row"
        )
    if 0 in values.shape[1:]:
        raise DataError(f"{where} has shape {values.shape}: no features; at least one is needed")
    return HeldMatrix(values.reshape(len(values), math.prod(values.shape[1:])), where), values.shape[1:]


def _columns(given: Any, where: str) -> HeldMatrix:
    values = numbers_of(given, where)
    if values.ndim not in {1, 2} or 0 in values.shape[1:]:
        raise DataError(f"{where} has shape {values.shape}; (rows,) or (rows, columns) is needed")
    return HeldMatrix(values.reshape(len(values), math.prod(values.shape[1:])), where)
