"""The history of a run in numbers: columns of ``metrics.csv``, their best epoch, and their shape on a screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.run.files.table_lines import read_table

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """Columns of ``metrics.csv``, one value an epoch; NaN where a row has no number.

    `is_of_last` says that the model is that of the last epoch, whatever its loss, as of a run on all rows.
    """

    columns: dict[str, Numbers]
    is_of_last: bool = False

    @property
    def epochs(self) -> Numbers:
        """Numbers of the epochs, growing."""
        return self.columns.get("epoch", np.zeros(0))

    @property
    def watched(self) -> str:
        """Name of the loss that chooses the best epoch: of validation where rows validate."""
        valid = self.columns.get("valid_loss")
        return "train_loss" if valid is None or np.isnan(valid).all() else "valid_loss"

    @property
    def best(self) -> int | None:
        """Position of the epoch that is the model, the first with the lowest loss; None without a finite one."""
        losses = self.columns.get(self.watched, np.zeros(0))
        if self.is_of_last and len(losses):
            return len(losses) - 1
        return int(np.nanargmin(losses)) if np.isfinite(losses).any() else None

    def named(self) -> list[str]:
        """Return the names of the columns that hold any number."""
        return [name for name, values in self.columns.items() if not np.isnan(values).all()]

    def at(self, name: str, position: int | None) -> float | None:
        """Return a number of an epoch; None where there is none."""
        values = self.columns.get(name)
        if values is None or position is None or not len(values) or np.isnan(values[position]):
            return None
        return float(values[position])

    def epoch_of(self, step: int) -> float:
        """Return how many epochs, and which part of one, a number of steps is."""
        steps = np.concatenate([[0.0], self.columns.get("step", np.zeros(0))])
        epochs = np.concatenate([[0.0], self.epochs])
        known = ~np.isnan(steps)
        steps, epochs = steps[known], epochs[known]
        if step <= steps[-1] or len(steps) < 2:
            return float(np.interp(step, steps, epochs))
        pace = (steps[-1] - steps[-2]) / (epochs[-1] - epochs[-2])  # of the epoch that is under way
        return float(epochs[-1] + (step - steps[-1]) / max(pace, 1.0))


def read_history(path: Path, remarks: list[str]) -> History:
    """Read the whole rows of ``metrics.csv``; a reason goes to `remarks` where it cannot be read."""
    try:
        rows = list(read_table(path))
    except FileNotFoundError:
        return History({})
    except OSError as error:
        remarks.append(f"metrics.csv: cannot be read: {error.strerror}")
        return History({})
    names = list(rows[0]) if rows else []
    if rows and "epoch" not in names:
        remarks.append("metrics.csv: no table of epochs")
        return History({})
    return History({name: np.array([_number(row[name]) for row in rows]) for name in names})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def shown_positions(columns: list[Numbers], buckets: int) -> NDArray[np.int64]:
    """Return the rows that draw the same line as all rows do on a screen of so many columns of pixels.

    These are the first and last row, and in each of `buckets` parts of the rows those of the lowest and
    the highest value of each column, so that no peak is lost.
    """
    n_rows = len(columns[0])
    if n_rows <= 2 * buckets:
        return np.arange(n_rows)
    kept = {0, n_rows - 1}
    for part in np.array_split(np.arange(n_rows), buckets):
        for column in columns:
            values = column[part]
            if not np.isnan(values).all():
                kept |= {int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])}
    return np.array(sorted(kept))
