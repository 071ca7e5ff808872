"""The chunks of an array, looked at before libhdf5 decodes them.

libhdf5 (seen in 2.0.0) believes what a chunk says of itself: one that unpacks to more than it should takes the memory
that it asks for, one that unpacks to less is read beyond its end, and what lies there in memory becomes data. So each
chunk is unpacked here first, within bounds, and must come out at its size to the byte.
"""

from __future__ import annotations

import math
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any

from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddp_mlp.data.hdf5.arrays import Found

GZIP, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000
#: HDF5 filter numbers that every libhdf5 or h5py brings along.
ALLOWED_FILTERS = {GZIP: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", LZF: "lzf"}
MAX_CHUNK_BYTES = 2**30

_CHECKSUM_BYTES = 4
_PIECE_BYTES = 2**20
_OTHER_FILTERS = {4: "szip", 5: "nbit", 6: "scaleoffset"}


def check_filters(filters: Sequence[int], where: str) -> None:
    """Refuse filters that are not at hand, or in an order in which no program uses them.

    Raises
    ------
    DataError
        Naming the filter and those that are allowed.
    """
    for number in filters:
        if number not in ALLOWED_FILTERS:
            found = f"{number} ({_OTHER_FILTERS[number]})" if number in _OTHER_FILTERS else str(number)
            raise DataError(
                f"{where}: filter {found} is not allowed, only {', '.join(ALLOWED_FILTERS.values())};"
                " rewrite it, as by `h5repack -f GZIP=1`"
            )
    packers = [number for number in filters if number in {GZIP, LZF}]
    is_shuffled_late = SHUFFLE in filters and packers and filters.index(SHUFFLE) > filters.index(packers[0])
    if len(set(filters)) != len(filters) or len(packers) > 1 or is_shuffled_late:
        names = " then ".join(ALLOWED_FILTERS[number] for number in filters)
        raise DataError(
            f"{where}: filters {names}; each is allowed once, shuffle before gzip or lzf, and one of these;"
            " rewrite it, as by `h5repack -f GZIP=1`"
        )


def check_chunk_shape(array: Found) -> None:
    """Refuse chunks that take far more memory than their file.

    Raises
    ------
    DataError
        For more than 1 GiB, or more than 64 MiB and four times the file.
    """
    n_bytes = math.prod(array.chunks or ()) * array.element_bytes
    most = min(MAX_CHUNK_BYTES, array.file.watched.most_bytes)
    if n_bytes > most:
        raise DataError(
            f"{array.where}: chunks of {n_bytes / 2**30:.3g} GiB; at most {most / 2**30:.3g} GiB is allowed in a file"
            " of this size, rewrite it with chunks of about 1 MiB"
        )


def check_index(array: Found, dataset_id: Any) -> None:
    """Check that every chunk of an array has been written, into the file, and none into the place of another.

    Raises
    ------
    DataError
        Telling how many chunks are there.
    """
    shape, chunks, size = array.shape or (), array.chunks or (), array.file.watched.size
    counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    expected = math.prod(counts)
    plain = None if array.filters else math.prod(chunks) * array.element_bytes
    # Each chunk takes a byte at least: where more are expected, some are missing.
    seen, n_bytes = bytearray(min(expected, size + 1)), 0

    def note(chunk: Any) -> bool | None:
        nonlocal n_bytes
        n_bytes += chunk.size
        place = 0
        for start, step, count in zip(chunk.chunk_offset, chunks, counts, strict=True):
            if start % step or start // step >= count:
                return None  # outside of the array
            place = place * count + start // step
        is_good = not seen[place] and n_bytes <= size and plain in {None, chunk.size}
        seen[place] = 1
        return None if is_good else True

    if expected <= size and dataset_id.chunk_iter(note):
        raise DataError(
            f"{array.where}: its chunks lie over one another or are cut; the file is damaged, write it anew"
        )
    if missing := expected - sum(seen):
        raise DataError(
            f"{array.where}: values were never written ({missing} of {expected} chunks are missing, HDF5 would give its"
            " fill value); write all rows, or make the array as long as its rows"
        )


def corners(chunks: Sequence[int], first: Sequence[int], count: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield where the chunks begin that hold the part of an array which begins at `first` and is of shape `count`."""
    yield from product(*(range(f - f % c, f + n, c) for f, n, c in zip(first, count, chunks, strict=True)))


def check_chunk(raw: bytes, mask: int, filters: Sequence[int], n_bytes: int, where: str) -> None:
    """Check that a chunk is of `n_bytes` when it is unpacked.

    Parameters
    ----------
    raw : bytes
        The chunk as it is stored.
    mask : int
        Bit i is set where filter i was left out for this chunk.
    filters : sequence of int
        Filters in the order in which the writer applied them.

    Raises
    ------
    DataError
        If it is of another size, or not packed as it says.
    """
    applied = [number for index, number in enumerate(filters) if not mask >> index & 1]
    inner, outer, packer = n_bytes, 0, 0
    for number in applied:
        if number in {GZIP, LZF}:
            packer = number
        elif number == FLETCHER32:
            inner, outer = (inner, _CHECKSUM_BYTES) if packer else (inner + _CHECKSUM_BYTES, outer)
    packed = raw[: max(0, len(raw) - outer)]
    found = {GZIP: _gzip_size, LZF: _lzf_size}.get(packer, _plain_size)(packed, inner)
    if found != inner:
        raise DataError(f"{where}: a chunk that is not of the size it should have; the file is damaged, write it again")


def _plain_size(packed: bytes, _: int) -> int:
    return len(packed)


def _gzip_size(packed: bytes, most: int) -> int:
    """Return the size of what zlib unpacks, piece by piece; more than `most` if it is more, -1 if it is damaged."""
    stream = zlib.decompressobj()
    n_bytes, rest = 0, packed
    try:
        while not stream.eof and n_bytes <= most:
            piece = stream.decompress(rest, _PIECE_BYTES)
            n_bytes, rest = n_bytes + len(piece), stream.unconsumed_tail
            if not piece and not rest:
                break
    except zlib.error:
        return -1
    return n_bytes if stream.eof or n_bytes > most else -1


def _lzf_size(packed: bytes, most: int) -> int:
    """Return the size of what LZF unpacks, more than `most` if it is more, -1 if it is damaged.

    A control byte below 32 is followed by one more literal byte than it says. Else its upper three bits (7: and the
    next byte) are two less than the length of a copy, the lower five and one more byte tell where from.

    Source: M. Lehmann, liblzf 3.6, lzf_d.c.
    """
    at = n_bytes = 0
    end = len(packed)
    try:
        while at < end and n_bytes <= most:
            control = packed[at]
            if control < 32:
                at += control + 2
                n_bytes += control + 1
            elif control >= 224:
                n_bytes += packed[at + 1] + 9
                at += 3
            else:
                n_bytes += (control >> 5) + 2
                at += 2
    except IndexError:
        return -1
    return n_bytes if at == end or n_bytes > most else -1
