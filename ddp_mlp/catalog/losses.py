"""Losses: each value beside its derivative with respect to the logits.

A loss is one function of a batch. It returns the sum of the losses and overwrites the
logits with ``d loss / d logits``; the output unit belongs to it, because only the pair is
stable in floating point. A new one is a function and an entry in `LOSSES`.

Sources: "Deep Learning" (2016), section 6.2; for the log-sum-exp P. Blanchard,
D. J. Higham, N. J. Higham, IMA J. Numer. Anal. 41 (2021) 2311.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ddp_mlp.catalog.arithmetic import helper, like, logistic, room_like, softplus
from ddp_mlp.catalog.keys import ClosedFraction, Entry, Key, Settings
from ddp_mlp.catalog.outputs import exp_all, normalize_row, subtract_largest


@dataclass(frozen=True)
class Loss(Entry):
    """One loss.

    Attributes
    ----------
    differentiate : callable
        ``differentiate(logits, n_columns, targets, rows, weights, p) -> loss_sum`` takes the logits of a batch as a
        flat array (B * C,), the targets of all samples (N, T), the sample of each row, `rows` (B,), the weights of
        all samples (N,), or (0,) where all weigh 1, and the value of the entry's key. Loss and derivative of a
        sample are multiplied by its weight.
    output : str
        The output unit it needs, of `ddp_mlp.catalog.outputs`.
    tasks : tuple of str
        Of regression, binary and multiclass those it fits; the first loss that fits a task is its default.
    logit_threshold, output_threshold : float
        What a single logit, and a single output, must exceed for the answer 1.
    takes_labels : bool
        Whether a target is the number of a class.
    is_for_training : bool
        Whether its key counts in training alone, and evaluation takes 0.
    """

    differentiate: Callable[..., Any]
    output: str
    tasks: tuple[str, ...]
    logit_threshold: float = 0.0
    output_threshold: float = 0.5
    takes_labels: bool = False
    is_for_training: bool = False

    def parameter(self, loss: Settings) -> float:
        """Return `p` under the settings of ``[loss]``; 0 where the entry has no key."""
        return float(sum(getattr(loss, key) for key in self.keys))


@helper
def _weight_of(weights, sample):
    """Return the weight of a sample, 1 where there are no weights."""
    return weights[sample] if weights.shape[0] > 0 else like(weights, 1.0)


def _mean_squared_error(logits, n_columns, targets, rows, weights, p):
    """``1/2 sum (y - t)^2``; the derivative is ``y - t``."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = _weight_of(weights, rows[r])
        loss = like(logits, 0.0)
        for c in range(n_columns):
            error = logits[r * n_columns + c] - target[c]
            logits[r * n_columns + c] = weight * error
            loss += like(logits, 0.5) * error * error
        loss_sum += float(weight * loss)
    return loss_sum


def _binary_cross_entropy(logits, n_columns, targets, rows, weights, p):
    """``softplus((1 - 2t) a)``; the derivative is ``sigmoid(a) - t``."""
    size = rows.shape[0] * n_columns
    losses = room_like(logits, size)
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        for c in range(n_columns):
            i = r * n_columns + c
            losses[i] = (like(logits, 1.0) - like(logits, 2.0) * target[c]) * logits[i]
    for i in range(size):  # over the whole batch, which has few columns
        losses[i] = softplus(losses[i])
        logits[i] = logistic(logits[i])
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = _weight_of(weights, rows[r])
        for c in range(n_columns):
            i = r * n_columns + c
            loss_sum += float(weight * losses[i])
            logits[i] = weight * (logits[i] - target[c])
    return loss_sum


@helper
def _add_margin_losses(logits, n_columns, targets, rows, weights, margin):
    """``max(0, margin - t a)`` with t in {-1, 1}; its derivative is ``-t`` up to the kink, 0 beyond."""
    loss_sum = 0.0
    for r in range(rows.shape[0]):
        target = targets[rows[r]]
        weight = _weight_of(weights, rows[r])
        for c in range(n_columns):
            sign = like(logits, 2.0) * target[c] - like(logits, 1.0)
            loss = margin - sign * logits[r * n_columns + c]
            is_met = loss < like(logits, 0.0)  # false for NaN, so that it stays visible
            logits[r * n_columns + c] = like(logits, 0.0) if is_met else -weight * sign
            loss_sum += 0.0 if is_met else float(weight * loss)
    return loss_sum


def _hinge(logits, n_columns, targets, rows, weights, p):
    """``max(0, 1 - t a)``, labels 0 and 1 standing for t = -1 and 1."""
    return _add_margin_losses(logits, n_columns, targets, rows, weights, like(logits, 1.0))


def _perceptron(logits, n_columns, targets, rows, weights, p):
    """``max(0, -t a)``; a sample on the line itself still counts as wrong, or zero weights would stay."""
    return _add_margin_losses(logits, n_columns, targets, rows, weights, like(logits, 0.0))


@helper
def _target_part(row, label, smoothing):
    """Return ``sum q a``, the part of the loss that is subtracted from ``log sum exp(a)``."""
    if smoothing == 0.0:
        return float(row[label])
    total = 0.0
    for c in range(row.shape[0]):
        total += float(row[c])
    return (1.0 - smoothing) * float(row[label]) + smoothing * (total / row.shape[0])


@helper
def _subtract_target(row, label, smoothing):
    if smoothing > 0.0:
        share = like(row, smoothing / row.shape[0])
        for c in range(row.shape[0]):
            row[c] -= share
    row[label] -= like(row, 1.0 - smoothing)


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
        loss_sum -= float(_weight_of(weights, rows[r])) * target_part
    exp_all(logits[: rows.shape[0] * n_columns])
    for r in range(rows.shape[0]):
        row = logits[r * n_columns : (r + 1) * n_columns]
        weight = _weight_of(weights, rows[r])
        loss_sum += float(weight) * math.log(float(normalize_row(row)))
        _subtract_target(row, int(targets[rows[r], 0]), smoothing)
        if weights.shape[0] > 0:
            for c in range(n_columns):
                row[c] *= weight
    return loss_sum


LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": Loss(_binary_cross_entropy, "sigmoid", ("binary",)),
    "mse": Loss(_mean_squared_error, "linear", ("regression", "binary"), logit_threshold=0.5),
    "cross_entropy": Loss(
        _cross_entropy, "softmax", ("multiclass",), takes_labels=True, is_for_training=True,
        keys={"label_smoothing": Key(
                ClosedFraction, "Part of the target that cross-entropy spreads over all classes in training.", 0.0
            )},
    ),
    "hinge": Loss(_hinge, "linear", ("binary",), output_threshold=0.0),
    "perceptron": Loss(_perceptron, "step", ("binary",)),
}  # fmt: skip


def losses_of(task: str) -> tuple[str, ...]:
    """Return the losses that fit a task, its default first."""
    return tuple(name for name, loss in LOSSES.items() if task in loss.tasks)
