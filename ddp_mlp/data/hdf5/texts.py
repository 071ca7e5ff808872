"""Vectors of texts: names of columns and of categories that lie in an array of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.attributes import MAX_TEXT_BYTES, text_type
from ddp_mlp.data.hdf5.chunks import check_chunk, corners
from ddp_mlp.data.hdf5.guard import CHUNK_CACHE_BYTES, load_h5py
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from ddp_mlp.data.hdf5.arrays import Found


def read_texts(found: Found, most: int) -> tuple[str, ...]:
    """Return the texts of a vector, control characters escaped; numbers as they are written.

    Raises
    ------
    DataError
        If it is no vector of texts or numbers, has more than `most`, or one is longer than 4096 bytes.
    """
    if found.shape is None or len(found.shape) != 1 or not 0 < found.shape[0] <= most:
        raise DataError(f"{found.where}: shape {found.shape}; a vector of 1 to {most} names is needed")
    if found.type_name != "strings":
        array = found.accept()
        return tuple(str(value) for value in array.read(0, array.shape[0]).tolist())
    found.require_readable()
    values = _texts(found)
    if any(len(value) > MAX_TEXT_BYTES for value in values):
        raise DataError(f"{found.where}: a text of more than {MAX_TEXT_BYTES} bytes; shorten it")
    return tuple(printable(value.decode("utf-8", "replace").rstrip("\0")) for value in values)


def _texts(found: Found) -> list[bytes]:
    h5py = load_h5py()
    shape = found.shape or ()
    with found.file.asking(found.where, CHUNK_CACHE_BYTES):
        if found.chunks and found.filters:
            n_bytes = int(np.prod(found.chunks)) * found.element_bytes
            for corner in corners(found.chunks, (0,) * len(shape), shape):
                mask, raw = found._id.read_direct_chunk(corner)
                check_chunk(raw, mask, found.filters, n_bytes, found.where)
        kind = found._id.get_type()
        dtype: np.dtype[Any] = np.dtype(h5py.string_dtype() if kind.is_variable_str() else f"S{kind.get_size()}")
        values = np.zeros(shape, dtype)
        found._id.read(h5py.h5s.ALL, h5py.h5s.ALL, values, text_type(kind, dtype))
    return [value if isinstance(value, bytes) else b"" for value in values.tolist()]
