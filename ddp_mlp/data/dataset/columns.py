"""Arrays, fields of compound arrays, and columns of them, read side by side as one matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.dataset.decoding import Decoding, as_exact
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.reading import Array

#: Rows kept beyond those that were asked for, so that long chunks are not unpacked for each block of rows.
BAND_BYTES = 128 * 2**20


@dataclass(frozen=True, eq=False)
class Column:
    """An array, one field of a compound array, or some of the columns of either.

    Attributes
    ----------
    array : Array
    field : str or None
        Name of the field where the array is compound.
    where : str
        ``FILE:/path`` for messages.
    part : tuple of int or None
        From where to where, of the columns that one sample has when it is flattened; None for all.
    decoding : Decoding or None
        How its numbers become quantities; None where they are such.
    is_reversed : bool
        Dimensions are in the order of Fortran: rows lie along the last.
    names : tuple of str or None
        Of its columns, where the file has them in a place of its own.
    class_names : tuple of str or None
        Of labels, likewise.
    writer : str
        The program that wrote the group which stands for this array, where it keeps dimensions reversed.
    """

    array: Array
    field: str | None
    where: str
    part: tuple[int, int] | None = None
    decoding: Decoding | None = None
    is_reversed: bool = False
    names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    writer: str = ""

    @property
    def name(self) -> str:
        """Name of the field or of the array, without its path."""
        return printable(self.field or self.array.name.rpartition("/")[2])

    @property
    def axis(self) -> int:
        """The dimension of the array along which rows lie."""
        return -1 if self.is_reversed else 0

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return self.array.shape[self.axis]

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        if self.part is not None:
            return (self.part[1] - self.part[0],)
        return self.whole_shape

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Shape of one sample, whatever part of it is taken."""
        rest = self.array.shape[:-1][::-1] if self.is_reversed else self.array.shape[1:]
        return rest + self.array.numbers(self.field).dims

    @property
    def width(self) -> int:
        """Number of columns of the matrix that this array fills."""
        return math.prod(self.item_shape)

    @property
    def reads_part(self) -> tuple[int, int] | None:
        """The part, where the array can be read without the rest of it."""
        return self.part if len(self.array.shape) == 2 and not self.array.numbers(self.field).dims else None

    def values(self, stored: NDArray[Any], dtype: np.dtype[Any], *, is_part: bool) -> NDArray[Any]:
        """Return the values read of the array as a matrix, shape (n, width)."""
        if self.is_reversed:
            stored = stored.transpose()
        stored = stored.reshape(len(stored), math.prod(stored.shape[1:]))
        if self.part is not None and not is_part:
            stored = stored[:, self.part[0] : self.part[1]]
        decoded = stored if self.decoding is None else self.decoding.decode(np.ascontiguousarray(stored), self.where)
        return as_exact(decoded, dtype, self.where)

    def taking(self, first: int, stop: int) -> Column:
        """Return the columns ``first <= i < stop`` of all that the array has."""
        begin = self.part[0] if self.part else 0
        names = None if self.names is None else self.names[first - begin : stop - begin]
        return replace(self, part=(first, stop), names=names)

    def without(self, taken: Iterable[Column]) -> list[Column]:
        """Return the columns left beside others of the same array and field."""
        same = [c for c in taken if (c.array.name, c.field) == (self.array.name, self.field)]
        if not same:
            return [self]
        width = math.prod(self.whole_shape)
        first, stop = self.part or (0, width)
        left: list[Column] = []
        for start, end in sorted(c.part or (0, width) for c in same):
            if first < min(start, stop):
                left.append(self.taking(first, min(start, stop)))
            first = max(first, end)
        return [*left, self.taking(first, stop)] if first < stop else left


@dataclass(frozen=True, eq=False)
class Matrix:
    """Columns of equal length, read as one matrix with one native dtype.

    Chunks that hold more rows than are asked for are unpacked once for `BAND_BYTES` of rows, which are kept until
    others are needed.

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
    _kept: dict[str, tuple[int, NDArray[Any]]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """``FILE:/path``, for messages."""
        more = len(self.columns) - 1
        return self.columns[0].where + (f" and {more} more" if more else "")

    @property
    def is_whole(self) -> bool:
        """Whether all columns are stored as integers or booleans that mean themselves."""
        kinds = {native_dtype(replace(column, decoding=None)).kind for column in self.columns}
        return kinds <= set("iub") and not self.is_scaled

    @property
    def is_scaled(self) -> bool:
        """Whether a column is a packed quantity."""
        return any(column.decoding is not None and column.decoding.is_scaled for column in self.columns)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows ``start <= row < stop``: shape (stop - start, width), C-contiguous."""
        step = max(column.array.chunk_rows(column.axis) for column in self.columns)
        if not step:
            return self._read(start, stop)
        out, at = np.empty((stop - start, self.width), self.dtype), start
        while at < stop:
            first, band = self._band(at, stop, step)
            end = min(stop, first + len(band))
            out[at - start : end - start] = band[at - first : end - first]
            at = end
        return out

    def _band(self, start: int, stop: int, step: int) -> tuple[int, NDArray[Any]]:
        """Return a first row and the rows from there on, `start` among them: whole chunks of `step` rows, or a part."""
        first, kept = self._kept.get("band", (0, np.empty((0, self.width), self.dtype)))
        if first <= start < first + len(kept):
            return first, kept
        self._kept.clear()  # before the next one takes memory
        most = max(1, BAND_BYTES // (self.width * self.dtype.itemsize))
        first = start - start % step if step <= most else start
        end = -(-stop // step) * step
        band = first, self._read(first, min(end, first + max(most, stop - first), self.n_rows))
        self._kept["band"] = band
        return band

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        out = np.empty((stop - start, self.width), self.dtype)
        places = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        of_array: dict[tuple[str, int], list[int]] = {}
        for index, column in enumerate(self.columns):
            of_array.setdefault((column.array.name, column.axis), []).append(index)
        for indices in of_array.values():
            columns = [self.columns[i] for i in indices]
            part = columns[0].reads_part if len(columns) == 1 else None
            names = list(dict.fromkeys(column.field for column in columns))
            read = columns[0].array.read_fields(start, stop, names, axis=columns[0].axis, part=part)
            for i, column in zip(indices, columns, strict=True):
                values = column.values(read[column.field], self.dtype, is_part=part is not None)
                out[:, places[i] : places[i + 1]] = values
        return out


def native_dtype(column: Column) -> np.dtype[Any]:
    """Return the native numeric dtype in which a column is read.

    Raises
    ------
    DataError
        If it holds anything but booleans, integers or float16, float32, float64.
    """
    if column.decoding is not None:
        return column.decoding.dtype
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
    lengths = {c.n_rows: c.where for c in columns}
    if len(lengths) > 1:
        found = ", ".join(f"{where} has {n}" for n, where in lengths.items())
        raise DataError(f"columns of different length: {found} rows; all must have one row per sample")
    return Matrix(columns, next(iter(lengths)), sum(c.width for c in columns), np.dtype(dtype))


def column_names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Name the columns of a matrix after their arrays or fields, ``name[3]`` where these are wide."""
    names: list[str] = []
    for column in columns:
        if column.names is not None:
            names += column.names
        elif column.part is None and column.width == 1:
            names.append(column.name)
        else:
            first = column.part[0] if column.part else 0
            names += [f"{column.name}[{first + i}]" for i in range(column.width)]
    return tuple(names)
