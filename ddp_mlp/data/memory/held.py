"""Data sets that are in memory: arrays, or the rows of a source, with the schema and the checks of a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.dataset.dataset import DatasetFile, dataset_file
from ddp_mlp.data.dataset.matrices import SplitMatrices, require_fitting, require_same_widths
from ddp_mlp.data.meaning import Carried, Wanted, bound_structure, new_structure
from ddp_mlp.data.memory.array_likes import numbers_of, texts_of
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Rows, Task
    from ddp_mlp.data.sources.source import Source


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
        if wanted.schema is not None:
            structure = bound_structure(self.where, self.splits, wanted, self.source, self.notes)
        else:
            require_same_widths(self.splits)
            task = wanted.task or self.task
            structure = new_structure(self.where, self.splits, task, self.carried, self.source, self.notes)
        return dataset_file(Path(self.where), structure, ("/",), None, uses_targets=wanted.targets != "unused")


def held_arrays(splits: Mapping[str, tuple[Any, Any, Any]]) -> HeldData:
    """Return arrays as a data set.

    Parameters
    ----------
    splits : dict of str to tuple
        For each split its features, array-like of shape (n, F), or (n, H, W) and (n, H, W, C) for images; its
        targets, array-like of shape (n,) or (n, T), numbers or text, or None; its weights, shape (n,), or None.

    Raises
    ------
    DataError
        If shapes do not fit, or values are no numbers.
    """
    names = {split: "" if i == 0 else f" ({split})" for i, split in enumerate(splits)}
    found: dict[str, SplitMatrices] = {}
    images: list[tuple[int, ...]] = []
    labels = {split: texts_of(y) for split, (_, y, _) in splits.items()}
    texts = [each for each in labels.values() if each is not None]
    classes = np.unique(np.concatenate(texts)) if texts else None
    for split, (x, y, weights) in splits.items():
        features, shape = _features(x, f"X{names[split]}")
        images.append(shape)
        text = labels[split]
        if text is not None and classes is not None:
            targets: HeldMatrix | None = HeldMatrix(np.searchsorted(classes, text)[:, None], f"y{names[split]}")
        else:
            targets = None if y is None else _columns(y, f"y{names[split]}")
        held = None if weights is None else _columns(weights, f"sample_weight{names[split]}")
        require_fitting(split, features, targets, held)
        known = None if text is None or classes is None else tuple(map(str, classes.tolist()))
        found[split] = SplitMatrices(features, targets, held, None, None, known, len(known) if known else None)
    image_shape = images[0] if len(images[0]) > 1 else None
    return HeldData("X", found, carried=Carried(image_shape), source="arrays in memory")


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


def held_source(source: Source, where: str, name: str = "train") -> HeldData:
    """Read all rows of a source into memory.

    Parameters
    ----------
    name : str
        What its split "train" is called here.

    Raises
    ------
    DataError
        If a cell turns out to be no such value.
    """
    blocks: dict[str, list[Rows]] = {}
    for split, rows in source.blocks():
        blocks.setdefault(name if split == "train" else split, []).append(rows)
    described = source.description
    columns = Carried(described.image_shape, described.columns, described.target_units)
    splits = {split: _held_rows(rows, source, split, where) for split, rows in blocks.items()}
    return HeldData(where, splits, described.task, columns, described.source, source.notes)


def _held_rows(blocks: list[Rows], source: Source, split: str, where: str) -> SplitMatrices:
    described = source.description
    targets = weights = None
    if described.n_targets:
        values = np.concatenate([rows.targets for rows in blocks])
        kind = np.float64 if described.task == "regression" else np.int64
        targets = HeldMatrix(values.astype(kind, copy=False), f"{where}, targets of the {split} rows")
    given = [rows.weights for rows in blocks if rows.weights is not None]
    if given:
        weights = HeldMatrix(np.concatenate(given)[:, None], f"{where}, weights of the {split} rows")
    features = HeldMatrix(np.concatenate([rows.features for rows in blocks]), f"{where}, features of the {split} rows")
    if targets is None:
        return SplitMatrices(features, None, weights, described.feature_names, None, None, None)
    names = described.feature_names, described.target_names, described.class_names
    return SplitMatrices(features, targets, weights, *names, described.n_classes)
