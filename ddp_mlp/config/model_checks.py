"""Checks of ``[model]``, ``[loss]`` and ``[data]`` against each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.config.schema import value_of
from ddp_mlp.errors import literal

Table = dict[str, Any]

#: Weights between hidden layers that no machine has memory for.
_MOST_WEIGHTS = 10**13


def check_model(raw: Table) -> list[str]:
    """Check the keys of the network against each other; all values are valid on their own."""
    model = raw.get("model", {})
    hidden, activation = value_of(raw, "model", "hidden"), value_of(raw, "model", "activation")
    return [
        *_check_size(hidden),
        *_check_lengths(model, len(hidden)),
        *(_check_tied(hidden, activation) if model.get("tied") else ()),
        *_check_targets(raw.get("data", {}), raw.get("loss", {})),
        *_check_start(model),
    ]


def _check_start(model: Table) -> Iterator[str]:
    if model.get("start_sha256") is not None and model.get("start") is None:
        yield "[model] start_sha256 is of start, which is missing; name the model, or take out both"


def _check_size(hidden: list[int]) -> Iterator[str]:
    n_weights = sum(n_in * n_out for n_in, n_out in itertools.pairwise(hidden))
    if n_weights > _MOST_WEIGHTS:
        yield f"[model] hidden = {literal(hidden)}: {n_weights:,} weights are more than any machine holds"


def _check_lengths(model: Table, n_hidden: int) -> Iterator[str]:
    activation, dropout = model.get("activation"), model.get("dropout")
    if isinstance(activation, list) and len(activation) != n_hidden:
        yield (
            f"[model] activation lists {len(activation)} for {n_hidden} hidden layers; give one for all or one for each"
        )
    if isinstance(dropout, list) and len(dropout) != n_hidden + 1:
        yield (
            f"[model] dropout lists {len(dropout)} probabilities; give one for all, or {n_hidden + 1}: "
            "for the features, then for each hidden layer"
        )


def _check_tied(hidden: list[int], activation: Any) -> Iterator[str]:
    if len(hidden) % 2 == 0 or hidden != hidden[::-1]:
        yield (
            f"[model] tied with hidden = {literal(hidden)}: the decoder must mirror the encoder around one layer "
            "in the middle, such as [64, 16, 64] or [32]"
        )
    for name in dict.fromkeys(activation if isinstance(activation, list) else [activation]):
        if ACTIVATIONS[name].has_pieces:
            yield f"[model] tied does not go with activation = {name!r}, whose weights have no transpose that fits"


def _check_targets(data: Table, loss: Table) -> Iterator[str]:
    weights = loss.get("class_weights")
    if isinstance(weights, list) and not any(weights):
        yield "[loss] class_weights: at least one class must weigh more than 0"
    if data.get("autoencode"):
        if data.get("normalize_targets") == "standard":
            yield "[data] normalize_targets does not go with autoencode, whose targets are the normalised features"
        if weights is not None:
            yield "[loss] class_weights does not go with [data] autoencode, which has no classes"
