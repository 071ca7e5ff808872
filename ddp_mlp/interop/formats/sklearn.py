"""Scikit-learn: a fitted `Pipeline` around an `MLPClassifier` or `MLPRegressor`, as a file of skops.

Skops keeps estimators without pickle: who loads the file sees which types it holds, and runs no code.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.layout import Floats
from ddp_mlp.data.class_values import class_values
from ddp_mlp.interop.format import Format, library
from ddp_mlp.interop.portable import Affine, Portable

#: Names of activations there.
ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
#: Beside what skops trusts by itself: the dtype that an imputer keeps.
TRUSTED = ["numpy.dtype"]
#: The output unit that each task has there.
_UNITS = {"regression": "linear", "binary": "sigmoid", "multiclass": "softmax"}


def estimator(model: Portable) -> Any:
    """Return the fitted estimator."""
    pipeline = library("sklearn.pipeline", "export").Pipeline
    network = _network(model)
    steps = [*_preprocessing(model), ("mlp", network)]
    for _, step in steps:
        step.n_features_in_ = model.schema.n_features
    if model.schema.feature_names:
        steps[0][1].feature_names_in_ = np.array(model.schema.feature_names, object)
    made = pipeline(steps)
    if model.targets is None:
        return made
    compose = library("sklearn.compose", "export")
    whole = compose.TransformedTargetRegressor(made, transformer=_scaler(model.targets))
    whole.regressor_, whole.transformer_ = made, _scaler(model.targets)
    whole.transformer_.n_features_in_ = model.schema.n_outputs
    whole._training_dim = 1 if model.schema.n_outputs == 1 else 2
    return whole


def _preprocessing(model: Portable) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = []
    if model.fill is not None:
        imputer = library("sklearn.impute", "export").SimpleImputer(strategy="median", keep_empty_features=True)
        imputer.statistics_, imputer.indicator_, imputer._fit_dtype = model.fill.copy(), None, np.dtype(np.float64)
        imputer._fill_dtype = np.dtype(np.float64)
        steps.append(("impute", imputer))
    if model.inputs is not None:
        steps.append(("scale", _scaler(model.inputs)))
    return steps


def _scaler(affine: Affine) -> Any:
    scaler = library("sklearn.preprocessing", "export").StandardScaler()
    scaler.mean_, scaler.scale_ = affine.offset.copy(), 1 / affine.scale
    scaler.var_, scaler.n_samples_seen_ = scaler.scale_**2, 1
    return scaler


def _network(model: Portable) -> Any:
    networks = library("sklearn.neural_network", "export")
    hidden = tuple(layer.n_out for layer in model.layers[:-1])
    activation = ACTIVATIONS[model.layers[0].activation] if hidden else "identity"
    classes = class_values(model.schema)
    kind = networks.MLPRegressor if classes is None else networks.MLPClassifier
    made = kind(hidden_layer_sizes=hidden, activation=activation)
    made.coefs_ = [layer.weight.copy() for layer in model.layers]
    made.intercepts_ = [layer.bias.copy() for layer in model.layers]
    made.n_layers_, made.n_outputs_ = len(model.layers) + 1, model.schema.n_outputs
    made.n_iter_, made.t_, made.loss_, made.loss_curve_ = 0, 0, float("nan"), []
    if classes is None:
        made.out_activation_ = "identity"
        return made
    made.out_activation_ = "logistic" if model.schema.task == "binary" else "softmax"
    order = np.sort(classes)
    if not np.array_equal(order, classes):
        made = _in_order(made, classes)
    made._label_binarizer = library("sklearn.preprocessing", "export").LabelBinarizer().fit(order)
    made.classes_ = made._label_binarizer.classes_
    return made


def _in_order(made: Any, classes: NDArray[Any]) -> Any:
    """Return a network whose classes stand in the order of their names, as they always do there."""
    places = np.argsort(classes)
    weight, bias = made.coefs_[-1], made.intercepts_[-1]
    if len(classes) == 2:  # one logit, of the class that comes second
        made.coefs_[-1], made.intercepts_[-1] = -weight, -bias
    else:
        made.coefs_[-1], made.intercepts_[-1] = np.ascontiguousarray(weight[:, places]), bias[places]
    return made


def image(model: Portable, stem: str) -> bytes:
    """Return the bytes of a skops file."""
    return bytes(library("skops.io", "export").dumps(estimator(model)))


def _answers(content: bytes, model: Portable, x: NDArray[np.float64]) -> Floats:
    loaded = library("skops.io", "export").loads(content, trusted=TRUSTED)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        if hasattr(loaded, "predict_proba"):
            classes = class_values(model.schema)
            assert classes is not None  # noqa: S101 - a classifier
            found = np.take(loaded.predict_proba(x), np.searchsorted(loaded.classes_, classes), axis=1)
            return found[:, 1:] if model.schema.task == "binary" else found
        found = np.asarray(loaded.predict(x))
    return found[:, None] if found.ndim == 1 else found


def _objection(model: Portable) -> str:
    names = dict.fromkeys(layer.activation for layer in model.layers[:-1])
    if unknown := [name for name in names if name not in ACTIVATIONS]:
        return f"scikit-learn's MLP has no activation {unknown[0]}"
    if len(names) > 1:
        return f"scikit-learn's MLP has one activation for all layers, not {', '.join(names)}"
    if model.output != _UNITS[model.schema.task]:
        return f"scikit-learn's MLP has no output unit {model.output} for a {model.schema.task} task"
    return ""


def _remark(model: Portable) -> str:
    return "" if model.fill is None else f"skops.io.load takes trusted={TRUSTED} for it, which its imputer keeps"


FORMAT = Format("sklearn", ".skops", image, _answers, _objection, _remark)
