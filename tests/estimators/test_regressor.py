"""The regressor beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy import sparse

import ddp_mlp
from ddp_mlp import MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n: int = 120) -> tuple[Any, Any]:
    X = np.random.default_rng(2).normal(size=(n, 4))
    return X, np.column_stack([X[:, 0] * X[:, 1], 50 + X[:, 2]])


def test_the_quasi_newton_solver_ends_where_theirs_does() -> None:
    X, Y = table()
    chosen: dict[str, Any] = {"solver": "lbfgs", "random_state": 3, "max_iter": 25, "hidden_layer_sizes": (6, 5)}
    ours, other = MLPRegressor(**chosen).fit(X, Y[:, 0]), theirs.MLPRegressor(**chosen).fit(X, Y[:, 0])
    assert np.allclose(ours.predict(X), other.predict(X), rtol=1e-3, atol=1e-2)
    # Of several targets, theirs takes the gradient of the sum and the value of the mean.
    ours, other = MLPRegressor(**chosen).fit(X, Y), theirs.MLPRegressor(**chosen).fit(X, Y)
    assert ours.predict(X).shape == other.predict(X).shape == Y.shape
    assert ours.score(X, Y) > other.score(X, Y)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_full_batches_take_the_steps_that_theirs_take(learning_rate: str) -> None:
    X, Y = table()
    chosen: dict[str, Any] = {
        "solver": "sgd", "learning_rate": learning_rate, "batch_size": 120, "max_iter": 60, "random_state": 1,
        "hidden_layer_sizes": (5,), "n_iter_no_change": 3, "tol": 0.05, "learning_rate_init": 0.01,
    }  # fmt: skip
    ours, other = MLPRegressor(**chosen).fit(X, Y[:, 0]), theirs.MLPRegressor(**chosen).fit(X, Y[:, 0])
    assert ours.n_iter_ == other.n_iter_
    assert ours.loss_curve_ == pytest.approx(other.loss_curve_, rel=1e-6)
    assert ours.t_ == other.t_


def test_features_keep_their_type_and_sparse_ones_are_read() -> None:
    X, Y = table()
    assert MLPRegressor(max_iter=2).fit(X.astype(np.float32), Y).coefs_[0].dtype == np.float32
    assert MLPRegressor(max_iter=2, dtype="float32").fit(X, Y).predict(X).dtype == np.float32
    net = MLPRegressor(max_iter=3, random_state=0).fit(sparse.csr_array(X), Y)
    assert (net.predict(sparse.csr_array(X)) == MLPRegressor(max_iter=3, random_state=0).fit(X, Y).predict(X)).all()


def test_normalisation_and_missing_values_are_kept_in_the_model(tmp_path: Any) -> None:
    X, Y = table()
    X[::7, 1] = np.nan
    net = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", normalize="auto", missing="impute", random_state=0).fit(
        X * 1000, Y
    )
    assert net.predict(X * 1000)[:, 1].mean() == pytest.approx(50, abs=1)
    net.model_.save(tmp_path / "m.h5")
    assert (ddp_mlp.load_model(tmp_path / "m.h5").predict(X * 1000) == net.predict(X * 1000)).all()
    with pytest.raises(ValueError, match="contains NaN"):
        MLPRegressor(max_iter=1).fit(X, Y)


def test_only_one_loss_is_there() -> None:
    with pytest.raises(ValueError, match="loss = 'poisson', but 'squared_error' is needed"):
        MLPRegressor(loss="poisson").fit(*table())
