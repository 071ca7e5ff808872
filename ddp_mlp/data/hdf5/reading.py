"""Arrays that have passed every check, read a block of rows at a time."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.hdf5.chunks import check_chunk, corners
from ddp_mlp.data.hdf5.guard import CHUNK_CACHE_BYTES, load_h5py, plain_errors
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ddp_mlp.data.hdf5.arrays import Found
    from ddp_mlp.data.hdf5.number_types import Numbers

# libhdf5 doubles the memory for what it unpacks, and has the packed chunk beside it.
_CHUNKS_AT_A_TIME = 4


@dataclass(frozen=True, eq=False)
class Array:
    """An array that has passed `Found.accept`.

    Attributes
    ----------
    found : Found
        Its description.
    shape : tuple of int
    place : int or None
        Where the numbers begin in the file if they lie there in one piece.
    """

    found: Found
    shape: tuple[int, ...]
    _columns: Mapping[str | None, Numbers | None]
    place: int | None = None
    _good_chunks: set[tuple[int, ...]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Absolute path in the file."""
        return self.found.name

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields where it is an array of records, else empty."""
        return tuple(name for name in self._columns if name is not None)

    def numbers(self, field_name: str | None) -> Numbers:
        """Return how the numbers of a field are stored; None where there are no fields.

        Raises
        ------
        DataError
            If it does not hold numbers.
        """
        numbers = self._columns[field_name]
        if numbers is None:
            where = self.found.where + (f":{printable(field_name)}" if field_name else "")
            of = f" with the {self.found.type_name}" if field_name else f" {self.found.type_name}"
            raise DataError(
                f"{where}: dtype{of}; allowed are booleans, integers, float16, float32 and float64, store numbers or"
                " leave it out"
            )
        return numbers

    def chunk_rows(self, axis: int) -> int:
        """Return how many rows along `axis` a chunk holds, 0 where the array lies in one piece."""
        return self.found.chunks[axis] if self.found.chunks else 0

    def read(self, start: int, stop: int, field_name: str | None = None) -> NDArray[Any]:
        """Read rows ``start <= row < stop`` of an array, or of one of its fields; as `read_fields`."""
        return self.read_fields(start, stop, [field_name])[field_name]

    def read_fields(
        self, start: int, stop: int, names: Sequence[str | None], *, axis: int = 0, part: tuple[int, int] | None = None
    ) -> dict[str | None, NDArray[Any]]:
        """Read rows ``start <= row < stop`` of some fields at once, so that each chunk is unpacked once.

        Parameters
        ----------
        names : sequence of str or None
            Fields; None alone where there are none.
        axis : int
            The dimension along which rows lie: the first, 0, or the last, -1.
        part : tuple of int, optional
            Of the other dimension of two, from where to where.

        Returns
        -------
        dict of str or None to ndarray
            As stored, in the byte order of the file; truth values as bool. Dimensions are those of the array, with
            stop - start rows.

        Raises
        ------
        DataError
            If the file is damaged.
        StorageError
            If the disk fails.
        """
        first, count = [0] * len(self.shape), list(self.shape)
        first[axis], count[axis] = start, stop - start
        if part is not None:
            other = 1 if axis == 0 else 0
            first[other], count[other] = part[0], part[1] - part[0]
        numbers = [self.numbers(name) for name in names]
        record = np.dtype([(f"f{i}", n.dtype, n.dims) for i, n in enumerate(numbers)])
        values = np.empty(count, record if names != [None] else (numbers[0].dtype, numbers[0].dims))
        if values.size and record.itemsize:
            if self.place is not None and names == [None] and axis == 0 and part is None:
                self._copy(values, self.place, start)
            else:
                self._fill(values, first, count, names, record)
        read = dict(zip(names, [values[f] for f in record.names or ()] if names != [None] else [values], strict=True))
        return {n: v.astype(np.bool_) if self.numbers(n).is_bool else v for n, v in read.items()}

    def will_read(self, start: int, stop: int, axis: int = 0) -> None:
        """Let the system fetch rows ``start <= row < stop`` along `axis` while other work goes on; a hint, no more."""
        first, count = [0] * len(self.shape), list(self.shape)
        first[axis], count[axis] = start, stop - start
        with self.found.file.asking(self.found.where) if self.found.chunks else nullcontext():
            for at, n_bytes in self._places(first, count):
                self.found.file.watched.will_read(at, n_bytes)

    def _places(self, first: Sequence[int], count: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield where parts of the file lie that hold a part of the array, as position and length."""
        dataset = self.found._id
        if self.found.chunks:
            for corner in corners(self.found.chunks, first, count):
                chunk = dataset.get_chunk_info_by_coord(corner)
                if chunk.byte_offset is not None:
                    yield chunk.byte_offset, chunk.size
        elif self.place is not None and list(self.shape[1:]) == list(count[1:]):
            row_bytes = math.prod(self.shape[1:]) * self.found.element_bytes
            yield self.place + first[0] * row_bytes, count[0] * row_bytes

    def _copy(self, out: NDArray[Any], place: int, start: int) -> None:
        """Copy rows from a row on out of the file, where they are as libhdf5 would hand them on."""
        with plain_errors(self.found.where):
            n_bytes = out.nbytes // len(out)
            self.found.file.watched.copy(out.reshape(-1).view(np.uint8).data, place + start * n_bytes)

    def _fill(
        self, out: NDArray[Any], first: list[int], count: list[int], names: Sequence[str | None], record: np.dtype[Any]
    ) -> None:
        h5s = load_h5py().h5s
        unpacked = CHUNK_CACHE_BYTES + _CHUNKS_AT_A_TIME * self._chunk_bytes if self.found.chunks else 0
        with self.found.file.asking(self.found.where, unpacked):
            self._check_chunks(first, count)
            dataset = self.found._id
            space = dataset.get_space()
            space.select_hyperslab(tuple(first), tuple(count))
            dataset.read(h5s.create_simple(tuple(count)), space, out, self._memory_type(names, record))

    def _memory_type(self, names: Sequence[str | None], record: np.dtype[Any]) -> Any:
        """Return the type to read into: that of the file, so that libhdf5 converts nothing."""
        types = [self.numbers(name).type_id for name in names]
        if names == [None]:
            return types[0]
        h5t = load_h5py().h5t
        memory = h5t.create(h5t.COMPOUND, record.itemsize)
        offsets = [place[1] for place in (record.fields or {}).values()]
        for name, type_id, offset in zip(names, types, offsets, strict=True):
            memory.insert((name or "").encode("utf-8", "surrogateescape"), offset, type_id)
        return memory

    @property
    def _chunk_bytes(self) -> int:
        return math.prod(self.found.chunks or ()) * self.found.element_bytes

    def _check_chunks(self, first: Sequence[int], count: Sequence[int]) -> None:
        """Check the packed chunks that hold a part of the array, each once."""
        found = self.found
        if not found.chunks or not found.filters:
            return
        for corner in corners(found.chunks, first, count):
            if corner not in self._good_chunks:
                mask, raw = found._id.read_direct_chunk(corner)
                check_chunk(raw, mask, found.filters, self._chunk_bytes, found.where)
                self._good_chunks.add(corner)
