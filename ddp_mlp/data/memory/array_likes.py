"""Array-likes of Python as arrays of numbers or text that a data file could hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.errors import DataError, counted, literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.schema import ClassKind

#: Types of pandas whose one value says that there is none.
_MISSING_KINDS = {"NAType", "NaTType"}
_TEXT = "numbers are needed; a DataFrame may hold text, whose columns become categories"


def texts_of(y: Any) -> NDArray[np.str_] | None:
    """Return targets that are text, shape (n,); None for others.

    Raises
    ------
    DataError
        If some are missing, or there are several in a row.
    """
    values = _labels(y)
    if not _is_text(values):
        return None
    if values.ndim != 1:
        raise DataError(f"y: text of shape {values.shape}; one class a row is needed")
    missing = [row for row, value in enumerate(values) if is_missing(value)] if values.dtype.kind == "O" else []
    if missing:
        raise DataError(
            f"y: {counted(len(missing), 'missing label')} in {len(values)} rows, first at row {missing[0]}; correct or"
            " remove these rows"
        )
    if values.dtype.kind == "S":
        return _decoded(values)
    return values.astype(str)


def class_kind_of(labels: Any) -> ClassKind:
    """Return "text" where labels are text, as the schema says it; some may be missing."""
    return "text" if _is_text(_labels(labels)) else ""


def is_missing(value: object) -> bool:
    """Tell whether a value of Python stands for none: None, a float that is NaN, or the NA of pandas."""
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ in _MISSING_KINDS


def unmasked(given: Any) -> Any:
    """Return masked values as missing ones: NaN among whole numbers and floats, None among others."""
    if isinstance(given, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in given):
        given = np.ma.array(given)
    if not isinstance(given, np.ma.MaskedArray):
        return given
    if not np.ma.is_masked(given):
        return given.data
    if given.dtype.kind in "iuf":
        return np.ma.filled(given.astype(np.float64), np.nan)
    boxed = given.data.astype(object)
    boxed[np.ma.getmaskarray(given)] = None
    return boxed


def _labels(y: Any) -> NDArray[Any]:
    """Return targets as an array, a single column as shape (n,)."""
    values = _array(unmasked(y), "y") if y is not None else np.zeros(0)
    values = values[:, 0] if values.ndim == 2 and values.shape[-1] == 1 else values
    return values.astype(object) if values.dtype.kind == "T" else values


def _is_text(values: NDArray[Any]) -> bool:
    if values.dtype.kind != "O":
        return values.dtype.kind in "US"
    known = [value for value in values.flat if not is_missing(value)]
    return bool(known) and all(isinstance(value, str) for value in known)


def _decoded(values: NDArray[np.bytes_]) -> NDArray[np.str_]:
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"y holds {literal(error.object)}, which is no text in UTF-8") from None


def _array(given: Any, where: str) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except ValueError as error:  # rows of different length
        raise DataError(f"{where} is no array ({str(error)[:120]}); each row needs as many values") from None


def numbers_of(given: Any, where: str) -> NDArray[Any]:
    """Return an array-like as numbers that a data file could hold; masked values are missing ones."""
    if hasattr(given, "toarray"):
        raise DataError(f"{where} is sparse; give {where}.toarray()")
    values = _array(unmasked(given), where)
    if values.dtype.kind == "O":
        values = _unboxed(values, where)
    if values.dtype.kind in "USTMm":
        first = literal(values.flat[0].item()) if values.size else "text"
        raise DataError(f"{where} holds {first}; {_TEXT}")
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise DataError(f"{where} is of type {values.dtype}; booleans, whole numbers and floats up to 64 bits are read")
    return values


def _unboxed(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return an array of Python objects as booleans, or else as floats; what is missing is NaN."""
    if wrong := next((v for v in values.flat if isinstance(v, str | bytes)), None):
        raise DataError(f"{where} holds {literal(wrong)}; {_TEXT}")
    if large := next((v for v in values.flat if isinstance(v, int | np.integer) and abs(int(v)) > 2**53), None):
        raise DataError(f"{where} holds the integer {large}, which has no exact float64, at most 2**53 is allowed")
    is_none = np.array([is_missing(value) for value in values.flat], np.bool_).reshape(values.shape)
    if values.size and all(isinstance(value, bool | np.bool_) for value in values.flat):
        return values.astype(np.bool_)
    try:
        return np.where(is_none, np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        first = next(value for value in values[~is_none].flat)
        raise DataError(f"{where} holds {literal(first)}; {_TEXT}") from None
