"""Checks on rows as they are read: finite values, labels in range, weights not negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.layouts.decoding import require_exact
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Rows


_SHOWN = 8


@dataclass(frozen=True)
class Checks:
    """The conditions on the rows of one split, and how to name them in messages.

    Attributes
    ----------
    features_where, targets_where, weights_where : str
        ``FILE:/path`` of the arrays.
    feature_names, target_names : tuple of str or None
        Names of the columns.
    n_classes : int or None
        Labels are whole numbers below this; None for regression.
    allows_missing : bool
        Whether a feature may be NaN: a missing value, which is imputed.
    """

    features_where: str
    targets_where: str
    weights_where: str
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None
    n_classes: int | None
    allows_missing: bool = False


def check_rows(rows: Rows, start: int, checks: Checks, blocks: Callable[[], Iterator[Rows]]) -> None:
    """Check a block of rows whose first has number `start` (0 is the first of the split).

    Parameters
    ----------
    blocks : callable
        Returns all rows of the split, block by block, to count what is wrong.

    Raises
    ------
    DataError
        Naming file, array, how many values are wrong in the split, and the first of them; or an integer without an
        exact float.
    """
    require_exact(rows.features, checks.features_where)
    if not (all_finite(rows.features) or (checks.allows_missing and not np.isinf(rows.features).any())):
        only_missing = not checks.allows_missing and not np.isinf(rows.features).any()
        advice = ', or [data] missing = "impute" takes NaN for missing values' * only_missing
        found = (block.features for block in blocks())
        names = checks.feature_names
        raise _non_finite(found, checks.features_where, names, advice, allows_missing=checks.allows_missing)
    if not all_finite(rows.targets):
        raise _non_finite((block.targets for block in blocks()), checks.targets_where, checks.target_names)
    if checks.n_classes is not None and rows.targets.shape[1]:
        _require_labels(rows.targets, start, checks.targets_where, checks.n_classes)
    if rows.weights is not None:
        if not all_finite(rows.weights):
            weights = (block.weights[:, None] for block in blocks() if block.weights is not None)
            raise _non_finite(weights, checks.weights_where)
        _require_not_negative(rows.weights, start, checks.weights_where)


def all_finite(values: NDArray[Any]) -> bool:
    """Tell whether no value is NaN or infinite.

    The sum is tried first: it reads the array once and needs no array of booleans, and a
    finite sum proves that every term is finite. It may overflow; then each value is looked at.
    """
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def count_non_finite(values: NDArray[Any]) -> int:
    """Count the values that are NaN or infinite."""
    return 0 if all_finite(values) else int(values.size - np.count_nonzero(np.isfinite(values)))


def _non_finite(
    blocks: Iterable[NDArray[Any]],
    where: str,
    names: tuple[str, ...] | None = None,
    advice: str = "",
    *,
    allows_missing: bool = False,
) -> DataError:
    """Return an error that counts the values which are not finite; where these are allowed, those that are not NaN."""
    count = n_missing = n_rows = n_bad_rows = 0
    first = ""
    for values in blocks:
        bad = np.isinf(values) if allows_missing else ~np.isfinite(values)
        if bad.any() and not first:
            row, column = np.argwhere(bad)[0]
            name = f" ({names[column]})" if names else ""
            first = f"{values[row, column]} at row {n_rows + row} column {column}{name}"
        count, n_bad_rows = count + int(bad.sum()), n_bad_rows + int(bad.any(axis=1).sum())
        n_missing, n_rows = n_missing + int(np.isnan(values[bad]).sum()), n_rows + len(values)
    plural = "s" if count > 1 else ""
    kind = f"missing value{plural} (NaN)" if n_missing == count else f"non-finite value{plural}"
    some = f" ({n_missing} of them missing)" if 0 < n_missing < count else ""
    return DataError(
        f"{where}: {count} {kind}{some} in {n_bad_rows} of {n_rows} rows, first {first}; only finite numbers are"
        f" allowed, correct or remove these rows (`ddp-mlp data inspect` counts them){advice}"
    )


def require_known_labels(
    stored: NDArray[np.float64], bound: NDArray[np.float64], start: int, where: str, names: tuple[str, ...] | None
) -> None:
    """Raise where a finite label has become none of the classes.

    Parameters
    ----------
    stored, bound : ndarray of float64, shape (n, T)
        Labels of a block, as in the file and as classes.
    start : int
        First row of the block.
    where : str
        The file and array, for messages.
    names : tuple of str or None
        Of the classes.

    Raises
    ------
    DataError
        With the first of them, and how many there are in this block.
    """
    unknown = np.isnan(bound[:, 0]) & np.isfinite(stored).all(axis=1)
    if unknown.any():
        row = int(np.argmax(unknown))
        found = f"{stored[row, 0]:g}" if stored.shape[1] == 1 else str(stored[row].tolist())[:60]
        allowed = ", ".join((names or ())[:_SHOWN])
        raise DataError(
            f"{where}: label {found} at row {start + row} ({int(unknown.sum())} such rows from row {start} on) is none"
            f" of the classes{f' {allowed}' if allowed else ''}; correct or remove these rows"
        )


def _require_labels(targets: NDArray[np.float64], start: int, where: str, n_classes: int) -> None:
    labels = targets[:, 0]
    bad = (labels < 0) | (labels >= n_classes) | (labels != np.floor(labels))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{where}: label {labels[row]:g} at row {start + row}; labels must be whole numbers from 0 to"
            f" {n_classes - 1}, renumber the classes"
        )


def _require_not_negative(weights: NDArray[np.float64], start: int, where: str) -> None:
    if weights.size and weights.min() < 0:
        row = int(np.argmax(weights < 0))
        raise DataError(
            f"{where}: sample weight {weights[row]:g} at row {start + row}; weights must not be negative,"
            " use 0 to leave a sample out"
        )
