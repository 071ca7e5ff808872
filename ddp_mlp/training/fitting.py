"""Statistics and class weights of the training rows, fitted on rank 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import normalization_from_json, normalization_to_json
from ddp_mlp.config import Config
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.binding.bind import one_hot_groups
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.imputation import fill_missing, fit_fill
from ddp_mlp.data.normalization import BLOCK_ROWS, Normalization, Span, could_be_pixels, fit_normalization, measure_span
from ddp_mlp.data.resident import Preprocessing
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, UsageError

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Began:
    """The beginning of a run that goes on: its schema, the statistics of its rows, and how they are cut."""

    schema: Schema
    features: Normalization
    target_normalization: Normalization | None
    cut: Cut | None = None


def fit_preprocessing(config: Config, schema: Schema, train: Split, train_ids: Ids, began: Began | None = None) -> str:
    """Return a `Preprocessing` fitted to the rows that train, as JSON; numbers keep all their bits.

    Of a run that goes on, only the weights are found anew: a normalisation is that of its beginning.

    Parameters
    ----------
    train : Split
    train_ids : ndarray of int64
        Its rows that train.
    began : Began, optional
        The beginning of a run that goes on.

    Raises
    ------
    UsageError
        If the configuration asks for what the task has not.
    DataError
        If values cannot be normalised, or no training row weighs anything.
    """
    data = config.data

    def blocks() -> Iterator[Rows]:
        return _training_blocks(train, train_ids)

    is_measured = train.allows_missing or (began is None and _needs_span(config, train))
    span = measure_span(rows.features for rows in blocks()) if is_measured else None
    features = began.features if began else _fit_features(config, schema, train, blocks, span, len(train_ids))
    targets = features if data.autoencode else None
    if normalizes_targets(config, schema):
        quantities = (rows.targets for rows in blocks())
        targets = (began and began.target_normalization) or fit_normalization(
            "standard", quantities, np.float64, schema.n_outputs, key="normalize_targets"
        )
    class_weights = _class_weights(config, schema, blocks())
    if train.has_weights and not any(rows.weights is not None and rows.weights.any() for rows in blocks()):
        raise DataError("all sample weights of the training rows are 0; at least one must be positive")
    fitted = {
        "features": normalization_to_json(features),
        "targets": None if targets is None else normalization_to_json(targets),
        "autoencode": data.autoencode,
        "weighted": train.has_weights or class_weights is not None,
        "class_weights": class_weights,
        "imputed_columns": 0 if span is None else int(np.count_nonzero(span.n_missing)),
    }
    return json.dumps(fitted)


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


def _fit_features(
    config: Config, schema: Schema, train: Split, blocks: Callable[[], Iterator[Rows]], span: Span | None, n_rows: int
) -> Normalization:
    """Fit imputation and normalisation to `n_rows` rows; without a span, in one pass over them."""
    kind, dtype, n_features = config.data.normalize, train.feature_dtype, schema.n_features

    def features(fill: NDArray[np.float64] | None = None) -> Iterator[NDArray[Any]]:
        return (fill_missing(rows.features, fill) for rows in blocks())

    if span is None:
        return fit_normalization(kind, features(), dtype, n_features)
    fill = fit_fill(features, n_rows, n_features, _one_hot_columns(schema)) if train.allows_missing else None
    fitted = fit_normalization(kind, features(fill), dtype, n_features, span)
    return replace(fitted, low=span.low, high=span.high, fill=fill)


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
        raw["imputed_columns"],
    )


def _class_weights(config: Config, schema: Schema, blocks: Iterator[Rows]) -> list[float] | None:
    """Return the weight of each class; "balanced" gives each class the same weight in all, and 1 on average."""
    wanted = config.loss.class_weights
    if wanted is None:
        return None
    if schema.task == "regression":
        raise UsageError("[loss] class_weights is for classes, but the data set is a regression; leave it out")
    n_classes = 2 if schema.task == "binary" else schema.n_outputs
    if wanted == "balanced":
        counts = sum(
            (np.bincount(rows.targets[:, 0].astype(np.int64), minlength=n_classes) for rows in blocks),
            np.zeros(n_classes, np.int64),
        )
        n_present = np.count_nonzero(counts)
        return [float(counts.sum() / (n_present * n)) if n else 1.0 for n in counts.tolist()]
    if len(wanted) != n_classes:
        raise UsageError(f"[loss] class_weights lists {len(wanted)} weights, but the data set has {n_classes} classes")
    return [float(weight) for weight in wanted]


def _training_blocks(train: Split, train_ids: Ids) -> Iterator[Rows]:
    """Yield the rows to train on, block by block of the file, without those that validate."""
    for start in range(0, train.n_samples, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, train.n_samples)
        first, last = np.searchsorted(train_ids, (start, stop))
        if first < last:
            rows, chosen = train.read(start, stop), train_ids[first:last] - start
            weights = None if rows.weights is None else rows.weights[chosen]
            yield Rows(rows.features[chosen], rows.targets[chosen], weights)
