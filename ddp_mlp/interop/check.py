"""The comparison of an export with the model's own answers, on rows drawn from the range of its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.ensemble import Ensemble, members_of
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.spread import DISAGREEMENT, Combined, combine
from ddp_mlp.core.layout import Floats
from ddp_mlp.data.binding.bind import one_hot_groups
from ddp_mlp.data.memory.held import Arrays, held_arrays
from ddp_mlp.errors import DataError
from ddp_mlp.interop import forward
from ddp_mlp.interop.portable import portable
from ddp_mlp.training.inference.answering import Answering

N_ROWS = 256
#: Largest difference between `predict` and an export, as a part of the spread of the answers.
BOUND = 1e-5
#: Two computations in float32 may differ by so many times what one of them is off.
_TIMES = 4
#: More is no rounding that anybody could live with.
_MOST_ROUNDING = 2.5e-4
#: Part of the values that are missing, where such may be.
_MISSING = 0.1


def own_answers(model: Model, x: NDArray[np.float64]) -> Floats:
    """Return the outputs of `predict` for features, shape (n, F)."""
    held = held_arrays({"test": Arrays(x)})
    return Answering(model, lambda _: None).many(held, threads=1)


def sample_rows(model: Model, n_rows: int = N_ROWS, seed: int = 0) -> NDArray[np.float64]:
    """Return rows as the model has seen in training, shape (n, F): in their range, some of them with missing values."""
    rng, fitted = np.random.default_rng(seed), model.normalization
    low, high = fitted.offset - 2 / fitted.scale, fitted.offset + 2 / fitted.scale
    if fitted.low is not None and fitted.high is not None:
        low = np.where(np.isfinite(fitted.low), fitted.low, low)
        high = np.where(np.isfinite(fitted.high), fitted.high, high)
    x = low + (high - low) * rng.random((n_rows, len(low)))
    if fitted.fill is not None:
        x[rng.random(x.shape) < _MISSING] = np.nan
    names = model.schema.feature_names or ()
    groups: dict[str, list[int]] = {}
    for name, source in one_hot_groups(model.schema).items():
        groups.setdefault(source, []).append(names.index(name))
    for members in groups.values():
        x[:, members] = np.eye(len(members))[rng.integers(len(members), size=n_rows)]
        if fitted.fill is not None:
            x[np.ix_(np.flatnonzero(rng.random(n_rows) < _MISSING), np.array(members))] = np.nan
    return _consistent(model, x)


def _consistent(model: Model, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows whose codes are whole numbers, and whose marks of missing values say what is so."""
    place = {name: i for i, name in enumerate(model.schema.feature_names or ())}
    for column in model.schema.columns:
        at = [place[name] for name in column.features]
        if column.kind in {"category", "boolean"} and column.how != "one-hot" and len(at) <= 2:
            x[:, at[0]] = np.round(x[:, at[0]])
        if column.missing == "indicator" and column.features[-1] == f"{column.name}=missing":
            x[:, at[-1]] = np.isnan(x[:, at[0]])
    return x


@dataclass(frozen=True)
class Checked:
    """The outcome of a comparison, both as parts of the spread of the answers.

    Attributes
    ----------
    difference : float
        The largest from `predict`.
    bound : float
        What rounding may come to.
    """

    difference: float
    bound: float


def compare(trained: Model | Ensemble, answers: Callable[[NDArray[np.float64]], Combined]) -> Checked:
    """Compare answers with the model's own, and of an ensemble the spread too.

    The bound is `BOUND`, and more where the rounding of `predict` itself is more: networks of large weights magnify it.

    Raises
    ------
    DataError
        If it is beyond the bound, or some answers are no numbers.
    """
    members = members_of(trained)
    x = sample_rows(members[0])
    each = [own_answers(model, x) for model in members]
    own, other = _columns(combine(each, trained.schema.task)), _columns(answers(x))
    if own.shape != other.shape:
        raise DataError(f"the file answers in shape {other.shape}, the model in {own.shape}; nothing was written")
    rounding = max(_rounding(model, x, outputs) for model, outputs in zip(members, each, strict=True))
    found, bound = relative(members[0], own, other), max(BOUND, _TIMES * rounding)
    if not found <= bound:
        raise DataError(
            f"the answers of the file differ from those of the model by {found:.2e} of their spread, more than "
            f"{bound:.1g}, on {len(x)} rows drawn from the range of training; nothing was written"
        )
    return Checked(found, bound)


def _columns(answers: Combined) -> Floats:
    """Return outputs and spread beside each other, but for who disagrees: of equal classes rounding may choose one."""
    spread = [values for name, values in answers.spread.items() if name != DISAGREEMENT]
    return np.hstack([answers.outputs, *spread]).astype(np.float64)


def _rounding(model: Model, x: NDArray[np.float64], own: Floats) -> float:
    """Return how far the model's answers are from those of the same weights in float64."""
    known = portable(model)
    wide = [replace(each, weight=each.weight.astype(float), bias=each.bias.astype(float)) for each in known.layers]
    found = relative(model, own, forward.answers(replace(known, layers=tuple(wide)), x))
    return min(found, _MOST_ROUNDING) if known.dtype == np.float32 and np.isfinite(found) else 0.0


def relative(model: Model, own: Floats, other: Floats) -> float:
    """Return the largest difference, as a part of the spread of its column.

    The spread is that of the targets in training, where it is known, 1 of probabilities, and else that of the answers.
    Answers that lie further from the middle than that count by their distance from it.
    """
    targets, middle = model.target_normalization, np.zeros(own.shape[1])
    if targets is not None:
        n_times = own.shape[1] // len(targets.scale)  # the spread of answers has their units, and stands behind them
        spread = np.tile(1 / targets.scale, n_times)
        middle[: len(targets.scale)] = targets.offset
    elif model.network.output == "linear":
        spread = np.maximum(np.abs(own).max(axis=0), np.finfo(np.float64).tiny)
    else:
        spread = np.ones(own.shape[1])
    return float((np.abs(own - other) / np.maximum(np.abs(own - middle), spread)).max())
