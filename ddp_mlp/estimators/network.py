"""The part that both estimators share: a fit by all ranks, and the attributes that it leaves."""

from __future__ import annotations

import copy
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from ddp_mlp.api.model import Model
from ddp_mlp.api.problem import threads_of
from ddp_mlp.api.world import joined
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.estimators.failures import UnfittedError, as_data_errors, as_estimator_errors
from ddp_mlp.estimators.fitting import Course, Standing, fit_network
from ddp_mlp.estimators.parameters import STEPPING, Shape, check_parameters, settings_of
from ddp_mlp.estimators.quasi_newton import Limits
from ddp_mlp.estimators.rows import Given, checked_features, opener_of
from ddp_mlp.estimators.rules import Watch

_MOST_SEEDS = 2**31 - 1
#: Where no epoch is the last: those of `partial_fit` are counted one by one.
_OUTPUTS = {"linear": "identity", "sigmoid": "logistic", "softmax": "softmax"}


def steps(estimator: Any) -> bool:
    """Tell whether the solver of an estimator takes steps by batches, so that it can go on with further rows."""
    if estimator.solver in STEPPING:
        return True
    raise AttributeError(f"partial_fit is for the solvers {' and '.join(STEPPING)}, not for {estimator.solver}")


class NetworkEstimator(BaseEstimator):
    """A multi-layer perceptron that all ranks fit together."""

    #: Of a classifier, whether `y` holds classes or several labels.
    _labels: str = "classes"

    def __sklearn_tags__(self) -> Any:
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "impute"
        return tags

    def _checked(self, X: Any, y: Any, weights: Any, *, reset: bool, classes: Any = None) -> Given:
        """Return rows to be fitted, checked; classes are those of a first `partial_fit`."""
        raise NotImplementedError

    def _task(self) -> str:
        """Return the task of the rows that were checked."""
        raise NotImplementedError

    def _score_column(self) -> str:
        """Return the column of ``metrics.csv`` that early stopping takes as the score."""
        raise NotImplementedError

    def _fit(self, X: Any, y: Any, weights: Any, *, incremental: bool, classes: Any = None) -> Any:
        """Collective. Fit, from the weights that are there where that is asked for."""
        is_first = not hasattr(self, "_standing") or not (self.warm_start or incremental)
        with as_estimator_errors(), joined() as comm:
            with agreed(comm), as_data_errors():
                check_parameters(self.get_params(deep=False))
                given = self._checked(X, y, weights, reset=is_first, classes=classes)
                if incremental and self.early_stopping:
                    raise ValueError("partial_fit does not support early_stopping=True")
                random = check_random_state(self.random_state)
            seed = _shared_seed(random, comm)
            with agreed(comm), as_data_errors():
                train, valid = self._split(given, seed)
                course = self._course(train, valid, seed, random, is_first=is_first, incremental=incremental)
                watch = self._watch_of(is_first=is_first, incremental=incremental)
            standing = fit_network(course, watch, comm)
        self._keep(standing, watch, given)
        if not incremental:
            self._warn(standing)
        return self

    def _split(self, given: Given, seed: int) -> tuple[Given, Given | None]:
        """Return the rows that train and those that validate, if any do."""
        if not self.early_stopping or self.solver not in STEPPING:
            return given, None
        stratify = given.y if given.classes and given.y.ndim == 1 else None
        ids = np.arange(len(given.y))
        train, valid = train_test_split(ids, random_state=seed, test_size=self.validation_fraction, stratify=stratify)
        if len(valid) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return given.taking(train), given.taking(valid)

    def _course(
        self,
        train: Given,
        valid: Given | None,
        seed: int,
        random: np.random.RandomState,
        *,
        is_first: bool,
        incremental: bool,
    ) -> Course:
        """Return the fit that is to be."""
        start: Standing | None = None if is_first else self._standing
        n_rows, size = len(train.y), self.batch_size
        if size != "auto" and size > n_rows and self.solver in STEPPING:
            warnings.warn(f"batch_size = {size}, but there are {n_rows} rows: a batch takes all", stacklevel=5)
        goes_on = incremental and start is not None
        epochs = (start.epoch if goes_on and start else 0) + (1 if incremental else self.max_iter)
        mean_weight = 1.0 if train.weights is None else float(np.mean(train.weights)) or 1.0
        shape = Shape(self._task(), n_rows, self._dtype(train, start), seed, epochs, valid is not None, mean_weight)
        limits = None if self.solver in STEPPING else Limits(self.tol, self.max_iter, self.max_fun)
        return Course(
            settings_of(self.get_params(deep=False), shape), opener_of(train, valid), threads_of(self.threads), random,
            start, goes_on, limits, self._labels == "multilabel", self._tell,
        )  # fmt: skip

    def _watch_of(self, *, is_first: bool, incremental: bool) -> Watch:
        """Return the watch over the epochs of a fit; that of `partial_fit` goes on."""
        if incremental and not is_first:
            watch: Watch = self._watch
            watch.reason = ""
            return watch
        column = self._score_column() if self.early_stopping else ""
        watch = Watch(
            self.tol, self.n_iter_no_change, self.learning_rate if self.solver == "sgd" else "constant",
            float(self.learning_rate_init), float(self.power_t), column,
        )  # fmt: skip
        if not is_first and hasattr(self, "_watch"):
            # Only the optimiser begins anew: patience goes on, and the rate falls with all rows so far.
            watch.n_samples, watch.n_waited = self._watch.n_samples, self._watch.n_waited
            watch.losses, watch.scores = self._watch.losses, self._watch.scores
            watch.best_loss, watch.best_score = self._watch.best_loss, self._watch.best_score
        return watch

    def _dtype(self, train: Given, start: Standing | None) -> str:
        """Return the dtype of the arithmetic: as told, else that of the features, float64 but for float32."""
        if start is not None:
            return str(start.model.config.train.dtype)
        if self.dtype != "auto":
            return str(self.dtype)
        return "float32" if not train.is_table and train.x.dtype == np.float32 else "float64"

    def _tell(self, watch: Watch) -> None:
        """Write a line about an epoch, where that is asked for."""
        if self.verbose:
            sys.stdout.write(f"Iteration {len(watch.losses)}, loss = {watch.losses[-1]:.8f}\n")
            if watch.scores:
                sys.stdout.write(f"Validation score: {watch.scores[-1]:f}\n")
            if watch.reason:
                sys.stdout.write(f"{watch.reason}\n")

    def _keep(self, standing: Standing, watch: Watch, given: Given) -> None:
        """Set the attributes that a fit leaves."""
        self._standing, self._watch, self._takes_table = standing, watch, given.is_table
        self.model_ = Model(standing.model)
        layers, sizes = self.model_.layers(), standing.model.network.layout.sizes
        self.coefs_, self.intercepts_ = [weight for weight, _ in layers], [bias for _, bias in layers]
        self.n_layers_, self.n_outputs_, self.n_iter_ = len(sizes), sizes[-1], standing.n_iter
        self.out_activation_ = _OUTPUTS[standing.model.network.output]
        self.loss_ = standing.loss
        if self.solver not in STEPPING:
            return
        self.t_, self.loss_curve_ = watch.n_samples, list(watch.losses)
        validates = bool(watch.score)
        self.best_loss_ = None if validates else watch.best_loss
        self.validation_scores_ = list(watch.scores) if validates else None
        self.best_validation_score_ = watch.best_score if validates else None

    def _warn(self, standing: Standing) -> None:
        """Warn of a fit that ended early, or did not come to its end."""
        if standing.is_interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        elif not standing.has_converged:
            reason = f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet."
            name = "Stochastic Optimizer" if self.solver in STEPPING else "lbfgs"
            warnings.warn(f"{name}: {reason}", ConvergenceWarning, stacklevel=4)

    def _outputs(self, X: Any) -> NDArray[np.floating]:
        """Return the outputs of the network for rows, shape (n, n_outputs)."""
        with as_estimator_errors(), as_data_errors():
            if not hasattr(self, "model_"):
                name = type(self).__name__
                raise UnfittedError(f"This {name} instance is not fitted yet. Call 'fit' before using this estimator.")
            x = checked_features(self, X, reset=False)
            if self._takes_table != hasattr(x, "columns"):
                kind = "a DataFrame with text" if self._takes_table else "numbers alone"
                raise ValueError(f"X was {kind} in fit, and must be so now")
            outputs: NDArray[np.floating] = self.model_.outputs(x, threads=self.threads)
            return outputs


def _shared_seed(random: np.random.RandomState, comm: Communicator) -> int:
    """Collective. Return a number that rank 0 would draw next; the stream stays where it is."""
    drawn = copy.deepcopy(random).randint(_MOST_SEEDS)
    return int(comm.share_text(str(drawn))[0])
