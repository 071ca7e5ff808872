"""Arrays and fields of compound arrays, read side by side as one matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.arrays import Array

_EXACT_LIMIT = 2**53


@dataclass(frozen=True, eq=False)
class Column:
    """One array, or one field of a compound array, of a file.

    Attributes
    ----------
    array : Array
    field : str or None
        Name of the field where the array is compound.
    where : str
        ``FILE:/path`` for messages.
    """

    array: Array
    field: str | None
    where: str

    @property
    def name(self) -> str:
        """Name of the field or of the array, without its path."""
        return printable(self.field or self.array.name.rpartition("/")[2])

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.array.shape[1:] + self.array.numbers(self.field).dims

    @property
    def width(self) -> int:
        """Number of columns of the matrix that this array fills."""
        return math.prod(self.item_shape)


@dataclass(frozen=True, eq=False)
class Matrix:
    """Columns of equal length, read as one matrix with one native dtype.

    Attributes
    ----------
    columns : tuple of Column
        At least one.
    n_rows, width : int
        Shape of the matrix.
    dtype : numpy.dtype
        The common dtype, native byte order.
    """

    columns: tuple[Column, ...]
    n_rows: int
    width: int
    dtype: np.dtype[Any]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows ``start <= row < stop``: shape (stop - start, width), C-contiguous."""
        if len(self.columns) == 1:
            return _read_column(self.columns[0], start, stop, self.dtype)
        out = np.empty((stop - start, self.width), self.dtype)
        first = 0
        for column in self.columns:
            out[:, first : first + column.width] = _read_column(column, start, stop, self.dtype)
            first += column.width
        return out


def _read_column(column: Column, start: int, stop: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = column.array.read(start, stop, column.field).reshape(stop - start, column.width)
    return np.ascontiguousarray(as_exact(values, dtype, column.where))


def as_exact(values: NDArray[Any], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Convert `values` to `dtype`, which must represent each of them.

    Raises
    ------
    DataError
        For 64-bit integers beyond 2**53 that would become floats.
    """
    if dtype.kind == "f" and values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        largest = max(int(values.max()), -int(values.min()))
        if largest > _EXACT_LIMIT:
            raise DataError(
                f"{where}: the integer {largest} has no exact float64, at most 2**53 is allowed;"
                " subtract an offset or drop the column"
            )
    return values.astype(dtype, copy=False)


def native_dtype(column: Column) -> np.dtype[Any]:
    """Return the native numeric dtype in which a column is read.

    Raises
    ------
    DataError
        If it holds anything but booleans, integers or float16, float32, float64.
    """
    numbers = column.array.numbers(column.field)
    return np.dtype("?") if numbers.is_bool else numbers.dtype.newbyteorder("=")


def matrix_of(columns: tuple[Column, ...]) -> Matrix:
    """Put columns of equal length side by side.

    Raises
    ------
    DataError
        For other than numbers, arrays without rows, scalars, and unequal lengths.
    """
    dtype = np.result_type(*(native_dtype(c) for c in columns))
    for column in columns:
        if not column.array.shape:
            raise DataError(f"{column.where}: a single value; an array with one row per sample is needed")
        if column.width == 0:
            raise DataError(f"{column.where}: shape {column.array.shape} has no columns; write at least one")
    lengths = {c.array.shape[0]: c.where for c in columns}
    if len(lengths) > 1:
        found = ", ".join(f"{where} has {n}" for n, where in lengths.items())
        raise DataError(f"columns of different length: {found} rows; all must have one row per sample")
    return Matrix(columns, next(iter(lengths)), sum(c.width for c in columns), np.dtype(dtype))


def column_names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Name the columns of a matrix after their arrays or fields, ``name[3]`` where these are wide."""
    names: list[str] = []
    for column in columns:
        names += [column.name] if column.width == 1 else [f"{column.name}[{i}]" for i in range(column.width)]
    return tuple(names)
