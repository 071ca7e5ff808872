"""Statistics and class weights of the training rows, fitted by all ranks together."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import normalization_from_json, normalization_to_json
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.config import Config
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.binding.bind import one_hot_groups
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.normalization import (
    Normalization,
    could_be_pixels,
    fixed_normalization,
    needs_statistics,
    normalization_of,
    resolve_kind,
)
from ddp_mlp.data.resident import Preprocessing
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, UsageError, counted
from ddp_mlp.training.inputs.filling import fit_fill
from ddp_mlp.training.inputs.measuring import Facts, Measured, TrainingBlocks, measure

Ids = NDArray[np.int64]

#: Where the largest weight lies within this power of two of 1, all weights stay as they are.
_LARGEST_EXPONENT = 32


@dataclass(frozen=True, eq=False)
class Began:
    """The beginning of a run that goes on, or of its start model: schema, statistics of rows, and how they are cut.

    Attributes
    ----------
    goes_on : bool
        Whether it is of the run itself, whose rows are the same.
    """

    schema: Schema
    features: Normalization
    target_normalization: Normalization | None
    cut: Cut | None = None
    goes_on: bool = True


def fit_preprocessing(
    config: Config, schema: Schema, train: Split, train_ids: Ids, comm: Communicator, began: Began | None = None
) -> str:
    """Collective. Return a `Preprocessing` fitted to the rows that train, as JSON; numbers keep all their bits.

    Ranks share one pass over the rows; missing values, and integers that could be pixels and are none, take more. Of a
    run that goes on, only the weights are found anew: a normalisation is that of its beginning.

    Parameters
    ----------
    train : Split
    train_ids : ndarray of int64
        Its rows that train.
    began : Began, optional
        The beginning of a run that goes on, or of its start model.

    Raises
    ------
    UsageError
        If the configuration asks for what the task has not.
    DataError
        If values cannot be normalised, or no training row weighs anything.
    """
    blocks = TrainingBlocks(train, train_ids, comm)
    with agreed(comm):
        facts = _facts(config, schema, train, began)
    found = measure(blocks, facts)
    features = began.features if began else _fit_features(config, schema, blocks, found)
    with agreed(comm):
        targets = features if config.data.autoencode else began.target_normalization if began else None
        if facts.targets and found.targets is not None:
            targets = normalization_of("standard", found.targets, "normalize_targets")
        if facts.weights and not found.heaviest:
            raise DataError("all sample weights of the training rows are 0; at least one must be positive")
        class_weights = _class_weights(config, schema, found.class_counts)
    fitted = {
        "features": normalization_to_json(features),
        "targets": None if targets is None else normalization_to_json(targets),
        "autoencode": config.data.autoencode,
        "weighted": train.has_weights or class_weights is not None,
        "class_weights": class_weights,
        "weight_scale": _weight_scale(found.heaviest if facts.weights else 1.0, class_weights or [1.0]),
        "imputed_columns": 0 if found.span is None else int(np.count_nonzero(found.span.n_missing)),
        "only_target": None if found.only_target is None else found.only_target.tolist(),
        "absent_classes": np.flatnonzero(found.class_counts == 0).tolist(),
    }
    return json.dumps(fitted)


def _facts(config: Config, schema: Schema, train: Split, began: Began | None) -> Facts:
    """Return the facts about the rows that fitting needs; of features those that the first pass can find."""
    is_measured = train.allows_missing or (began is None and _needs_span(config, train))
    fits_targets = normalizes_targets(config, schema) and began is None
    _class_weights(config, schema, np.ones(_n_classes(schema), np.int64))  # whether they can be
    return Facts(
        span=is_measured,
        features=began is None and not is_measured,
        targets=fits_targets,
        n_features=schema.n_features,
        n_targets=schema.n_targets,
        n_classes=_n_classes(schema),
        weights=train.has_weights,
    )


def normalizes_targets(config: Config, schema: Schema) -> bool:
    """Tell whether targets are normalised: "auto" means those of a regression that does not encode its own features.

    Raises
    ------
    UsageError
        If classes shall be normalised.
    """
    kind = config.data.normalize_targets
    if kind == "standard" and schema.task != "regression":
        raise UsageError(f"[data] normalize_targets is for quantities, but the data set is {schema.task}; leave it out")
    return kind == "standard" or (kind == "auto" and schema.task == "regression" and not config.data.autoencode)


def _needs_span(config: Config, train: Split) -> bool:
    """Tell whether ranges take a pass of their own: those of "standard" and "minmax" come with their statistics."""
    kind, dtype = config.data.normalize, train.feature_dtype
    return kind in {"none", "unit"} or (kind == "auto" and (dtype.kind == "b" or could_be_pixels(dtype)))


def _fit_features(config: Config, schema: Schema, blocks: TrainingBlocks, found: Measured) -> Normalization:
    """Collective. Fit imputation and normalisation, with another pass over the rows where statistics need it."""
    train, n_features, span = blocks.train, schema.n_features, found.span
    fill, stats = None, found.features
    if train.allows_missing:
        fill = fit_fill(blocks, n_features, _one_hot_columns(schema))
    with agreed(blocks.comm):
        kind = resolve_kind(config.data.normalize, train.feature_dtype, span)
    if not needs_statistics(kind):
        fitted = fixed_normalization(kind, train.feature_dtype, n_features)
    else:
        if stats is None:
            stats = measure(blocks, Facts(features=True, n_features=n_features), fill).features
        assert stats is not None  # noqa: S101 - measured
        with agreed(blocks.comm):
            fitted = normalization_of(kind, stats)
    return fitted if span is None else replace(fitted, low=span.low, high=span.high, fill=fill)


def _one_hot_columns(schema: Schema) -> list[list[int]]:
    """Return the features of each column of categories, of which a row has one."""
    place = {name: i for i, name in enumerate(schema.feature_names or ())}
    groups: dict[str, list[int]] = {}
    for name, source in one_hot_groups(schema).items():
        groups.setdefault(source, []).append(place[name])
    return list(groups.values())


def preprocessing_from_json(text: str) -> Preprocessing:
    """Rebuild the result of `fit_preprocessing` from its JSON."""
    raw = json.loads(text)
    targets = None if raw["targets"] is None else normalization_from_json(raw["targets"])
    weights = None if raw["class_weights"] is None else np.array(raw["class_weights"], np.float64)
    return Preprocessing(
        normalization_from_json(raw["features"]),
        targets,
        raw["autoencode"],
        raw["weighted"],
        weights,
        raw["weight_scale"],
        raw["imputed_columns"],
        raw["only_target"],
        raw["absent_classes"],
    )


def _n_classes(schema: Schema) -> int:
    if schema.task == "regression":
        return 0
    return 2 if schema.task == "binary" else schema.n_outputs


def _class_weights(config: Config, schema: Schema, counts: Ids) -> list[float] | None:
    """Return the weight of each class; "balanced" gives each class the same weight in all, and 1 on average."""
    wanted = config.loss.class_weights
    if wanted is None:
        return None
    if schema.task == "regression":
        raise UsageError("[loss] class_weights is for classes, but the data set is a regression; leave it out")
    if wanted == "balanced":
        n_present = np.count_nonzero(counts)
        return [float(counts.sum() / (n_present * n)) if n else 1.0 for n in counts.tolist()]
    n_classes = _n_classes(schema)
    if len(wanted) != n_classes:
        raise UsageError(
            f"[loss] class_weights lists {counted(len(wanted), 'weight')}, but the data set has {n_classes} classes"
        )
    return [float(weight) for weight in wanted]


def _weight_scale(heaviest: float, class_weights: list[float]) -> float:
    """Return the power of two that brings weights far from 1 near to it.

    A mean knows only their ratios, and a power of two changes none. Left as they are, such as inverse variances in
    units of 1e-20, their products with losses and derivatives would overflow, or vanish, in the dtype of training.
    """
    exponent = math.frexp(heaviest)[1] + math.frexp(max(class_weights))[1]
    return 1.0 if abs(exponent) <= _LARGEST_EXPONENT else 2.0 ** -max(-1022, min(exponent, 1022))
