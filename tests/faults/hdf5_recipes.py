"""What a stranger can do to an HDF5 file: each recipe changes an open file, or its bytes, at random.

They know the grammar: attributes, storage layouts, types, links, chunks and filters through h5py; heaps, trees and
other blocks through their bytes, with checksums that fit again.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from tests.faults.canary import Canary
from tests.faults.hdf5_bytes import PLAIN, checked_spans, mended, pointing_to_the_longest, positions, references

Rng = random.Random
Recipe = Callable[[Any, Canary, Rng], None]

#: Strange ones of an array; large ones should not fill the disk.
_CHUNKS = 6
_NUMBERS = (0, 1, 2**16, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_TYPES = (
    "i1", "u1", ">i4", "u8", "f2", "f4", ">f8", "c8", "V7", "S5", "?", h5py.string_dtype(), h5py.ref_dtype,
    h5py.vlen_dtype("i4"), h5py.enum_dtype({"a": 0, "b": 1}, "i2"), np.dtype([("a", "f4"), ("b", "S3")]),
    np.dtype(("f4", (3,))), np.dtype([("x", [("y", [("z", "f8")])])]), np.longdouble,
)  # fmt: skip


def arrays_of(file: Any) -> list[str]:
    """Return the names of all arrays behind hard links."""
    found: list[str] = []
    file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    return found


def _replaced(file: Any, rng: Rng) -> tuple[str, tuple[int, ...], Any]:
    """Remove some array; return its name, shape and type."""
    names = arrays_of(file)
    name = rng.choice(names) if names else "X"
    shape, dtype = (file[name].shape, file[name].dtype) if names else ((4,), np.dtype("f4"))
    if names:
        del file[name]
    if dtype.kind == "O":  # a text
        return name, (1,), np.dtype("S100")
    return name, shape or (1,), dtype


def external_storage(file: Any, canary: Canary, rng: Rng) -> None:
    name, shape, dtype = _replaced(file, rng)
    file.create_dataset(name, shape, dtype, external=[(str(canary.raw), rng.choice((0, 8)), h5py.h5f.UNLIMITED)])


def virtual(file: Any, canary: Canary, rng: Rng) -> None:
    name, shape, dtype = _replaced(file, rng)
    layout = h5py.VirtualLayout(shape, dtype, maxshape=rng.choice((None, (None, *shape[1:]))))
    source = rng.choice((str(canary.hdf5), "other.h5", ".", "/proc/self/mem", str(canary.hdf5.parent / "%b")))
    layout[:] = h5py.VirtualSource(source, rng.choice(("x", "train/features", name)), shape)
    file.create_virtual_dataset(name, layout)


def link(file: Any, canary: Canary, rng: Rng) -> None:
    groups = ["/", *(n for n in file if isinstance(file.get(n), h5py.Group))]
    group = file[rng.choice(groups)]
    name = rng.choice(["X", "train", "progress", "features", *list(group)])
    if name in group:
        del group[name]
    targets = (
        h5py.ExternalLink(str(canary.hdf5), rng.choice(("/x", "/train/features", "/"))),
        h5py.SoftLink(rng.choice(("/nowhere", f"/{name}", "../..", "/"))),
        file["/"],
    )
    group[name] = rng.choice(targets)


def never_written(file: Any, _: Canary, rng: Rng) -> None:
    name, shape, dtype = _replaced(file, rng)
    length = rng.choice((shape[0], 2**20, 2**30, 2**40, 10**15))
    options = rng.choice(({}, {"chunks": True}, {"chunks": True, "compression": "gzip"}, {"fillvalue": 7}))
    data = file.create_dataset(name, (length, *shape[1:]), dtype, **(options if dtype.kind in "iuf" else {}))
    if rng.random() < 0.3 and data.chunks:
        data[: max(1, shape[0] // 2)] = 1


def another_type(file: Any, _: Canary, rng: Rng) -> None:
    name, shape, _ = _replaced(file, rng)
    dtype = rng.choice(_TYPES)
    data = file.create_dataset(name, rng.choice((shape, (), (3, 2), (0,), (1,) * 9)), dtype)
    if data.shape and np.dtype(dtype).kind in "iuf" and not np.dtype(dtype).subdtype:
        data[...] = rng.choice((0, 1, 100))


def no_shape(file: Any, _: Canary, rng: Rng) -> None:
    name, _, dtype = _replaced(file, rng)
    file[name] = h5py.Empty(dtype)


def strange_chunk(file: Any, _: Canary, rng: Rng) -> None:
    """Write a chunk of other bytes than its filters would."""
    name, shape, dtype = _replaced(file, rng)
    chunks = rng.choice((shape, (1, *shape[1:]), tuple(rng.randrange(1, 2 * n + 2) for n in shape)))
    packing = rng.choice(
        (
            {}, {"compression": "gzip"}, {"compression": "lzf"}, {"shuffle": True}, {"fletcher32": True},
            {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf", "shuffle": True},
        )
    )  # fmt: skip
    data = file.create_dataset(name, shape, dtype, chunks=chunks, maxshape=(None, *shape[1:]), **packing)
    whole = int(np.prod(chunks)) * dtype.itemsize
    plain = bytes(rng.choice((0, 1, whole // 2, whole, whole, whole + 1, 2 * whole, rng.choice((2**20, 2**27)))))
    packed = rng.choice((plain[: 2**22], zlib.compress(plain), zlib.compress(plain)[:-3], b"\xe0" * 100, b"\1"))
    for row in range(0, shape[0], chunks[0])[:_CHUNKS]:
        corner = (row, *(0 for _ in shape[1:]))
        data.id.write_direct_chunk(corner, packed or b"\0", rng.choice((0, 0, 0, 1, 2, 7)))


def foreign_filter(file: Any, _: Canary, rng: Rng) -> None:
    name, shape, dtype = _replaced(file, rng)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(tuple(max(1, n) for n in shape))
    for number in rng.sample((1, 2, 3, 5, 6, 32000, 1, 2), rng.randrange(1, 4)):
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (rng.choice((0, 1, 4, 9, 2**31)),) * rng.randrange(1, 4))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), h5py.h5s.create_simple(shape), plist)


def strange_attribute(file: Any, _: Canary, rng: Rng) -> None:
    """Give an attribute, most often one that means something, a value of any kind."""
    nodes = [file, *(file[name] for name in arrays_of(file)), *(n for n in file.values() if isinstance(n, h5py.Group))]
    node = rng.choice(nodes)
    names = [
        "n_classes",
        "class_names",
        "names",
        "image_shape",
        "task",
        "format",
        "format_version",
        "source",
        *node.attrs,
    ]
    number = rng.choice((-1, 0, 2, 2**31, 2**62, 2**64 - 1, 1.5, float("nan"), np.int8(-3), True))
    value = rng.choice(
        (
            number, np.array([number] * rng.choice((1, 2, 1000))), np.zeros((2, 2)), "", "x" * rng.choice((3, 5000)),
            "a\x1b[2J\nb", ["a"] * rng.choice((1, 3, 2000)), np.array([b"a", b"\xff\xfe"]), b"bytes", "x" * 60_000,
            h5py.Empty(rng.choice(("i4", "S3"))), np.array((1, 2.0), [("a", "i4"), ("b", "f8")]), np.array(1j),
            np.void(b"\x80\x04cos\nsystem"),
            "[" * 3000, "{}", '{"a": ' * 500, "null", "[[],[],[]]", "9" * 5000, "NaN", "[0" + ",0" * 20_000 + "]",
        )
    )  # fmt: skip
    node.attrs[rng.choice(names)] = value


def many_attributes(file: Any, _: Canary, rng: Rng) -> None:
    names = arrays_of(file)
    node = file[rng.choice(names)] if names else file
    for index in range(rng.choice((20, 300))):
        node.attrs[f"attribute {index}"] = rng.choice((index, "text", [1.0, 2.0]))


def many_names(file: Any, _: Canary, rng: Rng) -> None:
    for index in range(rng.choice((30, 1000))):
        name = rng.choice((f"g{index}", f"\x1b[2J{index}", "x" * rng.choice((10, 1000)) + str(index)))
        file.create_group(name, track_order=rng.random() < 0.5)
    if rng.random() < 0.5:
        h5py.h5g.create(file.id, b"\xff\xfe\n")


def deep_groups(file: Any, _: Canary, rng: Rng) -> None:
    group = file
    for _ in range(rng.choice((15, 200))):
        group = group.create_group("deeper")
    group["again"] = file["/"]


def strange_text(file: Any, _: Canary, rng: Rng) -> None:
    """Put another text in the place of the longest one of the file."""
    if "progress" in file:
        del file["progress"]
        file["progress"] = rng.choice(
            (
                "[" + "[]," * 200_000 + "[]]", "[" * 10**5, "{}", "null", "9" * 10**5, '{"epoch": 1e400}', "", "\0",
                '{"history": [' + "{}," * 10**5 + "{}]}", " " * 10**6, '{"step": -1}', '{"step": "a"}',
            )
        )  # fmt: skip


RECIPES: tuple[Recipe, ...] = (
    external_storage, virtual, link, never_written, another_type, no_shape, strange_chunk, strange_chunk,
    foreign_filter, strange_attribute, strange_attribute, strange_attribute, many_attributes,
    many_names, deep_groups, strange_text,
)  # fmt: skip


def texts_together(image: bytes, _: Rng) -> bytes:
    """Let all texts be the longest one."""
    return pointing_to_the_longest(image) if references(image) else image


def strange_heap(image: bytes, rng: Rng) -> bytes:
    """Change sizes and numbers in a global heap, and what points into it."""
    changed, spans, heaps = bytearray(image), checked_spans(image), positions(image, (b"GCOL",))
    for _ in range(rng.randrange(1, 4)):
        places = [at + rng.randrange(8, 80) for at in heaps] + [at + rng.choice((0, 4, 12)) for at in references(image)]
        if places:
            _overwrite(changed, rng.choice(places), rng)
    return mended(changed, spans)


def strange_blocks(image: bytes, rng: Rng) -> bytes:
    """Let blocks point to other blocks, most often of the same kind, and change numbers in them."""
    changed, spans, blocks = bytearray(image), checked_spans(image), positions(image)
    base = max(0, image.find(b"\x89HDF"))
    known = {at - base for at in blocks}
    fields = [at for at in range(base, len(image) - 8) if struct.unpack_from("<Q", image, at)[0] in known]
    for _ in range(rng.choice((1, 1, 2, 4))):
        if fields and rng.random() < 0.6:
            field = rng.choice(fields)
            kind = image[(old := struct.unpack_from("<Q", image, field)[0] + base) : old + 4]
            alike = [at for at in blocks if image.startswith(kind, at)] if rng.random() < 0.7 else blocks
            struct.pack_into("<Q", changed, field, rng.choice(alike) - base)
        elif blocks:
            at, length = rng.choice([*spans, *((p, 200) for p in positions(image, PLAIN))] or [(base, 200)])
            _overwrite(changed, at + rng.randrange(length), rng)
    return mended(changed, spans)


def strange_bytes(image: bytes, rng: Rng) -> bytes:
    """Change bytes anywhere, without regard to what they are."""
    changed = bytearray(image)
    for _ in range(rng.choice((1, 2, 4, 16))):
        _overwrite(changed, rng.randrange(len(changed)), rng)
    if rng.random() < 0.1:
        del changed[rng.randrange(len(changed) // 2, len(changed)) :]
    return bytes(changed)


def _overwrite(image: bytearray, at: int, rng: Rng) -> None:
    width = rng.choice((1, 1, 2, 4, 8))
    if at + width <= len(image):
        number = rng.choice((*_NUMBERS, rng.randrange(256), image[at] ^ 1 << rng.randrange(8)))
        image[at : at + width] = (number % 256**width).to_bytes(width, "little")


CHANGES: Mapping[str, Callable[[bytes, Rng], bytes]] = {
    "texts": texts_together, "heaps": strange_heap, "blocks": strange_blocks, "bytes": strange_bytes,
}  # fmt: skip
