"""The parameters of estimators: scikit-learn's names, checked, and as a configuration of this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from ddp_mlp.api.config import Config
from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.config import Config as Settings
from ddp_mlp.errors import UsageError, literal

#: Solvers that take steps by batches, and go on in `partial_fit`.
STEPPING = ("sgd", "adam")
#: The activation that has another name here.
_LOGISTIC = {"logistic": "sigmoid"}
#: Epochs that the schedule waits for by itself: for ever, since the rule of stopping lowers the rate.
_NEVER = 10**9
_SAMPLES_AT_ONCE = 200


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Integral) and not _flag(value) and int(value) >= least


def _real(least: float, below: float = np.inf) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Real) and not _flag(value) and least <= float(value) < below


def _positive(value: Any) -> bool:
    return isinstance(value, Real) and not _flag(value) and 0 < float(value) < np.inf


def _one_of(*names: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


def _flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _widths(value: Any) -> bool:
    if isinstance(value, str):
        return False
    return all(map(_whole(1), value if hasattr(value, "__iter__") else [value]))


_ACTIVATIONS = ("identity", "logistic", "tanh", "relu", *(name for name in ACTIVATIONS if ACTIVATIONS[name].can_learn))
_FRACTION = (_real(0, 1), "a number from 0 on and below 1")
#: Of each parameter what it may be, and that in words.
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "loss": (_one_of("squared_error"), "'squared_error'"),
    "hidden_layer_sizes": (_widths, "a whole number from 1 on, or a sequence of such (hidden_layer_sizes must be > 0)"),
    "activation": (_one_of(*_ACTIVATIONS), f"one of {', '.join(dict.fromkeys(_ACTIVATIONS))}"),
    "solver": (_one_of("lbfgs", *STEPPING), "one of lbfgs, sgd, adam"),
    "alpha": (_real(0), "a number from 0 on"),
    "batch_size": (lambda value: value == "auto" or _whole(1)(value), "'auto' or a whole number from 1 on"),
    "learning_rate": (_one_of("constant", "invscaling", "adaptive"), "one of constant, invscaling, adaptive"),
    "learning_rate_init": (_positive, "a positive number"),
    "power_t": (_real(0), "a number from 0 on"),
    "max_iter": (_whole(1), "a whole number from 1 on"),
    "shuffle": (lambda value: _flag(value) and bool(value), "True: each epoch takes the rows in an order of its own"),
    "tol": (_real(0), "a number from 0 on"),
    "warm_start": (_flag, "True or False"),
    "momentum": _FRACTION,
    "nesterovs_momentum": (_flag, "True or False"),
    "early_stopping": (_flag, "True or False"),
    "validation_fraction": _FRACTION,
    "beta_1": _FRACTION,
    "beta_2": _FRACTION,
    "epsilon": (_positive, "a positive number"),
    "n_iter_no_change": (lambda value: value == np.inf or _whole(1)(value), "a whole number from 1 on, or infinity"),
    "max_fun": (_whole(1), "a whole number from 1 on"),
    "normalize": (_one_of("none", "auto", "standard", "minmax", "unit"), "one of none, auto, standard, minmax, unit"),
    "missing": (_one_of("error", "impute"), "one of error, impute"),
    "dtype": (_one_of("auto", *DTYPES), f"one of auto, {', '.join(DTYPES)}"),
    "threads": (lambda value: value is None or _whole(1)(value), "None or a whole number from 1 on"),
}


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise UsageError for parameters of an estimator that are not allowed, naming all of them."""
    wrong = [
        f"{name} = {literal(parameters[name])}, but {words} is needed"
        for name, (is_allowed, words) in _ALLOWED.items()
        if name in parameters and not is_allowed(parameters[name])
    ]
    if wrong:
        raise UsageError("; ".join(wrong))


@dataclass(frozen=True)
class Shape:
    """The facts about given rows that a configuration depends on.

    Attributes
    ----------
    task : str
        regression, binary or multiclass.
    n_rows : int
        That train.
    dtype : str
        Of the arithmetic.
    seed : int
    epochs : int
        The last one, those of earlier calls included.
    """

    task: str
    n_rows: int
    dtype: str
    seed: int
    epochs: int
    validates: bool = False
    mean_weight: float = 1.0


def settings_of(parameters: Mapping[str, Any], shape: Shape) -> Settings:
    """Return the configuration that parameters of an estimator mean.

    Raises
    ------
    UsageError
        If a number is beyond what the arithmetic can hold.
    """
    p = parameters
    size = _SAMPLES_AT_ONCE if p["batch_size"] == "auto" else int(p["batch_size"])
    size = shape.n_rows if p["solver"] == "lbfgs" else min(size, shape.n_rows)
    widths = p["hidden_layer_sizes"]
    return Config(
        data={
            "task": shape.task, "normalize": p["normalize"], "missing": p["missing"],
            "valid_fraction": None if shape.validates else 0.0,
            "normalize_targets": "none" if p["normalize"] == "none" or shape.task != "regression" else "standard",
        },
        model={
            "hidden": [int(width) for width in (widths if hasattr(widths, "__iter__") else [widths])],
            "activation": _LOGISTIC.get(p["activation"], p["activation"]),
        },
        loss={"l2": float(p["alpha"]) / (size * shape.mean_weight)},
        optimizer=_optimizer(p),
        schedule={"name": "plateau", "patience": _NEVER} if p["solver"] != "lbfgs" else {},
        train={
            "epochs": shape.epochs, "global_batch_size": size if p["solver"] != "lbfgs" else "full",
            "seed": shape.seed, "dtype": shape.dtype, "early_stopping_patience": 0,
        },
    ).settings  # fmt: skip


def _optimizer(p: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of the optimiser that a solver means."""
    rate = {"learning_rate": float(p["learning_rate_init"])}
    if p["solver"] == "lbfgs":
        return {"name": "line_search"}
    if p["solver"] == "adam":
        return {"name": "adam", "beta1": p["beta_1"], "beta2": p["beta_2"], "eps": p["epsilon"], **rate}
    if not p["momentum"]:
        return {"name": "sgd", **rate}
    return {"name": "nesterov" if p["nesterovs_momentum"] else "momentum", "momentum": p["momentum"], **rate}
