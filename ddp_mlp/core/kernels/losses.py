"""Losses: each value beside its derivative with respect to the logits.

A loss is one function of one sample. It returns the loss and overwrites the row of logits
with ``d loss / d logits``; the output unit belongs to it, because only the pair is stable
in floating point. A new one is one entry in `LOSSES`; its place is its code.

Sources: "Deep Learning" (2016), section 6.2; for the log-sum-exp P. Blanchard,
D. J. Higham, N. J. Higham, IMA J. Numer. Anal. 41 (2021) 2311.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ddp_mlp.core.kernels.activations import logistic
from ddp_mlp.core.kernels.intrinsics import jit, like


class Loss(NamedTuple):
    """One loss: ``differentiate(logits, target) -> loss`` and the output unit it needs."""

    name: str
    output: str
    differentiate: Any


@jit
def _mean_squared_error(logits, target):
    """``1/2 sum (y - t)^2``; the derivative is ``y - t``."""
    loss = like(logits, 0.0)
    for c in range(logits.shape[0]):
        error = logits[c] - target[c]
        logits[c] = error
        loss += like(logits, 0.5) * error * error
    return loss


@jit
def _binary_cross_entropy(logits, target):
    """``softplus((1 - 2t) a)``; the derivative is ``sigmoid(a) - t``."""
    loss = like(logits, 0.0)
    for c in range(logits.shape[0]):
        a = logits[c]
        signed = (like(logits, 1.0) - like(logits, 2.0) * target[c]) * a
        loss += max(signed, like(logits, 0.0)) + math.log1p(math.exp(-abs(signed)))
        logits[c] = logistic(a) - target[c]
    return loss


@jit
def softmax(row):
    """Turn a row of logits into probabilities in place; return ``log sum exp`` of the logits.

    The largest logit is subtracted first, so that finite logits cannot overflow.
    """
    largest = row[0]
    for c in range(1, row.shape[0]):
        largest = max(largest, row[c])
    total = like(row, 0.0)
    for c in range(row.shape[0]):
        row[c] = math.exp(row[c] - largest)
        total += row[c]
    for c in range(row.shape[0]):
        row[c] /= total
    return largest + math.log(total)


@jit
def _cross_entropy(logits, target):
    """``-log softmax(a)_t`` in nats; the derivative is ``softmax(a) - onehot(t)``."""
    label = int(target[0])
    chosen = logits[label]
    loss = softmax(logits) - chosen
    logits[label] -= like(logits, 1.0)
    return loss


LOSSES = (
    Loss("mse", "linear", _mean_squared_error),
    Loss("binary_cross_entropy", "sigmoid", _binary_cross_entropy),
    Loss("cross_entropy", "softmax", _cross_entropy),
)
LOSS_CODES = {loss.name: code for code, loss in enumerate(LOSSES)}


def _differentiate_of(code: int, loss: Loss, otherwise: Any) -> Any:
    differentiate = loss.differentiate

    def loss_and_delta(chosen, logits, target):
        if chosen == code:
            return differentiate(logits, target)
        return otherwise(chosen, logits, target)

    return jit(loss_and_delta, f"loss_and_delta_{loss.name}")


@jit
def _no_loss(chosen, logits, target):
    if chosen >= 0:
        raise ValueError("unknown loss code")
    return like(logits, 0.0)


def _chain() -> Any:
    chained = _no_loss
    for code, loss in reversed(list(enumerate(LOSSES))):
        chained = _differentiate_of(code, loss, chained)
    return chained


#: ``loss_and_delta(code, logits, target) -> loss``; `logits` (C,) becomes d loss / d logits.
loss_and_delta = _chain()

OUTPUT_CODES = {"linear": 0, "sigmoid": 1, "softmax": 2}


@jit
def apply_output(output, row):
    """Turn a row of logits into the network's answer in place."""
    if output == 1:
        for c in range(row.shape[0]):
            row[c] = logistic(row[c])
    elif output == 2:
        softmax(row)
