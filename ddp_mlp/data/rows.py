"""The parts of every data set: a task, a description, and blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ddp_mlp.data.schema import SourceColumn

Task = Literal["regression", "binary", "multiclass"]

TASKS: tuple[Task, ...] = ("regression", "binary", "multiclass")

#: Labels above this are taken for numbers that were meant as a quantity.
MAX_CLASSES = 1_000_000


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of samples.

    Attributes
    ----------
    features : ndarray, shape (n, F)
        In the stored dtype, native byte order, C-contiguous.
    targets : ndarray of float64, shape (n, T)
        Quantities for regression; whole numbers from 0 with T = 1 for labels.
    weights : ndarray of float64, shape (n,), or None
        Sample weights, not negative.
    """

    features: NDArray[Any]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Description:
    """The description of all rows of a data set.

    Attributes
    ----------
    task : str
        One of `TASKS`.
    source : str
        Where the rows come from, in words.
    n_features : int
        Columns F of the features.
    feature_dtype : str
        NumPy name of the dtype of the features.
    n_targets : int
        Columns T of the targets; 1 for labels.
    n_classes : int or None
        Number of classes; None for regression.
    feature_names, target_names, class_names : tuple of str or None
        One name per column or class.
    image_shape : tuple of int or None
        Shape of one sample before it was flattened, with product F.
    columns : tuple of SourceColumn
        The table that features were made from, if they were.
    target_units : tuple of str or None
        One for each target.
    """

    task: Task
    source: str
    n_features: int
    feature_dtype: str
    n_targets: int = 1
    n_classes: int | None = None
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    columns: tuple[SourceColumn, ...] = ()
    target_units: tuple[str, ...] | None = None


def n_outputs(task: Task, n_targets: int, n_classes: int | None) -> int:
    """Return the width of a network's last layer: T, 1 or the number of classes."""
    if task == "regression":
        return n_targets
    return 1 if task == "binary" else (n_classes or 1)


def task_of_classes(n_classes: int) -> Task:
    """Return the task for a number of classes: up to two are binary."""
    return "binary" if n_classes <= 2 else "multiclass"


def require_task(value: object, where: str) -> Task:
    """Return `value` as a task.

    Raises
    ------
    DataError
        If it is none of `TASKS`.
    """
    for task in TASKS:
        if value == task:
            return task
    raise DataError(f"{where}: the task is {value!r}; allowed are {', '.join(TASKS)}")
