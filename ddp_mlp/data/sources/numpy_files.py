"""Arrays of NumPy: a table in ``.npy``, features and targets side by side in ``.npz``. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.sources.arrays import source_of_arrays
from ddp_mlp.data.sources.packed import unpacked_limit
from ddp_mlp.data.sources.source import BLOCK_ROWS
from ddp_mlp.data.sources.tables.table import Table, column_names
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.source import Source


def read_npy(path: Path) -> Table:
    """Open one array as a table: fields of a structured one, or columns of one of two dimensions.

    Raises
    ------
    DataError
        If it is neither, or damaged.
    """
    array = _load(path, mmap=True)
    if array.dtype.names:
        names, columns = array.dtype.names, [array[name] for name in array.dtype.names]
    elif array.ndim == 2 and array.shape[1] > 1:
        names = tuple(f"column {i + 1}" for i in range(array.shape[1]))
        columns = [array[:, i] for i in range(array.shape[1])]
    else:
        raise DataError(f"{path}: an array of shape {array.shape}; rows and two or more columns are needed")
    if any(column.ndim != 1 or column.dtype.kind not in "biufUSM" for column in columns):
        raise DataError(f"{path}: columns of type {array.dtype}; numbers, text and dates are known")
    found, _ = column_names(path, names, "the array")

    def blocks(positions: Sequence[int], _numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        import pyarrow as pa

        from ddp_mlp.data.sources.tables.formats.columnar import as_text

        for start in range(0, len(columns[0]), BLOCK_ROWS):
            parts = [np.ascontiguousarray(columns[i][start : start + BLOCK_ROWS]) for i in positions]
            yield [as_text(pa.array(_known_to_arrow(path, part))) for part in parts]

    notes = () if array.dtype.names else (f"columns have no names and are called 'column 1' to 'column {len(found)}'",)
    return Table(
        path, f"NumPy {path.name}", found, frozenset(), blocks, lambda rows: [f"row {r + 1}" for r in rows], notes
    )


def _known_to_arrow(path: Path, column: NDArray[Any]) -> NDArray[Any]:
    """Return a column as one of the dtypes that Arrow takes, which are fewer than those of NumPy."""
    native = column.astype(column.dtype.newbyteorder("="), copy=False)
    if native.dtype.kind == "S":
        try:
            return np.char.decode(native, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: text that is not UTF-8 ({error.reason}); write it as str, or as UTF-8") from error
    if native.dtype.kind == "M" and np.datetime_data(native.dtype)[0] in {"generic", "Y", "M", "W", "h", "m"}:
        return native.astype("datetime64[s]")
    return native.astype(np.float64) if native.dtype.kind == "f" and native.itemsize > 8 else native  # long double


def read_npz(path: Path, options: ImportOptions) -> Source:
    """Read features and targets that lie side by side under known names, or stated ones.

    Raises
    ------
    UsageError
        If the names are not there.
    DataError
        If shapes do not fit, or values are no numbers.
    """
    return source_of_arrays(path, "NumPy", _load_all(path), options)


def _load(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except Exception as error:  # a header is parsed as Python, and raises what that does
        raise DataError(f"{path}: no array that can be read ({' '.join(str(error).split())[:200]})") from error


def _load_all(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > unpacked_limit(path):
            raise DataError(f"{path}: unpacks to {n_bytes / 2**30:.3g} GiB; if you trust it, save the arrays as HDF5")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except DataError:
        raise
    except Exception as error:  # as above
        raise DataError(f"{path}: no arrays that can be read ({' '.join(str(error).split())[:200]})") from error
