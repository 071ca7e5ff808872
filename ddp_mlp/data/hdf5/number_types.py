"""The types of HDF5 arrays that are read: plain numbers, short vectors of them, and records of these.

A type is looked at through its identifier, level by level. To ask h5py for its NumPy dtype instead would build all of
it, and a file can nest thousands of types in one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN_FIELDS = 20


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers as they are stored.

    Attributes
    ----------
    dtype : numpy.dtype
        Of one number, in the byte order of the file.
    dims : tuple of int
        Shape of one element where each is a small array, else empty.
    type_id : h5py.h5t.TypeID
        The type in the file.
    is_bool : bool
        Whether they stand for truth values: an enumeration of FALSE and TRUE.
    """

    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    type_id: Any
    is_bool: bool = False


@cache
def _plain_types() -> tuple[tuple[Any, np.dtype[Any]], ...]:
    """Return the types that NumPy knows bit for bit."""
    h5t = load_h5py().h5t
    codes = [
        f"{order}{kind}"
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
        for order in "<>"
    ]
    numbers = [(h5t.py_create(np.dtype(code)), np.dtype(code)) for code in codes]
    bits = [
        (getattr(h5t, f"STD_B{8 * n}{end}E"), np.dtype(f"{o}u{n}")) for n in (1, 2, 4, 8) for end, o in ("L<", "B>")
    ]
    return (*numbers, *bits)


def numbers_of(type_id: Any) -> Numbers | None:
    """Return how numbers of this type are stored, None for all that is no number NumPy can hold exactly."""
    h5t = load_h5py().h5t
    dims: tuple[int, ...] = ()
    base = type_id
    if base.get_class() == h5t.ARRAY:
        dims, base = tuple(base.get_array_dims()), base.get_super()
    is_bool = False
    if base.get_class() == h5t.ENUM:
        is_bool, base = _is_bool(base), base.get_super()
    if base.get_class() not in {h5t.INTEGER, h5t.FLOAT, h5t.BITFIELD}:
        return None
    dtype = next((dtype for known, dtype in _plain_types() if base.equal(known)), None)
    return None if dtype is None else Numbers(dtype, dims, type_id, is_bool)


def _is_bool(enum_id: Any) -> bool:
    return enum_id.get_nmembers() == 2 and {enum_id.get_member_name(i) for i in range(2)} == {b"FALSE", b"TRUE"}


def fields_of(type_id: Any) -> Mapping[str, Any] | None:
    """Return the types of the fields of a record by their names, None for what is no record."""
    h5t = load_h5py().h5t
    if type_id.get_class() != h5t.COMPOUND:
        return None
    members = range(type_id.get_nmembers())
    fields = {_text(type_id.get_member_name(i)): type_id.get_member_type(i) for i in members}
    # h5py writes complex numbers as such a record.
    return None if list(fields) == ["r", "i"] else fields


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def type_text(type_id: Any, *, is_field: bool = False) -> str:
    """Name a type for a list or a message; fields of fields are not looked into."""
    h5t = load_h5py().h5t
    if numbers := numbers_of(type_id):
        name = "bool" if numbers.is_bool else str(numbers.dtype)
        return f"{name} {numbers.dims}" if numbers.dims else name
    fields = fields_of(type_id)
    if fields and not is_field:
        shown = [f"{printable(f)} {type_text(kind, is_field=True)}" for f, kind in list(fields.items())[:_SHOWN_FIELDS]]
        more = f" and {len(fields) - _SHOWN_FIELDS} more" if len(fields) > _SHOWN_FIELDS else ""
        return f"fields {', '.join(shown)}{more}"
    record = "fields" if fields else f"complex{8 * type_id.get_size()}"
    names = {
        h5t.STRING: "strings", h5t.OPAQUE: "opaque", h5t.REFERENCE: "references", h5t.VLEN: "lists",
        h5t.ARRAY: "arrays", h5t.TIME: "times", h5t.COMPOUND: record,
    }  # fmt: skip
    return names.get(type_id.get_class(), f"numbers of {type_id.get_size()} bytes in a form of their own")
