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

from ddp_mlp.core.kernels.network.activations import logistic
from ddp_mlp.core.kernels.numba_ext.exponential import exp
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit, like


class Loss(NamedTuple):
    """One loss and the output unit it needs.

    ``differentiate(logits, n_columns, targets, rows, weights, smoothing) -> loss_sum`` takes
    the logits of a batch as a flat array (B * C,), the targets of all samples (N, T), the
    sample of each row, `rows` (B,), and the weights of all samples (N,), or (0,) where all
    weigh 1. Loss and derivative of a sample are multiplied by its weight.
    """

    name: str
    output: str
    differentiate: Any


@jit
def weight_of(weights, sample):
    """Return the weight of a sample, 1 where there are no weights."""
    return weights[sample] if weights.shape[0] > 0 else like(weights, 1.0)


@jit
def _mean_squared_error(logits, n_columns, targets, rows, weights, smoothing):
    """``1/2 sum (y - t)^2``; the derivative is ``y - t``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = weight_of(weights, rows[r])
        loss = like(logits, 0.0)
        for c in range(n_columns):
            error = logits[r * n_columns + c] - target[c]
            logits[r * n_columns + c] = weight * error
            loss += like(logits, 0.5) * error * error
        loss_sum += np.float64(weight * loss)
    return loss_sum


@jit
def _binary_cross_entropy(logits, n_columns, targets, rows, weights, smoothing):
    """``softplus((1 - 2t) a)``; the derivative is ``sigmoid(a) - t``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = weight_of(weights, rows[r])
        for c in range(n_columns):
            a = logits[r * n_columns + c]
            signed = (like(logits, 1.0) - like(logits, 2.0) * target[c]) * a
            loss_sum += np.float64(weight * (max(signed, like(logits, 0.0)) + math.log1p(exp(-abs(signed)))))
            logits[r * n_columns + c] = weight * (logistic(a) - target[c])
    return loss_sum


@jit
def _add_margin_losses(logits, n_columns, targets, rows, weights, margin):
    """``max(0, margin - t a)`` with t in {-1, 1}; its derivative is ``-t`` up to the kink, 0 beyond."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = weight_of(weights, rows[r])
        for c in range(n_columns):
            sign = like(logits, 2.0) * target[c] - like(logits, 1.0)
            loss = margin - sign * logits[r * n_columns + c]
            is_met = loss < like(logits, 0.0)  # false for NaN, so that it stays visible
            logits[r * n_columns + c] = like(logits, 0.0) if is_met else -weight * sign
            loss_sum += 0.0 if is_met else np.float64(weight * loss)
    return loss_sum


@jit
def _hinge(logits, n_columns, targets, rows, weights, smoothing):
    """``max(0, 1 - t a)``, labels 0 and 1 standing for t = -1 and 1."""
    return _add_margin_losses(logits, n_columns, targets, rows, weights, like(logits, 1.0))


@jit
def _perceptron(logits, n_columns, targets, rows, weights, smoothing):
    """``max(0, -t a)``; a sample on the line itself still counts as wrong, or zero weights would stay."""
    return _add_margin_losses(logits, n_columns, targets, rows, weights, like(logits, 0.0))


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
def _target_part(row, label, smoothing):
    """Return ``sum q a``, which is what the loss subtracts from ``log sum exp(a)``."""
    if smoothing == 0.0:
        return np.float64(row[label])
    total = 0.0
    for c in range(row.shape[0]):
        total += np.float64(row[c])
    return (1.0 - smoothing) * np.float64(row[label]) + smoothing * (total / row.shape[0])


@jit
def _subtract_target(row, label, smoothing):
    if smoothing > 0.0:
        share = like(row, smoothing / row.shape[0])
        for c in range(row.shape[0]):
            row[c] -= share
    row[label] -= like(row, 1.0 - smoothing)


@jit
def _cross_entropy(logits, n_columns, targets, rows, weights, smoothing):
    """``-sum q log softmax(a)`` in nats; the derivative is ``softmax(a) - q``.

    The target distribution q is ``(1 - s) onehot(t) + s / C``, s the label smoothing (Szegedy
    et al., CVPR 2016, section 7).
    """
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        row = logits[r * n_columns : (r + 1) * n_columns]
        subtract_largest(row)
        target_part = _target_part(row, int(targets[rows[r], 0]), smoothing)
        loss_sum -= np.float64(weight_of(weights, rows[r])) * target_part
    exp_all(logits[: rows.shape[0] * n_columns])
    for r in range(rows.shape[0]):
        row = logits[r * n_columns : (r + 1) * n_columns]
        weight = weight_of(weights, rows[r])
        loss_sum += np.float64(weight) * math.log(np.float64(normalize_row(row)))
        _subtract_target(row, int(targets[rows[r], 0]), smoothing)
        if weights.shape[0] > 0:
            for c in range(n_columns):
                row[c] *= weight
    return loss_sum


LOSSES = (
    Loss("mse", "linear", _mean_squared_error),
    Loss("binary_cross_entropy", "sigmoid", _binary_cross_entropy),
    Loss("cross_entropy", "softmax", _cross_entropy),
    Loss("hinge", "linear", _hinge),
    Loss("perceptron", "step", _perceptron),
)
LOSS_CODES = {loss.name: code for code, loss in enumerate(LOSSES)}


def _differentiate_of(code: int, loss: Loss, otherwise: Any) -> Any:
    differentiate = loss.differentiate

    def loss_and_delta(chosen, logits, n_columns, targets, rows, weights, smoothing):
        if chosen == code:
            return differentiate(logits, n_columns, targets, rows, weights, smoothing)
        return otherwise(chosen, logits, n_columns, targets, rows, weights, smoothing)

    return (inlined if code else jit)(loss_and_delta, f"loss_and_delta_{loss.name}")


@inlined
def _no_loss(chosen, logits, n_columns, targets, rows, weights, smoothing):
    if chosen >= 0:
        raise ValueError("unknown loss code")
    return 0.0


def _chain() -> Any:
    chained = _no_loss
    for code, loss in reversed(list(enumerate(LOSSES))):
        chained = _differentiate_of(code, loss, chained)
    return chained


#: ``loss_and_delta(code, logits, n_columns, targets, rows, weights, smoothing) -> loss_sum``; see `Loss`.
loss_and_delta = _chain()

OUTPUT_CODES = {"linear": 0, "sigmoid": 1, "softmax": 2, "step": 3}


@jit
def apply_output(output, logits, n_columns):
    """Turn the logits of a batch (B * C,) into the network's answers in place."""
    if output == 1:
        for i in range(logits.shape[0]):
            logits[i] = logistic(logits[i])
    elif output == 2:
        softmax(logits, n_columns)
    elif output == 3:
        for i in range(logits.shape[0]):
            logits[i] = like(logits, 1.0) if logits[i] > like(logits, 0.0) else like(logits, 0.0)
