"""Rows that an estimator is given: checked by scikit-learn, and handed on as a data set in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from ddp_mlp.api.given import Part, give
from ddp_mlp.config import DataConfig
from ddp_mlp.data.memory.array_likes import is_missing, unmasked
from ddp_mlp.data.memory.held import Arrays, HeldData, held_arrays
from ddp_mlp.data.schema import ClassKind, Schema
from ddp_mlp.data.sources.tables.formats.frame import is_frame
from ddp_mlp.errors import listed
from ddp_mlp.training.inputs.held import opening

#: Names that one message lists.
_SHOWN = 8

_NUMBERS = re.compile(r"u?int|float|double|halffloat|bool", re.IGNORECASE)


def has_text(X: Any) -> bool:
    """Tell whether some given rows are a DataFrame of which columns hold something else than numbers."""
    if not is_frame(X):
        return False
    types = getattr(X, "dtypes", None)
    types = X.schema.types if types is None else types
    return not all(_NUMBERS.match(str(kind)) for kind in types)


@dataclass(frozen=True, eq=False)
class Given:
    """Rows to be fitted.

    Attributes
    ----------
    x : ndarray of shape (n, F), or DataFrame
    y : ndarray
        Labels of int64, shape (n,); or quantities, shape (n,) or (n, T).
    weights : ndarray of shape (n,), or None
    feature_names : tuple of str or None
    classes : tuple of str or None
        Names of the classes that the labels number.
    class_kind : str
        As in the schema.
    """

    x: Any
    y: NDArray[Any]
    weights: NDArray[Any] | None
    feature_names: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    class_kind: ClassKind = ""

    @property
    def is_table(self) -> bool:
        """Whether the features are columns of a DataFrame with text."""
        return is_frame(self.x)

    def taking(self, ids: NDArray[np.int64]) -> Given:
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[ids]
        return replace(self, x=_safe_indexing(self.x, ids), y=self.y[ids], weights=weights)

    def part(self) -> Part:
        """Return them as the Python interface takes rows."""
        return Part(self.x, self.y, self.weights)


def checked_features(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **wanted: Any) -> Any:
    """Return features, or features and targets, that scikit-learn's checks have passed.

    Parameters
    ----------
    estimator : BaseEstimator
        Keeps the number of features, and their names.
    X : array-like of shape (n, F), sparse matrix, or DataFrame
        Sparse rows are made dense; a DataFrame with text stays.
    y : array-like, optional
    reset : bool
        Whether number and names are taken from these rows, or must be those known.
    **wanted
        For `sklearn.utils.validation.validate_data`.

    Raises
    ------
    ValueError
        If anything does not fit.
    """
    X, y = unmasked(X), y if isinstance(y, str) else unmasked(y)
    _require_order(estimator, X, reset=reset)
    if has_text(X):
        validate_data(estimator, X, y, reset=reset, skip_check_array=True)
        if not isinstance(y, str):
            check_consistent_length(X, y)
        return X if isinstance(y, str) else (X, y)
    finite = True if estimator.missing == "error" else "allow-nan"
    found = validate_data(
        estimator, X, y, reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=finite, **wanted
    )
    x, *rest = found if isinstance(found, tuple) else (found,)
    x = x.toarray() if hasattr(x, "toarray") else x
    return (x, *rest) if rest else x


def _require_order(estimator: Any, X: Any, *, reset: bool) -> None:
    """Keep the names of columns that are no text, such as numbers, or check that they stand in the order of `fit`.

    scikit-learn knows names that are text alone, and takes others by position.
    """
    names = tuple(X.columns) if is_frame(X) and hasattr(X, "columns") else ()
    names = () if has_text(X) or all(isinstance(name, str) for name in names) else tuple(map(str, names))
    if reset:
        estimator._columns = names
    known = getattr(estimator, "_columns", ())
    if names != known and sorted(names) == sorted(known):
        here, there = listed(names, _SHOWN), listed(known, _SHOWN)
        raise ValueError(f"the columns of X are in another order than in fit: {here} here, {there} there")


def checked_rows(estimator: Any, X: Any, y: Any, *, reset: bool, **wanted: Any) -> tuple[Any, NDArray[Any]]:
    """Return features and targets as `checked_features` does; targets of one column have shape (n,)."""
    x, y = checked_features(estimator, X, _plain(unmasked(y)), reset=reset, multi_output=True, **wanted)
    y = np.asarray(y)
    _require_known(y)
    return x, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _require_known(y: NDArray[Any]) -> None:
    """Refuse targets that are missing or infinite, which scikit-learn does not look for beside a frame with text."""
    strange = [is_missing(v) for v in y.flat] if y.dtype.kind == "O" else ~np.isfinite(y) if y.dtype.kind == "f" else []
    if np.any(strange):
        row = int(np.argmax(strange)) // max(1, y[:1].size)
        raise ValueError(f"Input y contains NaN or infinity, first at row {row}; leave such rows out")


def _plain(y: Any) -> Any:
    """Return booleans and whole numbers of pandas and others as those of NumPy; scikit-learn makes them floats."""
    values = np.asarray(y) if hasattr(y, "__array__") and not isinstance(y, np.ndarray) else None
    return y if values is None or values.dtype.kind not in "biu" else values


def given_of(estimator: Any, x: Any, y: NDArray[Any], weights: Any, classes: tuple[str, ...] | None = None) -> Given:
    """Return checked rows to be fitted, with the names that their features had, after checking the weights.

    Parameters
    ----------
    estimator : BaseEstimator
        Knows the names.
    x, y, classes
        As of `Given`.
    weights : array-like of shape (n,), or None

    Raises
    ------
    ValueError
        If weights do not fit the rows.
    """
    if weights is not None:
        weights = _check_sample_weight(unmasked(weights), x)
        if (weights < 0).any():
            raise ValueError(f"sample_weight: {weights.min():g} at row {weights.argmin()}; weights are 0 or more")
    names = tuple(map(str, estimator.feature_names_in_)) if hasattr(estimator, "feature_names_in_") else None
    return Given(x, y, weights, names, classes)


def opener_of(train: Given, valid: Given | None) -> Any:
    """Return the function that opens these rows as the data set of a run."""

    def given(config: DataConfig, schema: Schema | None) -> HeldData:
        if train.is_table:
            held = give(train.part(), None if valid is None else valid.part())(config, schema)
        else:
            parts = {"train": train} | ({} if valid is None else {"valid": valid})
            arrays = {name: Arrays(part.x, part.y, part.weights) for name, part in parts.items()}
            held = held_arrays({name: each if name == "train" else each.of(name) for name, each in arrays.items()})
        named = {name: _named(split, train) for name, split in held.splits.items()}
        return replace(held, splits=named, carried=replace(held.carried, class_kind=train.class_kind))

    return opening(given)


def _named(split: Any, given: Given) -> Any:
    """Return a split with the names of features and classes that are known of it."""
    if given.feature_names and not given.is_table:
        split = replace(split, feature_names=given.feature_names)
    if given.classes:
        split = replace(split, class_names=given.classes, n_classes=len(given.classes))
    return split
