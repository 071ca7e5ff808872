"""Models that other programs have trained, as models of this one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.model import Model
from ddp_mlp.interop.from_sklearn import incoming_of_estimator
from ddp_mlp.interop.from_torch import layers_of_sequential
from ddp_mlp.interop.importing import import_file
from ddp_mlp.interop.incoming import Incoming, Naming, model_of, named_schema, texts_of

Names = Sequence[Any] | None


def from_torch(
    network: Any, *, task: str | None = None, features: Names = None, targets: Names = None, classes: Names = None
) -> Model:
    """Return a `torch.nn.Sequential` of linear layers and activations as a model; its weights are copied.

    Parameters
    ----------
    network : torch.nn.Sequential
        Of ``Linear``, ReLU, Tanh, Sigmoid, LeakyReLU, ELU, Softplus and, at the end, Sigmoid or Softmax; what does
        nothing in evaluation, such as Dropout, is left out.
    task : str, optional
        "regression", "binary" or "multiclass", where the last module is ``Linear``: of classes it gives logits.
    features, targets, classes : sequence, optional
        One name for each; classes mean that the network gives logits or probabilities of them.

    Raises
    ------
    UsageError
        If it holds other modules, or the names do not fit.
    """
    with as_python_errors():
        layers, output = layers_of_sequential(network)
        naming = Naming(task, texts_of(features), texts_of(targets), texts_of(classes))
        schema, output = named_schema(naming, layers, output)
        return Model(model_of(Incoming(schema, layers, output)))


def from_sklearn(estimator: Any) -> Model:
    """Return a fitted `MLPClassifier` or `MLPRegressor` of scikit-learn as a model; its weights are copied.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline or TransformedTargetRegressor
        Before the network, a pipeline may have a `SimpleImputer` and one of `StandardScaler`, `MinMaxScaler`,
        `MaxAbsScaler` and `RobustScaler`.

    Raises
    ------
    UsageError
        If it is not fitted, or holds anything else.
    """
    with as_python_errors():
        return Model(model_of(incoming_of_estimator(estimator)))


def import_model(
    path: str | os.PathLike[str],
    *,
    activation: str | None = None,
    output: str | None = None,
    task: str | None = None,
    features: Names = None,
    targets: Names = None,
    classes: Names = None,
) -> Model:
    """Return the model in a file of another program, as ``ddp-mlp import-model`` does.

    Parameters
    ----------
    path : path
        ``.safetensors`` with the state dict of a `torch.nn.Sequential`, ``.skops`` with an estimator of
        scikit-learn, ``.npz``; exports of this program know all that follows.
    activation, output : str, optional
        Of weights alone: the function after each hidden layer, and the unit after the last one.
    task, features, targets, classes : optional
        As of `from_torch`.

    Raises
    ------
    UsageError, DataError, MissingInputError
        If it cannot be read or understood.
    """
    with as_python_errors():
        naming = Naming(task, texts_of(features), texts_of(targets), texts_of(classes))
        return Model(import_file(Path(path), naming, activation, output))
