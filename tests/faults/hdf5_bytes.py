"""HDF5 files as bytes: where their blocks of metadata lie, changes to them, and the checksums that then fit again.

Source: "HDF5 File Format Specification", version 3.0.
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

#: Blocks without a checksum, and with one at their end.
PLAIN = (b"TREE", b"SNOD", b"HEAP", b"GCOL")
CHECKED = (
    b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN", b"EAHD", b"EAIB", b"EASB", b"EADB",
    b"FAHD", b"FADB",
)  # fmt: skip
_SUPERBLOCK = b"\x89HDF\r\n\x1a\n"
_MOST_BLOCK_BYTES = 6000
_REFERENCE = struct.Struct("<IQI")  # length of a text, its heap, its number there


@cache
def _lookup3() -> Callable[[bytes], int]:
    """Return the checksum of HDF5's metadata, as its own library computes it."""
    import h5py  # noqa: F401 - loads the library

    maps = Path("/proc/self/maps").read_text()
    library = ctypes.CDLL(re.findall(r"\S*/libhdf5[-.]\S*", maps)[0])
    function = library.H5_checksum_lookup3
    function.restype, function.argtypes = ctypes.c_uint32, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32)
    return lambda block: function(block, len(block), 0)


def positions(image: bytes, magics: tuple[bytes, ...] = PLAIN + CHECKED) -> list[int]:
    """Return where blocks of these kinds begin."""
    return [found.start() for found in re.finditer(b"|".join(magics), image)]


def checked_spans(image: bytes) -> list[tuple[int, int]]:
    """Return begin and length of the blocks with a checksum, which stands behind each; found by trying."""
    base = image.find(_SUPERBLOCK)
    starts = [base, *positions(image, CHECKED)] if base >= 0 and image[base + 8] >= 2 else positions(image, CHECKED)
    return [(at, length) for at in starts for length in _length(image, at)]


def _length(image: bytes, at: int) -> Iterator[int]:
    for length in _told_lengths(image, at) or range(8, _MOST_BLOCK_BYTES):
        stored = int.from_bytes(image[at + length : at + length + 4], "little")
        if stored and _lookup3()(image[at : at + length]) == stored:
            yield length
            return


def _told_lengths(image: bytes, at: int) -> list[int]:
    """Return how long a block may be, for those that may be long and of which it is told somewhere."""
    if image.startswith(b"OHDR", at):
        flags = image[at + 5]
        begin = at + 6 + (flags >> 5 & 1) * 16 + (flags >> 2 & 1) * 4
        end = begin + (1 << (flags & 3))
        return [end - at + int.from_bytes(image[begin:end], "little")]
    if image.startswith(b"OCHK", at):
        address = (at - max(0, image.find(_SUPERBLOCK))).to_bytes(8, "little")
        ends = [found.end() for found in re.finditer(re.escape(address), image)]
        return [int.from_bytes(image[end : end + 8], "little") - 4 for end in ends]
    return []


def mended(image: bytearray, spans: list[tuple[int, int]]) -> bytes:
    """Return an image whose checksums fit."""
    for at, length in spans:
        if at + length + 4 <= len(image):
            image[at + length : at + length + 4] = _lookup3()(bytes(image[at : at + length])).to_bytes(4, "little")
    return bytes(image)


def references(image: bytes) -> list[int]:
    """Return where references to texts in global heaps lie: length, heap, number."""
    heaps = {at - max(0, image.find(_SUPERBLOCK)) for at in positions(image, (b"GCOL",))}
    found = []
    for heap in heaps:
        found += [m.start() - 4 for m in re.finditer(re.escape(heap.to_bytes(8, "little")), image) if m.start() >= 4]
    return sorted(found)


def pointing_to_the_longest(image: bytes) -> bytes:
    """Return an image in which every text is the longest one."""
    spans, places, changed = checked_spans(image), references(image), bytearray(image)
    longest = max((_REFERENCE.unpack_from(image, at) for at in places), key=lambda reference: reference[0])
    for at in places:
        _REFERENCE.pack_into(changed, at, *longest)
    return mended(changed, spans)
