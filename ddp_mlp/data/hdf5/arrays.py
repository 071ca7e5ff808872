"""Arrays of a file, described without being read, and accepted for reading after every check."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.chunks import check_chunk_shape, check_filters, check_index
from ddp_mlp.data.hdf5.guard import OpenFile, load_h5py
from ddp_mlp.data.hdf5.number_types import Numbers, fields_of, numbers_of, type_text
from ddp_mlp.data.hdf5.reading import Array
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

BOMB_FLOOR_BYTES = 64 * 2**20
#: gzip packs no more than 1032 bytes into one.
BOMB_RATIO = 1100

# What stands in the place of a text of variable length: its length, and where it is.
_REFERENCE_BYTES = 16


@dataclass(frozen=True, eq=False)
class Found:
    """An array as its header describes it; nothing of it has been read.

    Attributes
    ----------
    file : OpenFile
    name : str
        Absolute path in the file.
    storage : str
        "array", "virtual array" or "array in external storage".
    type_name : str
        Type of the elements, in words.
    shape : tuple of int or None
        None for a virtual array, and for one without a shape.
    chunks : tuple of int or None
    filters : tuple of int
        HDF5 filter numbers, in the order in which they were applied.
    element_bytes : int
        Size of an element in the file.
    """

    file: OpenFile
    name: str
    storage: str
    type_name: str
    shape: tuple[int, ...] | None
    chunks: tuple[int, ...] | None
    filters: tuple[int, ...]
    element_bytes: int
    _id: Any

    @property
    def where(self) -> str:
        """``FILE:/path`` for messages."""
        return f"{self.file.path}:{printable(self.name)}"

    @property
    def declared_bytes(self) -> int:
        """Bytes that the shape asks for."""
        return math.prod(self.shape) * self.element_bytes if self.shape is not None else 0

    @property
    def stored_bytes(self) -> int:
        """Bytes that lie in the file, 0 for what is not allowed to be read."""
        if self.storage != "array":
            return 0
        with self.file.asking(self.where):
            return int(self._id.get_storage_size())

    def accept(self) -> Array:
        """Return the array to read from, after all that can be checked without reading values.

        Raises
        ------
        DataError
            For virtual data sets, external storage, foreign filters, oversized chunks, arrays without a shape or of
            anything but numbers, and those whose values are not in the file.
        """
        self._require_plain()
        with self.file.asking(self.where):
            type_id = self._id.get_type()
            kinds = fields_of(type_id)
            columns: dict[str | None, Numbers | None] = {None: numbers_of(type_id)} if kinds is None else {}
            columns |= {name: numbers_of(kind) for name, kind in (kinds or {}).items()}
            place = self._id.get_offset() if self.chunks is None else None
            array = Array(self, self.shape or (), columns, place)
            if kinds is None:
                array.numbers(None)
            self._require_written()
        return array

    def fill_value(self) -> float | int | None:
        """Return the number that the writer has chosen for values which are never written; None for the default."""
        h5py = load_h5py()
        with self.file.asking(self.where):
            numbers = numbers_of(self._id.get_type())
            plist = self._id.get_create_plist()
            if numbers is None or numbers.dims or plist.fill_value_defined() != h5py.h5d.FILL_VALUE_USER_DEFINED:
                return None
            value = np.zeros((), numbers.dtype)
            plist.get_fill_value(value)
        plain: float | int = value.item()
        return plain

    def text(self) -> str:
        """Return the text that this is, if it is a single one.

        Raises
        ------
        DataError
            For anything but one text that is in this file.
        """
        self._require_own_storage()
        if self.shape != () or self.chunks or self.type_name != "strings":
            raise DataError(
                f"{self.where}: {self.type_name} of shape {self.shape}, where a single text is needed; the file is not"
                " what this program writes"
            )
        with self.file.asking(self.where):
            self._require_written()
            return str(load_h5py().Dataset(self._id).asstr()[()])

    def require_readable(self) -> None:
        """Check all that `accept` does, but for the type of the elements.

        Raises
        ------
        DataError
            As `accept`.
        """
        self._require_plain()
        with self.file.asking(self.where):
            self._require_written()

    def _require_plain(self) -> None:
        self._require_own_storage()
        check_filters(self.filters, self.where)
        if self.chunks:
            check_chunk_shape(self)
        check_sizes([self])

    def _require_own_storage(self) -> None:
        if self.storage == "virtual array":
            raise DataError(f"{self.where}: virtual data sets are not allowed; copy the values into the file")
        if self.storage != "array":
            raise DataError(f"{self.where}: external storage is not allowed; copy the values into the file")
        if self.shape is None:
            raise DataError(f"{self.where}: an array without a shape (null dataspace); write it with its values")

    def _require_written(self) -> None:
        declared = self.declared_bytes
        if self.chunks:
            check_index(self, self._id)
        elif (stored := int(self._id.get_storage_size())) != declared:
            raise DataError(
                f"{self.where}: values were never written ({stored} of {declared} bytes are in the file, HDF5 would"
                " give its fill value); write all rows"
            )


def describe(file: OpenFile, name: str, dataset_id: Any) -> Found:
    """Return the facts in the header of an array; the caller asks the file.

    The layout comes first: merely asking a virtual data set for its shape may open its sources.
    """
    h5py = load_h5py()
    plist = dataset_id.get_create_plist()
    storage, shape, chunks = "array", None, None
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        storage = "virtual array"
    elif plist.get_external_count() > 0:
        storage = "array in external storage"
    else:
        space = dataset_id.get_space()
        shape = None if space.get_simple_extent_type() == h5py.h5s.NULL else tuple(space.shape)
        chunks = tuple(plist.get_chunk()) if plist.get_layout() == h5py.h5d.CHUNKED else None
    filters = tuple(plist.get_filter(index)[0] for index in range(plist.get_nfilters()))
    type_id = dataset_id.get_type()
    is_variable = type_id.get_class() == h5py.h5t.STRING and type_id.is_variable_str()
    n_bytes = _REFERENCE_BYTES if is_variable else type_id.get_size()
    return Found(file, name, storage, type_text(type_id), shape, chunks, filters, n_bytes, dataset_id)


def check_sizes(arrays: Iterable[Found]) -> None:
    """Refuse arrays of one file that together declare more bytes than any filter can have packed into it.

    Raises
    ------
    DataError
        If more than 64 MiB and more than 1100 times the file are declared.
    """
    found = list(arrays)
    declared = sum(array.declared_bytes for array in found)
    size = found[0].file.watched.size if found else 0
    if declared > BOMB_FLOOR_BYTES and declared > BOMB_RATIO * size:
        names = ", ".join(printable(array.name) for array in found[:3])
        raise DataError(
            f"{found[0].file.path}:{names}: {declared / 2**30:.3g} GiB declared in a file of {size / 2**20:.3g} MiB;"
            f" at most {BOMB_RATIO} times the file is allowed, write the values that are missing"
        )
