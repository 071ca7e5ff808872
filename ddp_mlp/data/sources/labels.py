"""Targets that are arrays of numbers or of text: labels or quantities, by the one rule of `data.tasks`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.rows import MAX_CLASSES, Task, require_task, task_of_classes
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.data.tasks import guess_task
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Labels:
    """The kind of an array of targets.

    Attributes
    ----------
    task : str
        One of `rows.TASKS`.
    values : ndarray, shape (C,), or None
        The classes in order; None for quantities.
    note : str
        What was decided, in words.
    """

    task: Task
    values: NDArray[Any] | None
    note: str

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes; None for quantities."""
        if self.values is None:
            return None
        return tuple(str(v) if isinstance(v, str) else f"{v:.0f}" for v in self.values.tolist())

    @property
    def n_classes(self) -> int | None:
        """Number of classes, at least two for a binary task."""
        return None if self.values is None else max(len(self.values), 2 if self.task == "binary" else 1)

    def encode(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return targets as rows have them: shape (n, T)."""
        if self.values is None:
            return np.asarray(targets, np.float64).reshape(len(targets), -1)
        return np.searchsorted(self.values, targets.reshape(-1)).astype(np.float64)[:, None]


def understand_labels(path: Path, targets: NDArray[Any], stated: str) -> Labels:
    """Decide whether targets are labels.

    Parameters
    ----------
    path : Path
        For messages.
    targets : ndarray, shape (N,) or (N, T)
        Numbers, booleans or text, all of them.
    stated : str
        "auto" or a task.

    Raises
    ------
    UsageError
        If the stated task does not fit.
    DataError
        If they do not fit any.
    """
    if stated != "auto":
        require_task(stated, "--task")
    is_text = targets.dtype.kind in "US"
    if targets.dtype.kind not in "USbiuf":
        raise DataError(f"{path}: targets of type {targets.dtype}; numbers or text are needed")
    if targets.ndim == 2 and targets.shape[1] > 1:
        if is_text or stated not in {"auto", "regression"}:
            raise UsageError(f"{path}: {targets.shape[1]} targets; regression needs numbers, classification one target")
        return Labels("regression", None, "regression: several targets")
    if not is_text and not np.isfinite(targets).all():
        raise DataError(f"{path}: targets that are missing or infinite; leave such rows out")
    values = np.unique(targets.reshape(-1))
    is_whole = is_text or targets.dtype.kind == "b" or bool((values == np.floor(values)).all())
    numbers = None if is_text or not is_whole else values.astype(np.float64)
    guess = guess_task(numbers, len(targets), stored_whole=targets.dtype.kind in "biu")
    if stated == "regression" or (stated == "auto" and guess.task == "regression" and not is_text):
        if is_text:
            raise UsageError(f"{path}: text as target; regression needs numbers")
        return Labels("regression", None, f"regression: {guess.reason if stated == 'auto' else 'stated'}")
    if not is_whole or len(values) > MAX_CLASSES:
        raise DataError(f"{path}: too many different targets, or fractions, for classes; use --task regression")
    task = task_of_classes(len(values)) if stated == "auto" else require_task(stated, "--task")
    if task == "binary" and len(values) > 2:
        raise DataError(f"{path}: {len(values)} classes; use --task multiclass")
    labels = Labels(task, values, "")
    why = "stated" if stated != "auto" else "text" if is_text else guess.reason
    return Labels(task, values, f"{task}: {why}; classes {listed(labels.class_names or (), 8)}")
