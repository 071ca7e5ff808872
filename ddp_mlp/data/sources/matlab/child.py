"""A process of its own that reads a MATLAB file with SciPy: a damaged one ends SciPy in a segmentation fault.

``python -m ddp_mlp.data.sources.matlab.child FILE OUT.npz`` writes the arrays, or the reason as the last line on
standard error.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.data.sources.packed import unpacked_limit

#: Bytes of an element, as far as the list of a file's variables tells: complex double.
_ELEMENT_BYTES = 16


def main(path: Path, out: Path) -> int:
    """Read `path` and write its arrays to `out`; returns the exit code."""
    from scipy import io

    try:
        n_bytes = sum(math.prod(shape) * _ELEMENT_BYTES for _, shape, _ in io.whosmat(path))
        if n_bytes > unpacked_limit(path):
            sys.stderr.write(f"declares {n_bytes / 2**30:.3g} GiB; if you trust it, save it with -v7.3\n")
            return 1
        found = io.loadmat(path, chars_as_strings=True)
    except Exception as error:  # SciPy has no root of its errors
        reason = " ".join(str(error).split())[:200]
        sys.stderr.write(f"no MATLAB file that can be read ({reason}); save it anew\n")
        return 1
    named = {name: value for name, value in found.items() if not name.startswith("__")}
    arrays = [pair for name, value in named.items() for pair in _fields(name, value)]
    with out.open("wb") as file:
        # Under numbers, since an array may be called as an argument of `savez` is.
        numbered = {str(i): array for i, (_, array) in enumerate(arrays)}
        np.savez(file, allow_pickle=False, names=[name for name, _ in arrays], **numbered)
    return 0


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
    if array.dtype.hasobject:  # cells within cells: its name and shape are told, and it is no array of numbers
        array = np.zeros(array.shape, "V1")
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
