"""Attributes of groups and arrays as plain values, or an error that says what is allowed there.

What an attribute is gets looked up before it is read: numbers, or texts of a length that a person could mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.guard import load_h5py
from ddp_mlp.data.hdf5.number_types import fields_of, numbers_of, type_text
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.arrays import Found
    from ddp_mlp.data.hdf5.nodes import Group

    Node = Group | Found

#: The name of a class or column, or a word on task and source.
MAX_TEXT_BYTES = 4096
MAX_NAMES = 1_000_000
_MAX_IMAGE_DIMS = 8
_SHOWN = 40


def attributes_among(node: Node, names: Sequence[str]) -> list[str]:
    """Return those of some names that are attributes, asking the file once."""
    h5py = load_h5py()
    with node.file.asking(node.where):
        if not h5py.h5a.get_num_attrs(node._id):
            return []
        return [name for name in names if h5py.h5a.exists(node._id, name.encode())]


def read_attribute(node: Node, name: str, field: str | None = None) -> NDArray[Any] | None:
    """Return the values of an attribute, None where there is none of that name.

    Parameters
    ----------
    field : str, optional
        Of an attribute that is a record, this field of it.

    Returns
    -------
    ndarray of numbers, or of bytes
        As stored, of shape () for a single value; texts as `bytes` objects.

    Raises
    ------
    DataError
        If it holds neither numbers nor texts, or more than its file can.
    """
    h5py = load_h5py()
    where = _where(node, name)
    with node.file.asking(where):
        if not h5py.h5a.exists(node._id, name.encode()):
            return None
        attribute = h5py.h5a.open(node._id, name.encode())
        space, kind = attribute.get_space(), attribute.get_type()
        of_field = (fields_of(kind) or {}).get(field) if field is not None else None
        dtype = _dtype_of(of_field or kind)
        if dtype is None or space.get_simple_extent_type() == h5py.h5s.NULL:
            raise DataError(f"{where} is {type_text(kind)}; allowed are numbers and texts, correct or delete it")
        if space.get_simple_extent_npoints() * kind.get_size() > node.file.watched.size:
            raise DataError(f"{where} has more values than the file can hold; correct or delete it")
        memory = text_type(kind, dtype) if dtype.kind == "S" else h5py.h5t.py_create(dtype)
        if of_field is not None and field is not None:
            memory = h5py.h5t.create(h5py.h5t.COMPOUND, dtype.itemsize)
            memory.insert(field.encode("utf-8", "surrogateescape"), 0, h5py.h5t.py_create(dtype))
        values = np.zeros(space.shape, dtype)
        attribute.read(values, mtype=memory)
    return values.astype(object) if dtype.kind == "S" else values


def text_type(kind: Any, dtype: np.dtype[Any]) -> Any:
    """Return the type to read texts into: in the characters of the file, between which libhdf5 does not convert."""
    memory = load_h5py().h5t.py_create(dtype)
    if dtype.kind != "S":  # of variable length, which h5py converts itself
        return memory
    memory = memory.copy()
    memory.set_cset(kind.get_cset())
    return memory


def _dtype_of(kind: Any) -> np.dtype[Any] | None:
    h5py = load_h5py()
    if kind.get_class() == h5py.h5t.STRING:
        return np.dtype(h5py.string_dtype() if kind.is_variable_str() else f"S{kind.get_size()}")
    numbers = numbers_of(kind)
    return None if numbers is None or numbers.dims else numbers.dtype


def _where(node: Node, name: str) -> str:
    return f"{node.where}: attribute {name}"


def read_single(node: Node, name: str) -> Any | None:
    """Return an attribute that is one number or one `bytes`, also in an array of one, as some programs write it.

    Raises
    ------
    DataError
        If there are more.
    """
    values = read_attribute(node, name)
    if values is None:
        return None
    if values.size != 1:
        raise DataError(f"{_where(node, name)} has {values.size} values where one is needed; correct or delete it")
    return values.reshape(()).item()


def read_text(node: Node, name: str, most_bytes: int = MAX_TEXT_BYTES) -> str | None:
    """Return an attribute that is a text.

    Raises
    ------
    DataError
        If it is none, or longer than `most_bytes`.
    """
    value = read_single(node, name)
    if value is None:
        return None
    return _decoded(value, f"{_where(node, name)}", most_bytes)


def _decoded(value: object, where: str, most_bytes: int) -> str:
    if not isinstance(value, bytes):
        raise DataError(f"{where} = {printable(str(value))[:_SHOWN]}; allowed is a text, correct or delete it")
    if len(value) > most_bytes:
        raise DataError(f"{where} is a text of {len(value)} bytes; at most {most_bytes} are allowed, shorten it")
    return value.decode("utf-8", "replace")


def read_int(node: Node, name: str, low: int, high: int) -> int | None:
    """Return an attribute that is a whole number from `low` to `high`.

    Raises
    ------
    DataError
        If it is another number, or none.
    """
    value = read_single(node, name)
    if value is None or (isinstance(value, int) and low <= value <= high):
        return value
    found = printable(str(value)[:_SHOWN])
    raise DataError(
        f"{_where(node, name)} = {found}; allowed is a whole number from {low} to {high}, correct or delete it"
    )


def read_image_shape(node: Node, name: str, n_features: int) -> tuple[int, ...] | None:
    """Return an attribute that is a shape of `n_features` values in all.

    Raises
    ------
    DataError
        If it is none.
    """
    values = read_attribute(node, name)
    if values is None:
        return None
    shape = tuple(values.ravel()[:_MAX_IMAGE_DIMS].tolist())
    product = 1
    for n in shape:
        product *= n if isinstance(n, int) and n > 0 else 0
    if values.ndim != 1 or values.size > _MAX_IMAGE_DIMS or product != n_features:
        raise DataError(
            f"{_where(node, name)} = {printable(str(shape))[:_SHOWN]}; allowed are up to {_MAX_IMAGE_DIMS} positive"
            f" whole numbers with product {n_features}, correct or delete it"
        )
    return shape


def read_names(node: Node, name: str, most: int, length: int | None = None) -> tuple[str, ...] | None:
    """Return an attribute that is a vector of texts, control characters escaped.

    Parameters
    ----------
    most : int
        How many there may be at most.
    length : int, optional
        How many there must be.

    Raises
    ------
    DataError
        If it is anything else, or a text is longer than 4096 bytes.
    """
    values = read_attribute(node, name)
    if values is None:
        return None
    if values.ndim != 1 or not 0 < len(values) <= most or length not in {None, len(values)}:
        needed = f"1 to {most}" if length is None else str(length)
        raise DataError(
            f"{_where(node, name)} has the shape {values.shape}; allowed is a vector of {needed} texts, correct or"
            " delete it"
        )
    where = f"{_where(node, name)}: a text of it"
    return tuple(printable(_decoded(value, where, MAX_TEXT_BYTES)) for value in values.tolist())
