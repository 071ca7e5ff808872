"""The quantities that stored numbers stand for, as attributes of their array say it.

Conventions of NetCDF and CF (``_FillValue``, ``missing_value``, ``valid_min``, ``valid_max``, ``valid_range``,
``scale_factor``, ``add_offset``, ``_Unsigned``), the fill values that NetCDF writes where nobody chose one, missing
integers of R, and arrays of MATLAB that are no numbers. A value that is missing becomes NaN.

Source: "NetCDF Users Guide", appendix A, attribute conventions; "CF Metadata Conventions" 1.11, sections 2.5.1 and 8.1.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.attributes import attributes_among, read_attribute
from ddp_mlp.data.layouts.decoding import Decoding
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.arrays import Found

_FILLS = ("_FillValue", "missing_value", "FillValue", "MissingValue", "missing_values", "no_data_value", "nodata")
_RANGES = ("valid_min", "valid_max", "valid_range")
_SCALES = ("scale_factor", "add_offset")
#: Stored numbers as the array has them, and so with its sign where that is not the one that is meant.
_SIGNED = (*_FILLS, *_RANGES)
_R, _MATLAB, _MATLAB_EMPTY, _UNSIGNED = "rhdf5-NA.OK", "MATLAB_class", "MATLAB_empty", "_Unsigned"
_KNOWN = (*_FILLS, *_RANGES, *_SCALES, _R, _MATLAB, _MATLAB_EMPTY, _UNSIGNED)
#: What NetCDF has in the place of values that were never written; bytes have none.
_NETCDF_FILLS: Mapping[str, float | int] = {
    "i2": -32767, "u2": 65535, "i4": -2147483647, "u4": 4294967295, "i8": -9223372036854775806,
    "u8": 18446744073709551614, "f4": float(np.float32(9.9692099683868690e36)), "f8": 9.9692099683868690e36,
}  # fmt: skip
_R_MISSING = -(2**31)
#: Values of ``missing_value``.
_MOST_FILLS = 64


def decoding_of(found: Found, stored: np.dtype[Any], field: str | None, where: str) -> Decoding | None:
    """Return the decoding that attributes ask for, of an array or field; None where numbers mean themselves.

    Raises
    ------
    DataError
        If the attributes contradict themselves, or the array holds no quantities at all.
    """
    names = attributes_among(found, _KNOWN)
    _refuse_no_numbers(found, names, where)
    stored = stored.newbyteorder("=")
    default = _NETCDF_FILLS.get(f"{stored.kind}{stored.itemsize}")
    if stored.kind == "b" or (not names and (default is None or found.fill_value() != default)):
        return None
    values = {name: _numbers(found, name, field) for name in names}
    unsigned = _text(found, _UNSIGNED) if _UNSIGNED in names else ""
    if stored.kind in "iu" and unsigned in {"true", "false"}:
        stored = np.dtype(f"{'u' if unsigned == 'true' else 'i'}{stored.itemsize}")
        values = {name: _resigned(array, stored) if name in _SIGNED else array for name, array in values.items()}
    used = [name for name in names if values[name].size]
    fills = [fill for name in used if name in _FILLS for fill in _as_stored(values[name][:_MOST_FILLS], stored)]
    if _R in names and stored == np.dtype(np.int32):
        fills.append(_R_MISSING)
    if (
        not unsigned
        and not any(name in _FILLS for name in used)
        and default is not None
        and found.fill_value() == default
    ):
        fills.append(default)
        used.append("fill value of NetCDF")
    low, high = _range(values)
    scale, offset = _single(values, "scale_factor", 1.0, where), _single(values, "add_offset", 0.0, where)
    if not np.isfinite([scale, offset]).all() or scale == 0:
        raise DataError(
            f"{where}: scale_factor {scale:g} and add_offset {offset:g} turn all values into one; correct them"
        )
    is_float = any(values[name].dtype.kind == "f" for name in _RANGES if name in used)
    decoding = Decoding(
        stored, _fill_array(fills, stored, values), low, high, scale, offset,
        ranges_of_scaled=is_float and stored.kind in "iu" and (scale, offset) != (1.0, 0.0), names=tuple(used),
    )  # fmt: skip
    return decoding if _changes(decoding) or unsigned else None


def _changes(decoding: Decoding) -> bool:
    kind, info = decoding.stored.kind, None if decoding.stored.kind == "f" else np.iinfo(decoding.stored)
    is_cut = decoding.low > -np.inf or decoding.high < np.inf
    if info is not None and kind in "iu" and not decoding.is_scaled:
        is_cut = decoding.low > info.min or decoding.high < info.max
    return bool(decoding.is_scaled or len(decoding.fills) or is_cut)


def _refuse_no_numbers(found: Found, names: list[str], where: str) -> None:
    kind = _text(found, _MATLAB) if _MATLAB in names else ""
    if kind in {"char", "string", "cell", "struct", "table", "datetime", "categorical"}:
        raise DataError(
            f"{where}: MATLAB's {kind}, stored as numbers that are codes; store numbers (double, single, ...)"
        )
    if _MATLAB_EMPTY in names and bool(_numbers(found, _MATLAB_EMPTY, None).any()):
        raise DataError(f"{where}: an empty array of MATLAB, whose stored numbers are its size; write its values")


def _text(found: Found, name: str) -> str:
    """Return an attribute that is a text, in small letters; empty where it is none."""
    with suppress(DataError):
        values = read_attribute(found, name)
        if values is not None and values.size == 1 and isinstance(value := values.reshape(()).item(), bytes):
            return value.decode("utf-8", "replace").strip("\0 ").lower()
    return ""


def _numbers(found: Found, name: str, field: str | None) -> NDArray[Any]:
    """Return an attribute as a vector of numbers, also where these are written as text; empty for other texts."""
    values = read_attribute(found, name, field)
    values = np.zeros(0) if values is None else values.reshape(-1)
    if values.dtype != object:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    texts = [value for value in values.tolist() if isinstance(value, bytes)]
    with suppress(ValueError):
        return np.array([float(text) for text in b" ".join(texts).replace(b",", b" ").split()])
    return np.zeros(0)


def _resigned(values: NDArray[Any], stored: np.dtype[Any]) -> NDArray[Any]:
    """Return integers of the width of `stored` as it has the same bits: -6 of 16 bits is 65530 without a sign."""
    same_width = values.dtype.kind in "iu" and values.dtype.itemsize == stored.itemsize
    return values.view(stored) if same_width else values


def _single(values: Mapping[str, NDArray[Any]], name: str, default: float, where: str) -> float:
    found = values.get(name, np.zeros(0))
    if found.size > 1:
        raise DataError(
            f"{where}: attribute {name} has {found.size} values where one is needed; {printable(name)} is of all values"
        )
    return float(found[0]) if found.size else default


def _range(values: Mapping[str, NDArray[Any]]) -> tuple[float, float]:
    low, high = -np.inf, np.inf
    if (both := values.get("valid_range", np.zeros(0))).size == 2:
        low, high = float(both[0]), float(both[1])
    if (least := values.get("valid_min", np.zeros(0))).size == 1:
        low = max(low, float(least[0]))
    if (most := values.get("valid_max", np.zeros(0))).size == 1:
        high = min(high, float(most[0]))
    return low, high


def _as_stored(fills: NDArray[Any], stored: np.dtype[Any]) -> list[float | int]:
    """Return those of some values that can stand in an array, as they stand there."""
    plain: list[float | int] = fills.tolist()
    if stored.kind == "f":
        return [fill for fill in plain if not np.isnan(fill)]
    info = np.iinfo(stored)
    whole = [int(fill) for fill in plain if np.isfinite(fill) and fill == np.floor(fill)]
    # Of an unsigned array, a negative fill may be the same bits.
    whole = [fill + 2**info.bits if fill < 0 <= info.min and fills.dtype.kind == "i" else fill for fill in whole]
    return [fill for fill in whole if info.min <= fill <= info.max]


def _fill_array(fills: list[float | int], stored: np.dtype[Any], values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return fills in the dtype in which they are compared: that of the array, or of the attribute where it is less."""
    dtypes = [values[name].dtype for name in _FILLS if name in values and values[name].dtype.kind == "f"]
    is_less = stored.kind == "f" and len(dtypes) == 1 and dtypes[0].itemsize < stored.itemsize
    with np.errstate(over="ignore"):
        return np.unique(np.array(fills, dtypes[0] if is_less else stored))
