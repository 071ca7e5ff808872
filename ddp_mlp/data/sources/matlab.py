"""MATLAB files up to version 7, read by SciPy: an extra, imported where one is read. Those of 7.3 are HDF5."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.arrays import source_of_arrays
from ddp_mlp.data.sources.packed import unpacked_limit
from ddp_mlp.errors import DataError, MissingInputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.source import Source

_SIGNATURE = b"MATLAB 5.0 MAT-file"
#: Bytes of an element, as far as the list of a file's variables tells: complex double.
_ELEMENT_BYTES = 16


def is_matlab(path: Path) -> bool:
    """Tell whether a file is of MATLAB's versions 5 to 7, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def read_matlab(path: Path, options: ImportOptions) -> Source:
    """Read features and targets that lie side by side under known names, or stated ones.

    A cell array of texts and a matrix of characters are text; the fields of a struct are ``NAME.FIELD``.

    Raises
    ------
    MissingInputError
        If SciPy is not installed.
    UsageError
        If the names are not there.
    DataError
        If the file is damaged, or shapes do not fit.
    """
    return source_of_arrays(path, "MATLAB", _arrays(path), options)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        from scipy import io
    except ImportError as error:
        raise MissingInputError(
            f"{path}: reading MATLAB files up to version 7 needs SciPy; pip install 'ddp-mlp[matlab]', or save it with"
            " -v7.3"
        ) from error
    try:
        n_bytes = sum(math.prod(shape) * _ELEMENT_BYTES for _, shape, _ in io.whosmat(path))
        if n_bytes > unpacked_limit(path):
            raise DataError(f"{path}: declares {n_bytes / 2**30:.3g} GiB; if you trust it, save it with -v7.3")
        found = io.loadmat(path, chars_as_strings=True)
    except DataError:
        raise
    except Exception as error:  # SciPy has no root of its errors
        raise DataError(
            f"{path}: no MATLAB file that can be read ({' '.join(str(error).split())[:200]}); save it anew"
        ) from error
    named = {name: value for name, value in found.items() if not name.startswith("__")}
    return {name: array for name, value in named.items() for name, array in _fields(name, value)}


def _fields(name: str, value: Any) -> list[tuple[str, NDArray[Any]]]:
    """Return an array that is no struct, or the fields of one."""
    if not isinstance(value, np.ndarray):
        if hasattr(value, "toarray"):  # sparse
            return [(name, _plain(value.toarray()))]
        return []
    if value.dtype.names and value.size == 1:
        record = value.reshape(-1)[0]
        return [(f"{name}.{field}", _plain(np.asarray(record[field]))) for field in value.dtype.names]
    return [(name, _plain(value))]


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as a user means it: cells of texts as texts, a row or a column as a vector."""
    if array.dtype == object and all(getattr(cell, "dtype", None) is not None for cell in array.flat):
        texts = [str(cell.reshape(-1)[0]) for cell in array.flat if cell.dtype.kind == "U" and cell.size == 1]
        if len(texts) == array.size and texts:
            array = np.array(texts).reshape(array.shape)
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array
