"""The classifier, with the names of scikit-learn's `MLPClassifier`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.data.memory.array_likes import class_kind_of
from ddp_mlp.data.predictions import require_numbers
from ddp_mlp.estimators.network import NetworkEstimator, steps
from ddp_mlp.estimators.rows import Given, checked_rows, given_of


class MLPClassifier(ClassifierMixin, NetworkEstimator):
    """A classifier that is fitted data-parallel over MPI; parameters and attributes are scikit-learn's.

    ``fit`` and ``partial_fit`` are collective: the same script under ``python`` and under ``mpiexec -n 4`` gives the
    same bits. See ``docs/estimators.md`` for all that differs from scikit-learn.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As of `sklearn.neural_network.MLPClassifier`.
    normalize : str
        How features are normalised before the network: "none", "auto", "standard", "minmax" or "unit".
    missing : str
        "error", or "impute": NaN is a missing value, which the median takes the place of.
    dtype : str
        Of the arithmetic: "float32", "float64", or "auto", that of the features.
    threads : int, optional
        That each rank computes with; in ``fit`` by default 1, in ``predict`` as many as there are cores.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    coefs_, intercepts_ : lists of ndarray
        Copies of the weights, shape (n_in, n_out), and biases of each layer.
    model_ : Model
        The network with its preprocessing, for ``save`` and ``export``.
    loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, \
    out_activation_, n_features_in_, feature_names_in_
        As of scikit-learn's.

    Examples
    --------
    >>> X, y = [[0.0, 0.0], [1.0, 1.0]], ["no", "yes"]
    >>> net = MLPClassifier(hidden_layer_sizes=(5, 2), solver="lbfgs", random_state=1).fit(X, y)
    >>> net.predict([[2.0, 2.0], [-1.0, -2.0]]).tolist()
    ['yes', 'no']
    """

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: Any = "adam", alpha: Any = 0.0001,
        batch_size: Any = "auto", learning_rate: Any = "constant", learning_rate_init: Any = 0.001,
        power_t: Any = 0.5, max_iter: Any = 200, shuffle: Any = True, random_state: Any = None, tol: Any = 1e-4,
        verbose: Any = False, warm_start: Any = False, momentum: Any = 0.9, nesterovs_momentum: Any = True,
        early_stopping: Any = False, validation_fraction: Any = 0.1, beta_1: Any = 0.9, beta_2: Any = 0.999,
        epsilon: Any = 1e-8, n_iter_no_change: Any = 10, max_fun: Any = 15000, normalize: Any = "none",
        missing: Any = "error", dtype: Any = "auto", threads: Any = None,
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes, self.activation, self.solver, self.alpha = (
            hidden_layer_sizes,
            activation,
            solver,
            alpha,
        )
        self.batch_size, self.learning_rate, self.learning_rate_init = batch_size, learning_rate, learning_rate_init
        self.power_t, self.max_iter, self.shuffle, self.random_state = power_t, max_iter, shuffle, random_state
        self.tol, self.verbose, self.warm_start, self.momentum = tol, verbose, warm_start, momentum
        self.nesterovs_momentum, self.early_stopping = nesterovs_momentum, early_stopping
        self.validation_fraction, self.beta_1, self.beta_2, self.epsilon = validation_fraction, beta_1, beta_2, epsilon
        self.n_iter_no_change, self.max_fun, self.normalize, self.missing = (
            n_iter_no_change,
            max_fun,
            normalize,
            missing,
        )
        self.dtype, self.threads = dtype, threads

    def __sklearn_tags__(self) -> Any:
        tags = ClassifierMixin.__sklearn_tags__(self)
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Collective. Fit the network.

        Parameters
        ----------
        X : array-like of shape (n, F), sparse matrix, or DataFrame
            Columns of a DataFrame that are text become categories.
        y : array-like of shape (n,), or (n, L) of 0 and 1
            Classes; or the labels of each row, there or not.
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
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MLPClassifier:
        """Collective. Go on for one epoch with these rows.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        classes : array-like of shape (C,), optional
            All that there will ever be; needed the first time.

        Raises
        ------
        ValueError
            If nothing tells the classes: those of the first rows may not be all.
        """
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit")
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, shape (n,); or its labels, shape (n, L)."""
        outputs = self._outputs(X)
        with as_python_errors():
            require_numbers(outputs)
        if self._labels == "multilabel":
            return (outputs > 0.5).astype(np.int64)
        chosen = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return np.asarray(self.classes_[np.minimum(chosen.astype(np.int64), len(self.classes_) - 1)])

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return the probability of each class, shape (n, C), or of each label, shape (n, L)."""
        outputs = self._outputs(X)
        if self._labels == "multilabel" or outputs.shape[1] > 1:
            return outputs
        return np.ones_like(outputs) if len(self.classes_) == 1 else np.hstack([1 - outputs, outputs])

    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Return the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _checked(self, X: Any, y: Any, weights: Any, *, reset: bool, classes: Any = None) -> Given:
        x, y = checked_rows(self, X, y, reset=reset)
        check_classification_targets(y)
        kind = "multilabel" if type_of_target(y).startswith("multilabel") else "classes"
        if classes is None and not reset and kind != self._labels:
            raise ValueError(f"y holds {kind}, but was {self._labels} in the fit that goes on")
        known = self._known(y, kind, classes, reset=reset)
        self.classes_, self._labels = known, kind
        if kind == "multilabel":
            return given_of(self, x, y.astype(np.float64), weights)
        given = given_of(self, x, np.searchsorted(known, y), weights, _names(known))
        return replace(given, class_kind=class_kind_of(known))

    def _known(self, y: NDArray[Any], kind: str, classes: Any, *, reset: bool) -> NDArray[Any]:
        """Return the classes, of which those of `y` must be, where they are known."""
        found = np.arange(y.shape[1]) if kind == "multilabel" else unique_labels(y)
        known = None if classes is None else unique_labels(classes)
        if not reset:
            if known is not None and not np.array_equal(known, self.classes_):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit: {self.classes_!r}"
                )
            known = self.classes_
        if known is None:
            return np.asarray(found)
        if kind == "multilabel" and len(found) != len(known):
            raise ValueError(f"y has {len(found)} labels, but {len(known)} are known")
        if not np.isin(found, known).all():
            raise ValueError(f"y has classes {found!r}, of which not all are among those known, {known!r}")
        return np.asarray(known)

    def _task(self) -> str:
        if self._labels == "multilabel":
            return "regression"
        return "multiclass" if len(self.classes_) > 2 else "binary"

    def _score_column(self) -> str:
        return "valid_loss" if self._labels == "multilabel" else "valid_accuracy"


def _names(classes: NDArray[Any]) -> tuple[str, ...]:
    """Return the names of classes, two at least; whole numbers have the same, however they are stored."""
    is_float = classes.dtype.kind == "f"  # scikit-learn takes none that are not whole
    names = tuple(f"{label:.0f}" if is_float else str(label) for label in classes.tolist())
    return names if len(names) > 1 else (*names, f"not {names[0]}")  # a binary network, whose other class is no label
