"""The matrices of each split of a file, checked to fit together, with the names that their columns have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ddp_mlp.data.binding.differences import Found
from ddp_mlp.data.hdf5.attributes import MAX_NAMES, read_image_shape, read_int, read_names
from ddp_mlp.data.layouts.columns import Column, column_names
from ddp_mlp.data.layouts.matrix import Matrix, matrix_of
from ddp_mlp.data.rectangle import Rectangle
from ddp_mlp.data.rows import MAX_CLASSES
from ddp_mlp.errors import DataError, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ddp_mlp.data.hdf5.attributes import Node
    from ddp_mlp.data.layouts.places import SplitColumns

Value = TypeVar("Value")

_SCAN_ROWS = 1 << 20


@dataclass(frozen=True, eq=False)
class SplitMatrices:
    """The matrices of one split, with one row per sample each, and the names that they have."""

    features: Rectangle
    targets: Rectangle | None
    weights: Rectangle | None
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    n_classes: int | None

    def has_names(self, other: SplitMatrices) -> bool:
        """Tell whether this and another split name their features, so that their order does not matter."""
        return self.feature_names is not None and other.feature_names is not None

    def found(self, *, targets: bool = True) -> Found:
        """Return the part of a file that a schema is bound to, with the targets or without."""
        n_targets = self.targets.width if self.targets and targets else 0
        names = self.feature_names, self.target_names, self.class_names
        return Found(self.features.width, n_targets, *names, partial(_rows_with, self.features))


def where_of(matrix: Rectangle) -> str:
    """Return ``FILE:/path`` of a matrix, for messages."""
    return matrix.where


def _rows_with(features: Rectangle, column: int) -> int:
    """Return in how many rows a column is not 0."""
    blocks = range(0, features.n_rows, _SCAN_ROWS)
    return sum(int(np.count_nonzero(features.read(i, min(i + _SCAN_ROWS, features.n_rows))[:, column])) for i in blocks)


def matrices_of(name: str, split: SplitColumns, *, own: bool) -> SplitMatrices:
    """Return the matrices of a split.

    Raises
    ------
    DataError
        If they are of different length, without rows, or names do not fit them.
    """
    features = matrix_of(split.features)
    targets = matrix_of(split.targets) if split.targets else None
    weights = matrix_of(split.weights) if split.weights else None
    require_fitting(name, features, targets, weights)
    return SplitMatrices(
        features,
        targets,
        weights,
        _names(split.features, own=own),
        _names(split.targets, own=own) if targets else None,
        *(_stated_classes(split.targets[0].array.found, targets, own=own) if targets else (None, None)),
    )


def require_fitting(name: str, features: Rectangle, targets: Rectangle | None, weights: Rectangle | None) -> None:
    """Check that the matrices of a split have one row for each sample.

    Raises
    ------
    DataError
        If they are of different length, without rows, or weights have several columns.
    """
    n, where = features.n_rows, where_of(features)
    for other in (targets, weights):
        if other is not None and other.n_rows != n:
            hint = _transposed(features, other)
            raise DataError(
                f"{where}: {counted(n, 'row')}, but {where_of(other)} has {other.n_rows}; features and targets of the"
                f" {name} split must have one row per sample each{hint}"
            )
    if n == 0:
        raise DataError(f"{where}: the {name} split has no samples; write at least one or leave the split out")
    if n == 1 < features.width and targets is not None and targets.width == features.width:
        raise DataError(
            f"{where}: one sample of {features.width} features and as many targets{_transposed(features, targets)}"
        )
    if weights is not None and weights.width != 1:
        raise DataError(f"{where_of(weights)}: {weights.width} columns; sample weights are one number per row")


def _transposed(features: Rectangle, other: Rectangle) -> str:
    """Return a hint where an array has a column for each row of the other."""
    if other.n_rows == 1 and other.width == features.n_rows:
        return f"; store ({features.n_rows},) in place of (1, {features.n_rows})"
    if features.width not in {other.n_rows, other.width} or features.width == 1:
        return ""
    return "; it looks transposed, as MATLAB, Julia, R and Fortran write: store (samples, features)"


def _stated_classes(labels: Node, targets: Matrix, *, own: bool) -> tuple[tuple[str, ...] | None, int | None]:
    """Return names and number of classes where attributes of the targets say them."""
    if targets.width != 1:
        return None, None
    strict = own or targets.is_whole  # what are most likely quantities needs neither
    names = targets.columns[0].class_names
    names = names or convenience(partial(read_names, labels, "class_names", MAX_CLASSES), own=strict)
    n_classes = convenience(partial(read_int, labels, "n_classes", 1, MAX_CLASSES), own=strict)
    is_one_of_two = (len(names or ()), n_classes) == (1, 2)  # a binary table in which the other class did not occur
    if names and not is_one_of_two and n_classes not in {None, len(names)}:
        raise DataError(f"{where_of(targets)}: {len(names)} class_names, but n_classes = {n_classes}; both must agree")
    return names, n_classes


def require_same_widths(splits: Mapping[str, SplitMatrices]) -> None:
    """Check that all splits have as many columns as the train split, unless names tell which is which."""
    train = splits["train"]
    for name, split in splits.items():
        for matrix, expected in ((split.features, train.features), (split.targets, train.targets)):
            if matrix and expected and matrix.width != expected.width and not split.has_names(train):
                raise DataError(
                    f"{where_of(matrix)}: {counted(matrix.width, 'column')} in the {name} split, but"
                    f" {expected.width} in {where_of(expected)}; all splits must have the same columns"
                )


def require_same_images(where: str, found: tuple[int, ...] | None, known: tuple[int, ...] | None, knows: str) -> None:
    """Check that rows, columns and channels of images stand in one order; other shapes are flattened alike.

    Raises
    ------
    DataError
        If they are in another.
    """
    here, there = ([n for n in shape or () if n > 1] for shape in (found, known))
    if here != there and sorted(here) == sorted(there):
        raise DataError(
            f"{where}: images of shape {found}, but {knows} have shape {known}; bring rows, columns and channels into"
            " the same order"
        )


def convenience(read: Callable[[], Value | None], *, own: bool) -> Value | None:
    """Read an attribute that no data set needs; in the files of others the name may mean something else."""
    try:
        return read()
    except DataError:
        if own:
            raise
        return None


def _names(columns: tuple[Column, ...], *, own: bool) -> tuple[str, ...] | None:
    """Return names of columns: the attribute ``names``, or the names of several arrays or fields."""
    first: Column = columns[0]
    of_one = len({(column.array.name, column.is_reversed) for column in columns}) == 1 and first.field is None
    if of_one and not any(column.names for column in columns):
        whole = math.prod(first.whole_shape)
        names = convenience(partial(read_names, first.array.found, "names", MAX_NAMES, whole), own=own)
        if names is not None:
            return tuple(name for column in columns for name in names[slice(*(column.part or (0, whole)))])
        if len(columns) == 1 and first.part is None:
            return None
    return column_names(columns)


def image_shape_of(columns: tuple[Column, ...], *, own: bool) -> tuple[int, ...] | None:
    """Return the shape of one sample, where it has more than one dimension or an attribute says it."""
    if len(columns) != 1:
        return None
    column = columns[0]
    if len(column.item_shape) > 1:
        return column.item_shape
    return convenience(partial(read_image_shape, column.array.found, "image_shape", column.width), own=own)
