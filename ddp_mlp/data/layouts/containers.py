"""Groups that stand for one array or table: of pandas, AnnData, SciPy and Octave.

pandas (``to_hdf``): ``fixed`` frames keep their columns in blocks by dtype, ``block0_values`` with the names in
``block0_items``, in the order of ``axis0``; ``table`` frames are one compound array. AnnData keeps labels as
``codes`` of ``categories``. Sparse matrices (``data``, ``indices``, ``indptr``) are not read; the message says what
they are.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.hdf5.arrays import Found
from ddp_mlp.data.hdf5.attributes import MAX_NAMES, read_text
from ddp_mlp.data.hdf5.nodes import Group
from ddp_mlp.data.hdf5.texts import read_texts
from ddp_mlp.data.layouts.columns import Column
from ddp_mlp.data.layouts.conventions import decoding_of
from ddp_mlp.data.layouts.decoding import Decoding
from ddp_mlp.data.rows import MAX_CLASSES
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddp_mlp.data.hdf5.reading import Array

_MOST_BLOCKS = 1000
_SHOWN = 8
#: Kinds of columns of pandas whose stored numbers are none, as the attribute NAME_dtype has them.
_NO_QUANTITIES = ("datetime64", "timedelta64", "bytes", "object", "str")
_SPARSE = ("data", "indices", "indptr")
_MATLAB_SPARSE = ("data", "ir", "jc")


@dataclass(frozen=True)
class Opener:
    """Makes columns of what is at a place of the file.

    Attributes
    ----------
    own : bool
        For files of this program, whose numbers mean themselves.
    notes : list of str
        What was left aside.
    """

    own: bool = False
    notes: list[str] = field(default_factory=list)
    _accepted: dict[str, Array] = field(default_factory=dict)

    def columns(self, node: Group | Found, parent: Group | None = None) -> list[Column]:
        """Return the columns of an array, one for each field of a compound one, or of a group that stands for one.

        Parameters
        ----------
        parent : Group, optional
            In which the array lies, where that may tell the names of its columns.

        Raises
        ------
        DataError
            For a group that is no array or table, and for what `Found.accept` refuses.
        """
        if isinstance(node, Found):
            return self._of_array(node, parent)
        return _reader_of(node)(self, node)

    def _of_array(self, found: Found, parent: Group | None) -> list[Column]:
        # Each array is checked once, however many of its fields are named.
        array = self._accepted.get(found.name) or found.accept()
        self._accepted[found.name] = array
        columns = [self._column(array, name) for name in array.fields or (None,)]
        if parent is not None and len(columns) == 1 and _text(parent, "encoding-type") == "anndata":
            columns = [replace(columns[0], names=_variable_names(parent, columns[0].width))]
        return columns

    def _column(self, array: Array, name: str | None) -> Column:
        where = array.found.where + (f":{printable(name)}" if name else "")
        plain = Column(array, name, where)
        try:
            numbers = array.numbers(name)
        except DataError:  # of no numbers, as will be said where the field is asked for
            return plain
        if self.own or numbers.is_bool:
            return plain
        return replace(plain, decoding=decoding_of(array.found, numbers.dtype, name, where))


def is_container(group: Group) -> bool:
    """Tell whether a group stands for an array or table, also for one that cannot be read."""
    return _reader_of(group) is not _refuse_group


def _reader_of(group: Group) -> Callable[[Opener, Group], list[Column]]:
    kind = _text(group, "pandas_type") or _text(group, "encoding-type")
    readers: dict[str, Callable[[Opener, Group], list[Column]]] = {
        "frame": _pandas_frame, "series": _pandas_series, "frame_table": _pandas_table, "series_table": _pandas_table,
        "categorical": _categorical,
    }  # fmt: skip
    if kind in readers:
        return readers[kind]
    if any(all(group.link_kind(name) for name in names) for names in (_SPARSE, _MATLAB_SPARSE)):
        return _refuse_sparse
    if kind.startswith("nullable-"):
        return _refuse_nullable
    if group.link_kind("value") and group.link_kind("type"):
        return _octave
    return _refuse_group


def _text(group: Group, name: str) -> str:
    with suppress(DataError):
        return (read_text(group, name) or "").rstrip("\0")
    return ""


def _child(group: Group, name: str) -> Found:
    node = group.follow(name, soft=True)
    if not isinstance(node, Found):
        raise DataError(f"{group.where}: no array {name} in it, as its kind should have; write it anew")
    return node


def _pandas_frame(opener: Opener, group: Group) -> list[Column]:
    """Return one column for each of a fixed frame's that holds numbers, in the order of the frame."""
    order = {name: i for i, name in enumerate(read_texts(_child(group, "axis0"), MAX_NAMES))}
    found: list[tuple[int, Column]] = []
    aside: list[str] = []
    for index in range(_MOST_BLOCKS):
        if group.link_kind(f"block{index}_values") is None:
            break
        names = read_texts(_child(group, f"block{index}_items"), MAX_NAMES)
        values = _child(group, f"block{index}_values")
        if _text_of(values, "value_type") or values.type_name == "lists":  # dates as numbers, objects as pickles
            aside += names
            continue
        (column,) = opener.columns(values)
        if column.width != len(names) or not set(names) <= order.keys():
            raise DataError(f"{values.where}: {column.width} columns for {len(names)} names; write the frame anew")
        found += [(order[name], replace(column.taking(i, i + 1), names=(name,))) for i, name in enumerate(names)]
    if aside:
        opener.notes.append(f"{group.where}: not numbers, and left aside: {', '.join(aside[:_SHOWN])}")
    return [column for _, column in sorted(found, key=lambda pair: pair[0])]


def _text_of(found: Found, name: str) -> str:
    with suppress(DataError):
        return read_text(found, name) or ""
    return ""


def _pandas_series(opener: Opener, group: Group) -> list[Column]:
    return opener.columns(_child(group, "values"))


def _pandas_table(opener: Opener, group: Group) -> list[Column]:
    """Return the fields of a frame in table format that hold numbers, but its index.

    Names of blocks are kept as pickles, and not read. Dates are kept as numbers of nanoseconds and categories as codes,
    neither of which is a quantity; attributes of the array tell them.
    """
    table = _child(group, "table")
    columns = [column for column in opener.columns(table) if column.field != "index"]
    aside = [column for column in columns if column.field and _is_no_quantity(table, column.field)]
    if aside:
        names = ", ".join(printable(column.field or "") for column in aside[:_SHOWN])
        opener.notes.append(f"{group.where}: not numbers, and left aside: {names}")
    return [column for column in columns if column not in aside]


def _is_no_quantity(table: Found, name: str) -> bool:
    kind = _text_of(table, f"{name}_dtype")
    return _text_of(table, f"{name}_meta") == "category" or kind.startswith(_NO_QUANTITIES)


def _categorical(opener: Opener, group: Group) -> list[Column]:
    """Return the codes of a categorical of AnnData, of which -1 is missing, with its categories as names of classes."""
    (column,) = opener.columns(_child(group, "codes"))
    names = read_texts(_child(group, "categories"), MAX_CLASSES)
    stored = column.array.numbers(None).dtype.newbyteorder("=")
    missing = Decoding(stored, np.array([-1], stored), names=("codes",)) if stored.kind == "i" else None
    return [replace(column, decoding=missing, class_names=names, where=group.where)]


def _octave(opener: Opener, group: Group) -> list[Column]:
    """Return the value of a variable that Octave saved."""
    return [replace(column, writer="Octave", where=group.where) for column in opener.columns(_child(group, "value"))]


def _variable_names(root: Group, width: int) -> tuple[str, ...] | None:
    """Return the names of AnnData's variables, where there is one for each column."""
    variables = root.follow("var", soft=True)
    if isinstance(variables, Group):
        with suppress(DataError):
            names = read_texts(_child(variables, _text(variables, "_index") or "_index"), MAX_NAMES)
            return names if len(names) == width else None
    return None


def _refuse_sparse(_: Opener, group: Group) -> list[Column]:
    kind = _text(group, "encoding-type") or _text(group, "h5sparse_format") or "matrix of data, indices and pointers"
    raise DataError(
        f"{group.where}: a group that holds a sparse {kind}, which is not read; store it as one array, as by"
        " X.toarray()"
    )


def _refuse_nullable(_: Opener, group: Group) -> list[Column]:
    raise DataError(
        f"{group.where}: a group that holds nullable numbers; name {printable(group.name)}/values where its mask is"
        " never true, or store floats with NaN"
    )


def _refuse_group(_: Opener, group: Group) -> list[Column]:
    names = group.names(_SHOWN + 1)
    inside = ", ".join(printable(f"{group.name.rstrip('/')}/{name}") for name in names[:_SHOWN])
    more = " and more" if len(names) > _SHOWN else ""
    raise DataError(
        f"{group.where}: a group, not an array; name an array in it, which holds {inside or 'nothing'}{more}"
    )
