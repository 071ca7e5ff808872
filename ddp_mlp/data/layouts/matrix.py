"""Columns of a file read side by side as one matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.layouts.columns import Column, native_dtype
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Rows kept beyond those that were asked for, so that long chunks are not unpacked for each block of rows.
BAND_BYTES = 128 * 2**20


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

    @property
    def chunk_rows(self) -> int:
        """Rows that must be unpacked together, 0 where each can be read by itself."""
        return max(column.array.chunk_rows(column.axis) for column in self.columns)

    def will_read(self, start: int, stop: int) -> None:
        """Let rows ``start <= row < stop`` be fetched while other work goes on; a hint, no more."""
        arrays = {(column.array.name, column.axis): column.array for column in self.columns}
        for (_, axis), array in arrays.items():
            array.will_read(start, stop, axis)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows ``start <= row < stop``: shape (stop - start, width), C-contiguous."""
        step = self.chunk_rows
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
        if len(self.columns) == 1:
            return np.ascontiguousarray(self._values(self.columns, start, stop)[0])
        out = np.empty((stop - start, self.width), self.dtype)
        places = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        of_array: dict[tuple[str, int], list[int]] = {}
        for index, column in enumerate(self.columns):
            of_array.setdefault((column.array.name, column.axis), []).append(index)
        for indices in of_array.values():
            for i, values in zip(indices, self._values([self.columns[i] for i in indices], start, stop), strict=True):
                out[:, places[i] : places[i + 1]] = values
        return out

    def _values(self, columns: Sequence[Column], start: int, stop: int) -> list[NDArray[Any]]:
        """Return rows of columns of one array, which is read once for all of them."""
        part = columns[0].reads_part if len(columns) == 1 else None
        names = list(dict.fromkeys(column.field for column in columns))
        read = columns[0].array.read_fields(start, stop, names, axis=columns[0].axis, part=part)
        return [column.values(read[column.field], self.dtype, is_part=part is not None) for column in columns]


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
