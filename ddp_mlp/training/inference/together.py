"""Metrics of models that answer together: of their mean, of the members, and of how far their spread can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.core.ensembles.calibration import (
    records_of,
    split_sums,
    spread_of_classes,
    spread_of_quantities,
    sums_of_classes,
    sums_of_quantities,
)
from ddp_mlp.core.metrics import classification_metrics, metrics_from_sums, metrics_of_targets

if TYPE_CHECKING:
    from ddp_mlp.training.inference.application import Application

#: Metrics of which the mean over the members is given.
_OF_MEMBERS = ("loss", "accuracy", "rmse", "mae", "r2")


def evaluate_together(applied: Application, names: Sequence[str] | None, top_k: int) -> dict[str, Any]:
    """Collective. Return the metrics of the mean over all rows, those of the members, and those of the spread.

    Sums are taken over blocks of rows that depend on neither ranks nor threads.

    Parameters
    ----------
    applied : Application
        Of several models.
    names : sequence of str, or None
        Of the classes or targets.
    top_k : int
        Also count answers among the `top_k` likeliest classes; 0 for not.
    """
    pairs = zip(applied.members, applied.evaluators, strict=True)
    scores = [evaluator.evaluate(model.parameters, applied.ids) for model, evaluator in pairs]
    is_regression = applied.model.schema.task == "regression"
    found = _of_quantities(applied, names) if is_regression else _of_classes(applied, names, top_k)
    means = {f"member_{name}": _mean([s[name] for s in scores]) for name in _OF_MEMBERS if name in scores[0]}
    if found["loss"] is None:
        del means["member_loss"]  # no mean of what is measured in different units
    own = [{"member": name, **score} for name, score in zip(applied.names, scores, strict=True)]
    return {"n_samples": found.pop("n_samples"), "n_members": len(own), **found, **means, "members": own}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def loss_units(members: Sequence[Model]) -> NDArray[np.float64] | None:
    """Return the size in the data of 1 in the loss of each target, shape (T,); None where members differ in it."""
    n_targets = members[0].schema.n_targets
    known = [m.target_normalization for m in members]
    units = [np.ones(n_targets) if each is None else 1.0 / each.scale for each in known]
    return units[0] if all(np.array_equal(units[0], each) for each in units) else None


def _of_quantities(applied: Application, names: Sequence[str] | None) -> dict[str, Any]:
    units, evaluator = loss_units(applied.members), applied.evaluators[0]
    blocks: list[NDArray[np.float64]] = []
    first = np.zeros(0)
    for ids in applied.chunks():
        targets = evaluator.targets(ids).astype(np.float64)
        first = first if blocks else targets[0]
        blocks.append(sums_of_quantities(applied.answers_for(ids), targets, first, units))
    sums, of_spread = split_sums(np.concatenate(blocks), applied.model.schema.n_targets)
    found, of_targets = metrics_from_sums(sums, "regression"), metrics_of_targets(sums, None, names)
    figures, more = spread_of_quantities(of_spread, found["n_samples"], [each["target"] for each in of_targets])
    found["loss"] = found["loss"] if units is not None else None
    both = zip(of_targets, more, strict=True)
    return found | figures | {"targets": [one | two for one, two in both]}


def _of_classes(applied: Application, names: Sequence[str] | None, top_k: int) -> dict[str, Any]:
    evaluator, schema = applied.evaluators[0], applied.model.schema
    blocks, records, labels = [], [], []
    for ids in applied.chunks():
        labels.append(evaluator.targets(ids)[:, 0].astype(np.int64))
        answers = applied.answers_for(ids)
        blocks.append(sums_of_classes(answers, labels[-1], applied.model.parameters.dtype))
        records.append(records_of(answers, labels[-1]))
    sums, n_classes = np.concatenate(blocks), max(2, schema.n_outputs)
    found = metrics_from_sums(sums, schema.task)
    counted = classification_metrics(np.concatenate(labels), np.concatenate(records), n_classes, names, top_k)
    return found | spread_of_classes(sums, found["n_samples"]) | counted
