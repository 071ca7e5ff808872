"""Losses: each value beside its derivative with respect to the logits.

A loss is one function of a batch. It returns the sum of the losses and overwrites the
logits with ``d loss / d logits``; the output unit belongs to it, because only the pair is
stable in floating point. A new one is one entry in `LOSSES`; its place is its code.

Sources: "Deep Learning" (2016), section 6.2; for the log-sum-exp P. Blanchard,
D. J. Higham, N. J. Higham, IMA J. Numer. Anal. 41 (2021) 2311.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ddp_mlp.core.kernels.activations import logistic
from ddp_mlp.core.kernels.exponential import exp
from ddp_mlp.core.kernels.intrinsics import jit, like


class Loss(NamedTuple):
    """One loss and the output unit it needs.

    ``differentiate(logits, n_columns, targets, rows) -> loss_sum`` takes the logits of a
    batch as a flat array (B * C,), the targets of all samples (N, T), and the sample of each
    row, `rows` (B,).
    """

    name: str
    output: str
    differentiate: Any


@jit
def _mean_squared_error(logits, n_columns, targets, rows):
    """``1/2 sum (y - t)^2``; the derivative is ``y - t``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        loss = like(logits, 0.0)
        for c in range(n_columns):
            error = logits[r * n_columns + c] - target[c]
            logits[r * n_columns + c] = error
            loss += like(logits, 0.5) * error * error
        loss_sum += np.float64(loss)
    return loss_sum


@jit
def _binary_cross_entropy(logits, n_columns, targets, rows):
    """``softplus((1 - 2t) a)``; the derivative is ``sigmoid(a) - t``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        for c in range(n_columns):
            a = logits[r * n_columns + c]
            signed = (like(logits, 1.0) - like(logits, 2.0) * target[c]) * a
            loss_sum += np.float64(max(signed, like(logits, 0.0)) + math.log1p(exp(-abs(signed))))
            logits[r * n_columns + c] = logistic(a) - target[c]
    return loss_sum


@jit
def subtract_largest(row):
    """Subtract the largest value of a row from all of it, so that no exponential overflows."""
    largest = row[0]
    for c in range(1, row.shape[0]):
        largest = max(largest, row[c])
    for c in range(row.shape[0]):
        row[c] -= largest


@jit
def exp_all(values):
    """``values = exp(values)``, in one loop over the whole batch."""
    for i in range(values.shape[0]):
        values[i] = exp(values[i])


@jit
def normalize_row(row):
    """Divide a row by its sum and return the sum."""
    total = like(row, 0.0)
    for c in range(row.shape[0]):
        total += row[c]
    for c in range(row.shape[0]):
        row[c] /= total
    return total


@jit
def softmax(logits, n_columns):
    """Turn the logits of a batch (B * C,) into probabilities in place."""
    for start in range(0, logits.shape[0], n_columns):
        subtract_largest(logits[start : start + n_columns])
    exp_all(logits)
    for start in range(0, logits.shape[0], n_columns):
        normalize_row(logits[start : start + n_columns])


@jit
def _cross_entropy(logits, n_columns, targets, rows):
    """``-log softmax(a)_t`` in nats; the derivative is ``softmax(a) - onehot(t)``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        row = logits[r * n_columns : (r + 1) * n_columns]
        subtract_largest(row)
        loss_sum -= np.float64(row[int(targets[rows[r], 0])])
    exp_all(logits[: rows.shape[0] * n_columns])
    for r in range(rows.shape[0]):
        row = logits[r * n_columns : (r + 1) * n_columns]
        loss_sum += math.log(np.float64(normalize_row(row)))
        row[int(targets[rows[r], 0])] -= like(logits, 1.0)
    return loss_sum


LOSSES = (
    Loss("mse", "linear", _mean_squared_error),
    Loss("binary_cross_entropy", "sigmoid", _binary_cross_entropy),
    Loss("cross_entropy", "softmax", _cross_entropy),
)
LOSS_CODES = {loss.name: code for code, loss in enumerate(LOSSES)}


def _differentiate_of(code: int, loss: Loss, otherwise: Any) -> Any:
    differentiate = loss.differentiate

    def loss_and_delta(chosen, logits, n_columns, targets, rows):
        if chosen == code:
            return differentiate(logits, n_columns, targets, rows)
        return otherwise(chosen, logits, n_columns, targets, rows)

    return jit(loss_and_delta, f"loss_and_delta_{loss.name}")


@jit
def _no_loss(chosen, logits, n_columns, targets, rows):
    if chosen >= 0:
        raise ValueError("unknown loss code")
    return 0.0


def _chain() -> Any:
    chained = _no_loss
    for code, loss in reversed(list(enumerate(LOSSES))):
        chained = _differentiate_of(code, loss, chained)
    return chained


#: ``loss_and_delta(code, logits, n_columns, targets, rows) -> loss_sum``; see `Loss`.
loss_and_delta = _chain()

OUTPUT_CODES = {"linear": 0, "sigmoid": 1, "softmax": 2}


@jit
def apply_output(output, logits, n_columns):
    """Turn the logits of a batch (B * C,) into the network's answers in place."""
    if output == 1:
        for i in range(logits.shape[0]):
            logits[i] = logistic(logits[i])
    elif output == 2:
        softmax(logits, n_columns)
