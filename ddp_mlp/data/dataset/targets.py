"""The classes of a data set, from its targets: labels, whatever numbers they are, or a column of 0 and 1 for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.binding.targets import Labels
from ddp_mlp.data.class_values import BOOLEANS
from ddp_mlp.data.layouts.decoding import as_exact
from ddp_mlp.data.rows import MAX_CLASSES, Task, task_of_classes
from ddp_mlp.data.tasks import FEW_CLASSES, guess_task
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.rectangle import Rectangle

_SCAN_ROWS = 1 << 20
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Classes:
    """The targets of a data set.

    Attributes
    ----------
    task : str
    n_outputs : int
        Of a network for it.
    names : tuple of str or None
    labels : Labels or None
        Which numbers of the file are which classes; None where they are the numbers of the classes.
    one_hot : bool
    reason : str
        Why the task was taken, where nobody stated it; else empty.
    """

    task: Task
    n_outputs: int
    names: tuple[str, ...] | None = None
    labels: Labels | None = None
    one_hot: bool = False
    reason: str = ""

    def numbered(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return labels as numbers of classes, and quantities as they are: shape (n,)."""
        return labels if self.labels is None else self.labels.classes_of(labels)


@dataclass
class _Scan:
    """The different values of one column of targets, as far as they may be labels."""

    most: int
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    n_rows: int = 0
    is_whole: bool = True

    @property
    def could_be_labels(self) -> bool:
        return self.is_whole and len(self.values) <= self.most

    def add(self, block: NDArray[np.float64]) -> None:
        finite = block[np.isfinite(block)]  # others are reported when they are read
        self.n_rows += len(finite)
        self.is_whole = self.is_whole and bool((finite == np.floor(finite)).all())
        if self.is_whole:
            self.values = np.union1d(self.values, finite)


def classes_of(
    matrices: Sequence[Rectangle], where: str, stated: Task | None, names: tuple[str, ...] | None, n_classes: int | None
) -> Classes:
    """Find out what the targets of all splits are.

    Parameters
    ----------
    matrices : sequence of Matrix
        Targets of each split, that of the training rows first; all of one width.
    where : str
        ``FILE:/path`` for messages.
    stated : str or None
        The task, where file or configuration say it.
    names, n_classes
        Of the classes, where the file says them.

    Raises
    ------
    DataError
        If they do not fit the task that is stated, or a label is out of range.
    """
    width = matrices[0].width
    if stated == "regression":
        return Classes("regression", width)
    if stated is None and matrices[0].is_scaled:
        return Classes("regression", width, reason="its values are packed quantities")
    if width > 1:
        return _wide(matrices, where, stated, names)
    if n_classes is None and names is None:
        return _scanned(matrices, where, stated)
    n = len(names) if names else (n_classes or 0)
    if stated == "binary" and n > 2:
        raise DataError(f"{where}: {n} classes for the task binary; use 0 and 1, or multiclass")
    task = stated or task_of_classes(n)
    n = 2 if task == "binary" else n
    if names and len(names) < n:  # the rows of one class only, whose name is the answer all the same
        names = (*names, f"not {names[0]}")
    return Classes(task, 1 if task == "binary" else n, names)


def _wide(matrices: Sequence[Rectangle], where: str, stated: Task | None, names: tuple[str, ...] | None) -> Classes:
    width = matrices[0].width
    if not all(_is_one_hot(block) for matrix in matrices for block in _blocks(matrix)):
        if stated is None:
            return Classes("regression", width, reason=f"there are {width} columns of targets")
        raise DataError(
            f"{where}: {width} columns for the task {stated}; store labels as (N,), or as a column of 0 and 1 for each"
            " class, one of them 1 in every row"
        )
    if stated == "binary" and width > 2:
        raise DataError(f"{where}: {width} classes for the task binary; use multiclass")
    task = stated or task_of_classes(width)
    reason = "" if stated else f"each row has a 1 in one of the {width} columns of targets, and 0 in the others"
    return Classes(task, 1 if task == "binary" else width, names, None, one_hot=True, reason=reason)


def _is_one_hot(block: NDArray[np.float64]) -> bool:
    return bool(((block == 0) | (block == 1)).all() and (block.sum(axis=1) == 1).all())


def _scanned(matrices: Sequence[Rectangle], where: str, stated: Task | None) -> Classes:
    stored_whole = matrices[0].is_whole
    scan = _Scan(MAX_CLASSES if stored_whole or stated else FEW_CLASSES)
    for matrix in matrices:
        for block in _blocks(matrix):
            scan.add(block[:, 0])
            if not scan.could_be_labels:
                break
    values, reason = scan.values if scan.could_be_labels else None, ""
    if stated is None:
        guess = guess_task(values, scan.n_rows, stored_whole=stored_whole)
        task, values, reason = guess.task, guess.values, guess.reason
    else:
        task = stated
    if task == "regression":
        return Classes("regression", 1, reason=reason)
    if values is None or not len(values):
        raise DataError(
            f"{where}: the targets are not labels of classes, which are whole numbers, at most {MAX_CLASSES} different"
            " ones; store such, or state the task regression"
        )
    if matrices[0].dtype.kind == "b" and values[-1] < len(BOOLEANS):  # other splits may hold numbers
        return Classes(task, 1 if task == "binary" else len(BOOLEANS), BOOLEANS, reason=reason)
    return _numbered(values, where, task, reason)


def _numbered(values: NDArray[np.float64], where: str, task: Task, reason: str) -> Classes:
    """Number the classes: labels 0, 1, ... are their own numbers, others are numbered in their order."""
    is_plain = values[0] >= 0 and (values[0] == 0 or len(values) == 1) and values[-1] < 2 * len(values)
    is_plain = is_plain and (task != "binary" or values[-1] < 2)  # of 0 and 2, nobody misses a class 1
    n = int(values[-1]) + 1 if is_plain else len(values)
    if n == 1 and not is_plain:
        raise DataError(f"{where}: all targets are {values[0]:.0f}; classes need labels of two kinds at least")
    if task == "binary" and n > 2:
        raise DataError(f"{where}: {n} classes for the task binary; use 0 and 1, or multiclass")
    n_outputs = 1 if task == "binary" else n
    if is_plain:
        empty = f"; {n - len(values)} of {n} classes occur nowhere" if len(values) < n and n > 2 else ""
        return Classes(task, n_outputs, reason=reason + empty)
    names = tuple(f"{value:.0f}" for value in values)
    more = f" and {n - _SHOWN} more" if n > _SHOWN else ""
    reason = f"{reason}{'; ' if reason else ''}the classes are {', '.join(names[:_SHOWN])}{more}"
    return Classes(task, n_outputs, names, Labels(values, np.arange(len(values))), reason=reason)


def _blocks(matrix: Rectangle) -> Iterator[NDArray[Any]]:
    for start in range(0, matrix.n_rows, _SCAN_ROWS):
        stored = matrix.read(start, min(start + _SCAN_ROWS, matrix.n_rows))
        yield as_exact(stored, np.dtype(np.float64), matrix.where)
