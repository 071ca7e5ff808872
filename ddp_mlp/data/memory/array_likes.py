"""Array-likes of Python as arrays of numbers or text that a data file could hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.errors import DataError, literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.schema import ClassKind

_TEXT = "numbers are needed; a DataFrame may hold text, whose columns become categories"


def texts_of(y: Any) -> NDArray[np.str_] | None:
    """Return targets that are text, shape (n,); None for others."""
    values: NDArray[Any] = np.asarray(y) if y is not None else np.zeros(0)
    if values.ndim == 2 and values.shape[-1] == 1:
        values = values[:, 0]
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    is_text = values.dtype.kind in "UT" or (
        values.dtype.kind == "O" and values.size > 0 and all(isinstance(value, str) for value in values.flat)
    )
    if not is_text:
        return None
    if values.ndim != 1:
        raise DataError(f"y: text of shape {values.shape}; one class a row is needed")
    return values.astype(str)


def class_kind_of(labels: Any) -> ClassKind:
    """Return "text" where labels are text, as the schema says it."""
    return "" if texts_of(labels) is None else "text"


def numbers_of(given: Any, where: str) -> NDArray[Any]:
    """Return an array-like as numbers that a data file could hold; masked values are missing ones."""
    if hasattr(given, "toarray"):
        raise DataError(f"{where} is sparse; give {where}.toarray()")
    if isinstance(given, np.ma.MaskedArray):
        given = np.ma.filled(given.astype(np.float64), np.nan) if np.ma.is_masked(given) else given.data
    try:
        values = np.asarray(given)
    except ValueError as error:  # rows of different length
        raise DataError(f"{where} is no array ({str(error)[:120]}); each row needs as many values") from None
    if values.dtype.kind == "O":
        values = _unboxed(values, where)
    if values.dtype.kind in "USTMm":
        first = literal(values.flat[0].item()) if values.size else "text"
        raise DataError(f"{where} holds {first}; {_TEXT}")
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise DataError(f"{where} is of type {values.dtype}; booleans, whole numbers and floats up to 64 bits are read")
    return values


def _unboxed(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return an array of Python objects as booleans, or else as floats; None is a missing value."""
    if values.size and all(isinstance(value, bool | np.bool_) for value in values.flat):
        return values.astype(np.bool_)
    if wrong := next((v for v in values.flat if isinstance(v, str | bytes)), None):
        raise DataError(f"{where} holds {literal(wrong)}; {_TEXT}")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        first = next(value for value in values.flat if value is not None)
        raise DataError(f"{where} holds {literal(first)}; {_TEXT}") from None
