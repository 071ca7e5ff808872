"""The regressor, with the names of scikit-learn's `MLPRegressor`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from ddp_mlp.estimators.network import NetworkEstimator, steps
from ddp_mlp.estimators.rows import Given, checked_rows, given_of


class MLPRegressor(RegressorMixin, NetworkEstimator):
    """A regressor that is fitted data-parallel over MPI; parameters and attributes are scikit-learn's.

    ``fit`` and ``partial_fit`` are collective: the same script under ``python`` and under ``mpiexec -n 4`` gives the
    same bits. See ``docs/estimators.md`` for all that differs from scikit-learn.

    Parameters
    ----------
    loss, hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, \
    max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As of `sklearn.neural_network.MLPRegressor`; the loss is "squared_error".
    normalize, missing, dtype, threads
        As of `MLPClassifier`; where features are normalised, targets are too.

    Attributes
    ----------
    coefs_, intercepts_, model_, loss_, loss_curve_, n_iter_, n_features_in_, feature_names_in_, ...
        As of `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> net = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=1).fit(X, X[:, 0] ** 2)
    >>> bool(net.score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    def __init__(
        self, loss: Any = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
        solver: Any = "adam", alpha: Any = 0.0001, batch_size: Any = "auto", learning_rate: Any = "constant",
        learning_rate_init: Any = 0.001, power_t: Any = 0.5, max_iter: Any = 200, shuffle: Any = True,
        random_state: Any = None, tol: Any = 1e-4, verbose: Any = False, warm_start: Any = False, momentum: Any = 0.9,
        nesterovs_momentum: Any = True, early_stopping: Any = False, validation_fraction: Any = 0.1,
        beta_1: Any = 0.9, beta_2: Any = 0.999, epsilon: Any = 1e-8, n_iter_no_change: Any = 10,
        max_fun: Any = 15000, normalize: Any = "none", missing: Any = "error", dtype: Any = "auto", threads: Any = None,
    ) -> None:  # fmt: skip
        self.loss, self.hidden_layer_sizes, self.activation, self.solver = loss, hidden_layer_sizes, activation, solver
        self.alpha, self.batch_size, self.learning_rate = alpha, batch_size, learning_rate
        self.learning_rate_init, self.power_t, self.max_iter, self.shuffle = (
            learning_rate_init,
            power_t,
            max_iter,
            shuffle,
        )
        self.random_state, self.tol, self.verbose, self.warm_start = random_state, tol, verbose, warm_start
        self.momentum, self.nesterovs_momentum, self.early_stopping = momentum, nesterovs_momentum, early_stopping
        self.validation_fraction, self.beta_1, self.beta_2, self.epsilon = validation_fraction, beta_1, beta_2, epsilon
        self.n_iter_no_change, self.max_fun, self.normalize, self.missing = (
            n_iter_no_change,
            max_fun,
            normalize,
            missing,
        )
        self.dtype, self.threads = dtype, threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Collective. Fit the network.

        Parameters
        ----------
        X : array-like of shape (n, F), sparse matrix, or DataFrame
            Columns of a DataFrame that are text become categories.
        y : array-like of shape (n,) or (n, T)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        DataError, UsageError
            If rows or parameters mean nothing, or do not fit each other; a `ValueError` too.
        LaunchError
            If ranks were given other rows or parameters.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    @available_if(steps)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Collective. Go on for one epoch with these rows; arguments are those of `fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> NDArray[np.floating]:
        """Return the quantities of each row, shape (n,), or (n, T) of several."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _checked(self, X: Any, y: Any, weights: Any, *, reset: bool, classes: Any = None) -> Given:  # noqa: ARG002
        x, y = checked_rows(self, X, y, reset=reset, y_numeric=True)
        return given_of(self, x, y.astype(np.float64), weights)

    def _task(self) -> str:
        return "regression"

    def _score_column(self) -> str:
        return "valid_r2"
