"""Answers of several networks put together: their mean, and how far they are from each other.

The answers of the members are added in float64 in the order of the members, and divided once: so the bits of a mean
depend on nothing but these answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

#: Names of the columns of a spread: of quantities one for each target, of classes one each.
DEVIATION, ENTROPY, DISAGREEMENT = "std", "entropy", "disagreement"


@dataclass(frozen=True, eq=False)
class Combined:
    """Answers of one network or of several.

    Attributes
    ----------
    outputs : ndarray of shape (n, n_outputs)
        Of one network as they are; of several the mean, float64.
    spread : dict of str to ndarray of float64
        Empty for one network. Of quantities ``std`` (n, T), the sample standard deviation of the members' answers, in
        their units. Of classes ``entropy`` (n, 1), in nats, of the mean probabilities; and ``disagreement`` (n, 1), the
        part of the members, in [0, 1], whose class is another than that of the mean.
    """

    outputs: NDArray[np.floating]
    spread: Mapping[str, Numbers] = field(default_factory=dict)


def combine(outputs: Sequence[NDArray[np.floating]], task: str) -> Combined:
    """Return the answers of networks together.

    Parameters
    ----------
    outputs : sequence of ndarray, shape (n, n_outputs) each
        Of each member: quantities, or probabilities; ``binary`` has one column, the probability of class 1.
    task : str
    """
    if len(outputs) == 1:
        return Combined(outputs[0])
    mean = _mean(outputs)
    if task == "regression":
        return Combined(mean, {DEVIATION: _deviation(outputs, mean)})
    return Combined(mean, {ENTROPY: entropy(mean), DISAGREEMENT: _disagreement(outputs, mean)})


def joined(pieces: Sequence[Combined]) -> Combined:
    """Return the answers of some rows after the other as those of all; of one piece at least."""
    spread = {name: np.concatenate([each.spread[name] for each in pieces]) for name in pieces[0].spread}
    return Combined(np.concatenate([each.outputs for each in pieces]), spread)


def _mean(outputs: Sequence[NDArray[np.floating]]) -> Numbers:
    total = np.zeros(outputs[0].shape)
    for each in outputs:
        total += each
    return total / len(outputs)


def _deviation(outputs: Sequence[NDArray[np.floating]], mean: Numbers) -> Numbers:
    """Return the sample standard deviation; of members that answer the same it is 0 to the bit, whatever the mean."""
    squares, first = np.zeros(mean.shape), np.asarray(outputs[0], np.float64)
    shift = _mean([each - first for each in outputs])  # of large answers that differ little, no digit is lost
    for each in outputs:
        squares += ((each - first) - shift) ** 2
    return np.sqrt(squares / (len(outputs) - 1))


def both_probabilities(outputs: NDArray[np.floating]) -> Numbers:
    """Return a probability for each class, shape (n, C), also where one column holds that of class 1."""
    wide = np.asarray(outputs, np.float64)
    return np.hstack([1 - wide, wide]) if wide.shape[1] == 1 else wide


def entropy(probabilities: Numbers) -> Numbers:
    """Return the entropy of each row in nats, shape (n, 1): from 0 for a certain class to log C."""
    p = both_probabilities(probabilities)
    terms = p * np.log(np.maximum(p, np.finfo(np.float64).tiny))
    return np.asarray(np.abs(terms.sum(axis=1, keepdims=True)))


def labels_of(outputs: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the class of each row of probabilities, shape (n,); of two that are alike the first."""
    if outputs.shape[1] == 1:
        return np.asarray(outputs[:, 0] > 0.5, np.int64)
    return np.asarray(outputs.argmax(axis=1), np.int64)


def _disagreement(outputs: Sequence[NDArray[np.floating]], mean: Numbers) -> Numbers:
    answer = labels_of(mean)
    others = sum((labels_of(each) != answer).astype(np.float64) for each in outputs)
    return np.asarray(others / len(outputs))[:, None]
