"""The task of a data set, guessed from its targets by one rule for every format, and said.

Targets are labels of classes where they are text or booleans; where they are whole numbers of which there are few
(`FEW_CLASSES` different ones, each `ROWS_PER_CLASS` times on average); or where they are whole numbers, stored as such,
from 0 or 1 on without a gap. All others are quantities. ``task`` says it for whoever knows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Task

#: Different whole numbers up to which targets are labels even with gaps between them.
FEW_CLASSES = 20
#: Rows that a label with gaps beside it has at least, on average.
ROWS_PER_CLASS = 10
#: Rows of a label without gaps, on average, where there are more than `FEW_CLASSES`.
_ROWS_OF_MANY = 2


@dataclass(frozen=True, eq=False)
class Guess:
    """The task that targets were taken for.

    Attributes
    ----------
    task : str
    values : ndarray of float64, shape (C,), or None
        The labels of the classes, ascending; None for a regression.
    reason : str
        In words, for the line that tells it.
    """

    task: Task
    values: NDArray[np.float64] | None
    reason: str


def guess_task(values: NDArray[np.float64] | None, n_rows: int, *, stored_whole: bool) -> Guess:
    """Guess the task from the different values of one column of targets.

    Parameters
    ----------
    values : ndarray of float64, shape (d,), or None
        All different values, ascending; None where they are too many to be labels, or not all whole.
    n_rows : int
        Rows that have them.
    stored_whole : bool
        Whether they were stored as integers or booleans, or written without a fraction.

    Examples
    --------
    >>> guess_task(np.array([1.0, 2.0, 3.0]), 90, stored_whole=False).task
    'multiclass'
    >>> guess_task(np.arange(0.0, 500_000.0, 1000.0), 600, stored_whole=True).task
    'regression'
    """
    if values is None:
        return Guess("regression", None, "its values are not whole numbers, or too many to be labels")
    n = len(values)
    gapless = n > 0 and values[0] in {0.0, 1.0} and values[-1] - values[0] == n - 1
    is_dense = stored_whole and gapless and (n <= FEW_CLASSES or n_rows >= _ROWS_OF_MANY * n)
    if not (is_dense or (n <= FEW_CLASSES and n_rows >= ROWS_PER_CLASS * n)):
        return Guess("regression", None, f"{n} different whole numbers in {n_rows} rows look like a quantity")
    return Guess("binary" if n <= 2 else "multiclass", values, f"{n} different whole numbers look like labels")
