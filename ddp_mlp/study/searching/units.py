"""The units of the losses of trials, known before anything is trained: trials whose units differ have no order by loss.

They are those of `ddp_mlp.run.summary.loss_unit`, as far as configuration and schema tell.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.config import Config
from ddp_mlp.core.network import build_network
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.training.fitting import normalizes_targets

#: In words, and the rows by whose statistics it is measured.
Unit = tuple[str, object]


def unit_of(config: Config, schema: Schema, rows: object, *, validates: bool, weighted: bool) -> Unit | None:
    """Return the unit in which trials of a configuration are compared by loss; None for one that cannot be trained.

    Parameters
    ----------
    schema : Schema
        Of the data set.
    rows : object
        Stands for the rows that train.
    validates : bool
        Whether any row validates, so that the loss is that of validation.
    weighted : bool
        Whether samples have weights, which count in training alone.
    """
    schema = schema.autoencoding() if config.data.autoencode else schema
    with suppress(UsageError):
        network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
        is_normalized = normalizes_targets(config, schema)
        entry, words = LOSSES[network.loss], [network.loss]
        if not validates:
            words += ["in training", *(["of weighted samples"] if weighted else [])]
            words.append(f"class_weights {literal(config.loss.class_weights)}")
        if not (entry.is_for_training and validates):
            words += [f"{key} {getattr(config.loss, key):g}" for key in entry.keys]
        if is_normalized:
            words.append("of normalised targets")
        return " ".join(words), rows if is_normalized else None
    return None


def require_an_order(units: Collection[Unit], metric: str | None, compared: str, *, validates: bool) -> None:
    """Raise UsageError where trials of these units have no order by a metric.

    Parameters
    ----------
    metric : str or None
        None for the loss, or accuracy or RMSE where units differ and trials are compared at their end.
    compared : str
        Option by which trials are compared on the way; empty where they are at their end alone.
    validates : bool
        Whether rows validate in all trials.
    """
    if len(units) < 2 or metric not in (None, "loss") or not (metric or compared or not validates):
        return
    words = sorted({word for word, _ in units})
    why = " against ".join(words[:2]) if len(words) > 1 else f"{words[0]}, by the statistics of other rows"
    other = "rank them by --metric accuracy or rmse" if validates else "search for each with --set"
    raise UsageError(
        f"{compared or '--try'}: these trials cannot be ranked by loss: their losses are measured differently"
        f" ({why}); {other}"
    )
