"""What a data set is: its task, names and splits, from the arrays and attributes of a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ddp_mlp.data.dataset.columns import Matrix, column_names, matrix_of
from ddp_mlp.data.dataset.layouts import Role, Search, SplitColumns
from ddp_mlp.data.dataset.validation import Checks
from ddp_mlp.data.hdf5.arrays import check_sizes
from ddp_mlp.data.hdf5.attributes import MAX_NAMES, read_image_shape, read_int, read_names, read_text
from ddp_mlp.data.rows import MAX_CLASSES, Task, n_outputs, require_task, task_of_classes
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ddp_mlp.data.hdf5.nodes import Group

Value = TypeVar("Value")

FORMAT = "ddp-mlp-dataset"
FORMAT_VERSION = 1
_SCAN_ROWS = 1 << 20
_ANY_VERSION = 10**6


@dataclass(frozen=True, eq=False)
class SplitMatrices:
    """The matrices of one split, with one row per sample each."""

    features: Matrix
    targets: Matrix
    weights: Matrix | None


@dataclass(frozen=True, eq=False)
class Structure:
    """All of a data set but its rows; the attributes are those of `hdf5.DatasetFile`."""

    task: Task
    n_classes: int | None
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    source: str
    splits: dict[str, SplitMatrices]

    @property
    def n_features(self) -> int:
        """Columns of the features."""
        return self.splits["train"].features.width

    @property
    def n_outputs(self) -> int:
        """Width of a network's last layer."""
        return n_outputs(self.task, self.splits["train"].targets.width, self.n_classes)

    def checks(self, split: str) -> Checks:
        """Return what the rows of a split must satisfy."""
        matrices = self.splits[split]
        where = [_where(m) for m in (matrices.features, matrices.targets, matrices.weights or matrices.targets)]
        return Checks(where[0], where[1], where[2], self.feature_names, self.target_names, self.n_classes)


def _where(matrix: Matrix) -> str:
    more = len(matrix.columns) - 1
    return matrix.columns[0].where + (f" and {more} more" if more else "")


def read_structure(path: Path, base: Group, explicit: Mapping[Role, str]) -> Structure:
    """Find the arrays of a data set and check that they fit together.

    Raises
    ------
    DataError
        If arrays are missing, refused, empty or of unequal length, or the task is unclear.
    """
    own = _is_own(path, base) and not explicit
    found = Search(path, base, explicit, own).find()
    columns = [c for s in found.values() for c in (*s.features, *s.targets, *s.weights)]
    check_sizes({c.array.name: c.array.found for c in columns}.values())
    splits = {name: _matrices(name, split) for name, split in found.items()}
    _require_same_widths(splits)
    task, n_classes, class_names = _task(path, base, splits)
    train = found["train"]
    return Structure(
        task,
        n_classes,
        _names(train.features, splits["train"].features.width, own=own),
        _names(train.targets, splits["train"].targets.width, own=own),
        class_names,
        _image_shape(splits["train"].features, own=own),
        printable(_convenience(partial(read_text, base, "source"), own=own) or ""),
        splits,
    )


def _is_own(path: Path, base: Group) -> bool:
    """Tell whether the group is in this program's layout, and refuse newer versions of it."""
    if _convenience(partial(read_text, base, "format"), own=False) != FORMAT:
        return False
    version = read_int(base, "format_version", 1, _ANY_VERSION)
    if version is None or version > FORMAT_VERSION:
        raise DataError(
            f"{path}: format_version is {version}, this program reads up to {FORMAT_VERSION}; update it or"
            " write the file again"
        )
    return True


def _matrices(name: str, split: SplitColumns) -> SplitMatrices:
    matrices = SplitMatrices(
        matrix_of(split.features),
        matrix_of(split.targets),
        matrix_of(split.weights) if split.weights else None,
    )
    n = matrices.features.n_rows
    where = _where(matrices.features)
    for other in (matrices.targets, matrices.weights):
        if other is not None and other.n_rows != n:
            raise DataError(
                f"{where}: {n} rows, but {_where(other)} has {other.n_rows}; features and targets of the"
                f" {name} split must have one row per sample each"
            )
    if n == 0:
        raise DataError(f"{where}: the {name} split has no samples; write at least one or leave the split out")
    if matrices.weights is not None and matrices.weights.width != 1:
        raise DataError(
            f"{_where(matrices.weights)}: {matrices.weights.width} columns; sample weights are one number per row"
        )
    return matrices


def _require_same_widths(splits: Mapping[str, SplitMatrices]) -> None:
    train = splits["train"]
    for name, split in splits.items():
        for matrix, expected in ((split.features, train.features), (split.targets, train.targets)):
            if matrix.width != expected.width:
                raise DataError(
                    f"{_where(matrix)}: {matrix.width} columns in the {name} split, but {expected.width} in"
                    f" {_where(expected)}; all splits must have the same columns"
                )


def _task(
    path: Path, base: Group, splits: Mapping[str, SplitMatrices]
) -> tuple[Task, int | None, tuple[str, ...] | None]:
    """Return task, number of classes and their names."""
    targets = splits["train"].targets
    stated = read_text(base, "task")
    looks_like_labels = targets.width == 1 and targets.dtype.kind in "iub"
    if stated is None and not looks_like_labels:
        return "regression", None, None
    task = None if stated is None else require_task(stated, str(path))
    if task == "regression":
        return "regression", None, None
    if targets.width != 1:
        raise DataError(f"{_where(targets)}: {targets.width} columns for the task {task}; store labels as (N,)")
    labels = targets.columns[0].array.found
    class_names = read_names(labels, "class_names", MAX_CLASSES)
    n_classes = read_int(labels, "n_classes", 1, MAX_CLASSES)
    if class_names and n_classes not in {None, len(class_names)}:
        raise DataError(
            f"{_where(targets)}: {len(class_names)} class_names, but n_classes = {n_classes}; both must agree"
        )
    n_classes = len(class_names) if class_names else n_classes
    n_classes = n_classes or _count_classes(splits)
    task = task or task_of_classes(n_classes)
    if task == "binary" and n_classes > 2:
        raise DataError(f"{_where(targets)}: {n_classes} classes for the task binary; use 0 and 1, or multiclass")
    n_classes = 2 if task == "binary" else n_classes
    # Of one class only, the name says nothing.
    return task, n_classes, class_names if class_names and len(class_names) == n_classes else None


def _count_classes(splits: Mapping[str, SplitMatrices]) -> int:
    """Return the largest label of all splits plus one."""
    largest = 0
    for split in splits.values():
        for start in range(0, split.targets.n_rows, _SCAN_ROWS):
            block = split.targets.read(start, min(start + _SCAN_ROWS, split.targets.n_rows))
            # A float label that is not finite is reported when it is read.
            top = block.max()
            largest = max(largest, int(top) if math.isfinite(top) else 0)
        if largest >= MAX_CLASSES:
            raise DataError(
                f"{_where(split.targets)}: the label {largest} would make {largest + 1} classes, at most"
                f" {MAX_CLASSES} are allowed; set the attribute task = 'regression' or store the targets"
                " as floats"
            )
    return largest + 1


def _convenience(read: Callable[[], Value | None], *, own: bool) -> Value | None:
    """Read an attribute that no data set needs; in the files of others the name may mean something else."""
    try:
        return read()
    except DataError:
        if own:
            raise
        return None


def _names(columns: tuple[Any, ...], width: int, *, own: bool) -> tuple[str, ...] | None:
    """Return names of columns: the attribute ``names``, or the names of several arrays or fields."""
    if len(columns) == 1 and columns[0].field is None:
        found = columns[0].array.found
        return _convenience(partial(read_names, found, "names", MAX_NAMES, width), own=own)
    return column_names(columns)


def _image_shape(features: Matrix, *, own: bool) -> tuple[int, ...] | None:
    if len(features.columns) != 1:
        return None
    column = features.columns[0]
    if len(column.item_shape) > 1:
        return column.item_shape
    return _convenience(partial(read_image_shape, column.array.found, "image_shape", features.width), own=own)
