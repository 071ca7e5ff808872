"""The examples of scikit-learn's pages on multi-layer perceptrons, with one import changed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_circles, make_classification, make_moons, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ddp_mlp import MLPClassifier, MLPRegressor

#: Of the example "Compare stochastic learning strategies".
STRATEGIES: list[dict[str, Any]] = [
    {"solver": "sgd", "learning_rate": "constant", "momentum": 0, "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": False,
     "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True,
     "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0, "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": False,
     "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": True,
     "learning_rate_init": 0.2},
    {"solver": "adam", "learning_rate_init": 0.01},
]  # fmt: skip


def test_classification() -> None:
    X = [[0.0, 0.0], [1.0, 1.0]]
    y = [0, 1]
    clf = MLPClassifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(5, 2), random_state=1)
    clf.fit(X, y)
    assert clf.predict([[2.0, 2.0], [-1.0, -2.0]]).tolist() == [1, 0]
    assert [coef.shape for coef in clf.coefs_] == [(2, 5), (5, 2), (2, 1)]
    proba = clf.predict_proba([[2.0, 2.0], [1.0, 2.0]])
    assert proba.tolist() == [pytest.approx([1.967e-04, 9.998e-01], rel=1e-3)] * 2  # as printed there


def test_several_labels() -> None:
    X = [[0.0, 0.0], [1.0, 1.0]]
    y = [[0, 1], [1, 1]]
    clf = MLPClassifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(15,), random_state=1)
    clf.fit(X, y)
    assert clf.predict([[1.0, 2.0]]).tolist() == [[1, 1]]
    assert clf.predict([[0.0, 0.0]]).tolist() == [[0, 1]]


def test_scaling_and_warm_start() -> None:
    X_train, X_test = [[0.0, 10.0], [1.0, 20.0]], [[0.5, 15.0]]
    scaler = StandardScaler()
    scaler.fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    clf = MLPClassifier(hidden_layer_sizes=(15,), random_state=1, max_iter=1, warm_start=True)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(10):
            clf.fit(X_train, [0, 1])
            losses.append(clf.loss_)  # additional monitoring / inspection
    assert losses == sorted(losses, reverse=True)
    assert clf.loss_curve_ == losses
    assert clf.n_iter_ == 1
    assert clf.predict(X_test).shape == (1,)


def test_docstrings() -> None:
    X, y = make_classification(n_samples=100, random_state=1)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=1)
    clf = MLPClassifier(random_state=1, max_iter=300, tol=1e-3).fit(X_train, y_train)
    assert clf.predict_proba(X_test[:1]).shape == (1, 2)
    assert clf.predict(X_test[:5, :]).shape == (5,)
    assert clf.score(X_test, y_test) > 0.8
    X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)
    regr = MLPRegressor(random_state=1, max_iter=2000, tol=0.1)
    regr.fit(X_train, y_train)
    assert regr.predict(X_test[:2]).shape == (2,)
    assert regr.score(X_test, y_test) > 0.9


def test_stochastic_strategies() -> None:
    X, y = load_iris(return_X_y=True)
    X = MinMaxScaler().fit_transform(X)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module=r".*test_user_guide")
        mlps = [MLPClassifier(random_state=0, max_iter=60, **each).fit(X, y) for each in STRATEGIES]
    assert all(mlp.score(X, y) > 0.3 and np.isfinite(mlp.loss_) for mlp in mlps)
    assert all(len(mlp.loss_curve_) == mlp.n_iter_ for mlp in mlps)
    assert mlps[0].loss_ < mlps[3].loss_  # a rate that falls so fast learns less


def test_varying_alpha() -> None:
    for X, y in (make_moons(noise=0.3, random_state=0), make_circles(noise=0.2, factor=0.5, random_state=1)):
        norms = []
        for alpha in (0.1, 10.0):
            mlp = MLPClassifier(
                solver="lbfgs", alpha=alpha, random_state=1, max_iter=2000, early_stopping=True,
                hidden_layer_sizes=[10, 10],
            )  # fmt: skip
            pipe = make_pipeline(StandardScaler(), mlp).fit(X, y)
            norms.append(sum(np.linalg.norm(weight) for weight in mlp.coefs_))
            assert pipe.predict_proba(X[:3])[:, 1].shape == (3,)
        assert norms[1] < norms[0]


def test_weights_of_images() -> None:
    """That of MNIST, on the digits that need no download."""
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, test_size=0.7)
    mlp = MLPClassifier(
        hidden_layer_sizes=(40,), max_iter=8, alpha=1e-4, solver="sgd", verbose=10, random_state=1,
        learning_rate_init=0.2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        mlp.fit(X_train, y_train)
    assert mlp.score(X_test, y_test) > 0.7
    assert all(coef.reshape(8, 8).shape == (8, 8) for coef in mlp.coefs_[0].T)
