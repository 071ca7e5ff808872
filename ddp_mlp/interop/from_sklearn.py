"""An `MLPClassifier` or `MLPRegressor` of scikit-learn, with what stands before it in a `Pipeline`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.memory.array_likes import class_kind_of
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.formats.sklearn import ACTIVATIONS
from ddp_mlp.interop.incoming import Incoming, texts_of
from ddp_mlp.interop.portable import Affine, Layer, portable

_NAMES = {theirs: ours for ours, theirs in ACTIVATIONS.items()}
_OUTPUTS = {"identity": "linear", "logistic": "sigmoid", "softmax": "softmax"}
_KNOWN = "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler and SimpleImputer before an MLP"


@dataclass
class _Steps:
    """The preprocessing so far: filled, then ``(x - offset) * scale``."""

    affine: Affine | None = None
    fill: NDArray[np.float64] | None = None


def incoming_of_estimator(estimator: Any) -> Incoming:
    """Return a fitted estimator in parts.

    Raises
    ------
    UsageError
        If it is not fitted, or holds what this program has not.
    """
    targets = None
    if type(estimator).__name__ == "TransformedTargetRegressor":
        _need_fitted(estimator, "regressor_")
        if estimator.func is not None or estimator.inverse_func is not None:
            raise UsageError("targets that a function transforms; a StandardScaler or MinMaxScaler is needed")
        if type(estimator.transformer_).__name__ != "FunctionTransformer":  # which does nothing, without functions
            targets = _affine(estimator.transformer_)
        estimator = estimator.regressor_
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    done = _Steps()
    for step in steps[:-1]:
        _take(done, step)
    targets = _with_own(done, targets, steps[-1])
    names = getattr(steps[0], "feature_names_in_", None)
    return _network(steps[-1], done, targets, texts_of(names))


def _need_fitted(estimator: Any, attribute: str) -> None:
    if not hasattr(estimator, attribute):
        raise UsageError(f"this {type(estimator).__name__} is not fitted; call fit first")


def _take(done: _Steps, step: Any) -> None:
    """Add a step to the preprocessing."""
    if step is None or step == "passthrough":
        return
    if type(step).__name__ == "SimpleImputer":
        if done.fill is not None:
            raise UsageError("two SimpleImputers; one is needed")
        _fill_by(done, _fill(step))
        return
    if done.affine is not None:
        raise UsageError("two scalers one after the other; one is needed")
    done.affine = _affine(step)


def _fill_by(done: _Steps, fill: NDArray[np.float64]) -> None:
    """Fill with values that are meant after the steps so far."""
    done.fill = fill if done.affine is None else fill / done.affine.scale + done.affine.offset


def _with_own(done: _Steps, targets: Affine | None, network: Any) -> Affine | None:
    """Add the preprocessing inside an estimator of this program to the steps, and return it for the targets."""
    if not hasattr(network, "model_"):
        return targets
    own = portable(network.model_.trained)
    if own.schema.columns:
        raise UsageError("an estimator that was fitted to a DataFrame with text; its model_ is what is wanted")
    if own.fill is not None and done.fill is None:
        _fill_by(done, own.fill)
    done.affine = _after(done.affine, own.inputs)
    return _after(targets, own.targets)


def _after(first: Affine | None, then: Affine | None) -> Affine | None:
    """Return one map for two, one after the other."""
    if first is None or then is None:
        return first or then
    return Affine(first.offset + then.offset / first.scale, first.scale * then.scale)


def _fill(imputer: Any) -> NDArray[np.float64]:
    _need_fitted(imputer, "statistics_")
    if imputer.add_indicator or not (isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)):
        raise UsageError(
            "a SimpleImputer with add_indicator, or of other missing values than NaN; a plain one is needed"
        )
    fill = np.asarray(imputer.statistics_, np.float64)
    if np.isnan(fill).any():
        raise UsageError("a SimpleImputer that drops columns which were empty; leave them out before")
    return fill


def _affine(scaler: Any) -> Affine:
    """Return the map of a scaler."""
    kind = type(scaler).__name__
    if kind == "MinMaxScaler":
        _need_fitted(scaler, "scale_")
        if scaler.clip:
            raise UsageError("a MinMaxScaler that clips; clip = False is needed")
        scale = np.asarray(scaler.scale_, np.float64)
        return Affine(-np.asarray(scaler.min_, np.float64) / scale, scale)
    if kind not in {"StandardScaler", "RobustScaler", "MaxAbsScaler"}:
        raise UsageError(f"a step {kind}, which this program has not; known are {_KNOWN}")
    _need_fitted(scaler, "scale_")
    middle = getattr(scaler, {"StandardScaler": "mean_", "RobustScaler": "center_"}.get(kind, ""), None)
    is_centred = getattr(scaler, "with_mean", True) and getattr(scaler, "with_centering", True)
    spread = None if scaler.scale_ is None else np.asarray(scaler.scale_, np.float64)
    n_columns = int(scaler.n_features_in_)
    scale = np.ones(n_columns) if spread is None else 1 / spread
    return Affine(np.array(middle, np.float64) if is_centred and middle is not None else np.zeros(n_columns), scale)


def _network(network: Any, done: _Steps, targets: Affine | None, names: tuple[str, ...] | None) -> Incoming:
    kind = type(network).__name__
    if kind not in {"MLPClassifier", "MLPRegressor"}:
        raise UsageError(f"a {kind}, which this program has not; known are {_KNOWN}")
    _need_fitted(network, "coefs_")
    if network.activation not in _NAMES or network.out_activation_ not in _OUTPUTS:
        raise UsageError(f"units {network.activation} and {network.out_activation_}, of which this program lacks one")
    layers = [Layer(weight, bias, _NAMES[network.activation]) for weight, bias in
              zip(network.coefs_, network.intercepts_, strict=True)]  # fmt: skip
    layers[-1] = Layer(layers[-1].weight, layers[-1].bias)
    ends = layers[0].n_in, layers[-1].n_out
    output = _OUTPUTS[network.out_activation_]
    if kind == "MLPRegressor":
        schema = Schema("regression", *ends, names)
        return Incoming(schema, tuple(layers), output, "auto", done.affine, targets, done.fill)
    if output == "sigmoid" and ends[1] > 1:
        raise UsageError("a classifier of several labels at once; this program answers one class for each row")
    if len(network.classes_) == 1:
        raise UsageError(f"a classifier of the one class {network.classes_[0]}, which is its answer to any row")
    task = "binary" if output == "sigmoid" else "multiclass"
    schema = Schema(
        task, *ends, names, None, texts_of(network.classes_),  # type: ignore[arg-type]
        class_kind=class_kind_of(network.classes_),
    )  # fmt: skip
    return Incoming(schema, tuple(layers), output, "auto", done.affine, targets, done.fill)
