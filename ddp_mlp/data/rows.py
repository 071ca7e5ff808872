"""The parts of every data set: a task, and blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    ids : ndarray of object, shape (n, k), or None
        Texts that name rows and teach nothing, on their way into a file.
    """

    features: NDArray[Any]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    ids: NDArray[np.object_] | None = None


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
