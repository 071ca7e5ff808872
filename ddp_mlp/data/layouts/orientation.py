"""Arrays of programs that keep dimensions in the order of Fortran: HDF5 files have them reversed.

MATLAB (v7.3), R (rhdf5) and Octave mark the arrays that they write. There rows are along the last dimension, unless
the length of the others tells that they are along the first. Julia and Fortran leave no mark, so their arrays are
refused where that is seen by the lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ddp_mlp.data.hdf5.attributes import attributes_among
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddp_mlp.data.layouts.columns import Column

#: Attributes that only such programs write, and their names.
_MARKS = {"MATLAB_class": "MATLAB", "rhdf5-NA.OK": "R"}


@dataclass(frozen=True)
class Turned:
    """Columns with rows along the dimension that was meant, and what was done, for the user."""

    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def writer_of(column: Column) -> str:
    """Return the program that wrote an array in the order of Fortran, empty where none is known."""
    marks = attributes_among(column.array.found, list(_MARKS))
    return _MARKS[marks[0]] if marks else column.writer


def turned(columns: Sequence[Column], n_features: int | None = None) -> Turned:
    """Return the columns of one split with their rows along the dimension that was meant.

    Parameters
    ----------
    columns : sequence of Column
        Features first; then targets and weights.
    n_features : int, optional
        Columns that the features have, where a model knows it.

    Raises
    ------
    DataError
        If rows could be along either dimension.
    """
    marked = {i: writer for i, c in enumerate(columns) if len(c.array.shape) > 1 and (writer := writer_of(c))}
    if not marked:
        return Turned(tuple(columns))
    lengths = [{c.array.shape[0], c.array.shape[-1]} if i in marked else {c.n_rows} for i, c in enumerate(columns)]
    common = set.intersection(*lengths)
    common = common - {1} or common
    out, notes = list(columns), []
    for i, writer in marked.items():
        column = columns[i]
        shape, first, last = column.array.shape, column.array.shape[0], column.array.shape[-1]
        if i == 0 and n_features in shape and len(shape) == 2 and first != last:
            is_last = first == n_features and last in common
        elif len(common) == 1:
            (n,) = common
            if first == last == n:
                raise _ambiguous(column, writer)
            is_last = last == n
        elif not common:  # as will be said
            continue
        else:
            raise _ambiguous(column, writer)
        if is_last:
            out[i] = replace(column, is_reversed=True)
            words = "1 number each" if out[i].width == 1 else f"{out[i].width} numbers each"
            notes.append(
                f"{column.where}: dimensions {shape} are reversed, as {writer} writes them: {last} rows of {words}"
            )
    return Turned(tuple(out), tuple(dict.fromkeys(notes)))


def _ambiguous(column: Column, writer: str) -> DataError:
    return DataError(
        f"{column.where}: shape {column.array.shape} as {writer} writes it, reversed: rows could be along either"
        " dimension; store it as (samples, features) from Python, or a number of rows that is not that of its columns"
    )
