"""Arrays, fields of compound arrays, and columns of them, one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.layouts.decoding import Decoding, as_exact
from ddp_mlp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.reading import Array


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
