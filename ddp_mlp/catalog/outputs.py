"""Output units: how logits become answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ddp_mlp.catalog.arithmetic import exp, helper, like, logistic


@helper
def subtract_largest(row):
    """Subtract the largest value of a row from all of it, so that no exponential overflows."""
    largest = row[0]
    for c in range(1, row.shape[0]):
        largest = max(largest, row[c])
    for c in range(row.shape[0]):
        row[c] -= largest


@helper
def exp_all(values):
    """``values = exp(values)``, in one loop over the whole batch."""
    for i in range(values.shape[0]):
        values[i] = exp(values[i])


@helper
def normalize_row(row):
    """Divide a row by its sum and return the sum."""
    total = like(row, 0.0)
    for c in range(row.shape[0]):
        total += row[c]
    for c in range(row.shape[0]):
        row[c] /= total
    return total


def _linear(logits, n_columns):
    """Leave the logits as they are."""


def _sigmoid(logits, n_columns):
    for i in range(logits.shape[0]):
        logits[i] = logistic(logits[i])


def _softmax(logits, n_columns):
    for start in range(0, logits.shape[0], n_columns):
        subtract_largest(logits[start : start + n_columns])
    exp_all(logits)
    for start in range(0, logits.shape[0], n_columns):
        normalize_row(logits[start : start + n_columns])


def _step(logits, n_columns):
    for i in range(logits.shape[0]):
        logits[i] = like(logits, 1.0) if logits[i] > like(logits, 0.0) else like(logits, 0.0)


#: Each turns the logits of a batch, a flat array (B * C,), into answers in place: ``unit(logits, n_columns)``.
OUTPUTS: dict[str, Callable[[Any, int], None]] = {
    "linear": _linear,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "step": _step,
}
