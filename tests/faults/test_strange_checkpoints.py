"""Checkpoints and models that a stranger made and sealed: no other file, no memory, no time.

Each is read in a child, whose memory and time are measured; beside it lies a directory that the kernel watches.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import checkpoint_image, load_checkpoint
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.checkpoint.sealed_hdf5 import USER_BLOCK, seal
from ddp_mlp.errors import DataError
from tests.checkpoints import checkpoint_of
from tests.faults.canary import Canary, canary_in
from tests.faults.forks import Child, in_child
from tests.faults.hdf5_bytes import pointing_to_the_longest

MIB = 2**20
Change = Callable[[Any, Canary], object]


@pytest.fixture(scope="module")
def image() -> bytes:
    return checkpoint_image(checkpoint_of())


@pytest.fixture
def canary(tmp_path):
    with canary_in(tmp_path) as found:
        yield found


def forged(image: bytes, path: Path, change: Callable[[Any], object]) -> Path:
    path.write_bytes(image)
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(seal(path.read_bytes()))
    return path


def read(path: Path, load: Callable[[Path], object] = load_checkpoint) -> tuple[Child, int]:
    """Return how a child fared that loads a file, and by how much its memory grew."""

    def action(writer: int) -> int:
        try:
            load(path)
        except DataError as error:
            os.write(writer, str(error).encode())
            return DataError.exit_code
        return 0

    before = in_child(lambda _: 0).peak_bytes
    child = in_child(action)
    return child, child.peak_bytes - before


def in_place_of(name: str, make: Callable[[Any, Canary], object]) -> Change:
    def change(file: Any, canary: Canary) -> None:
        del file[name]
        make(file, canary)

    return change


def external(name: str, dtype: Any, size: int) -> Change:
    def make(file: Any, canary: Canary) -> None:
        file.create_dataset(name, (size,), dtype, external=[(str(canary.raw), 0, 4096)])

    return in_place_of(name, make)


def pipe(name: str) -> Change:
    def make(file: Any, canary: Canary) -> None:
        os.mkfifo(canary.raw.parent.parent / "pipe")
        place = str(canary.raw.parent.parent / "pipe")
        file.create_dataset(name, (1,), "S4096", external=[(place, 0, 4096)])

    return in_place_of(name, make)


def virtual(name: str, dtype: Any, source: str = "") -> Change:
    def make(file: Any, canary: Canary) -> None:
        layout = h5py.VirtualLayout((1,), dtype)
        layout[:] = h5py.VirtualSource(source or str(canary.hdf5), "x", (1,))
        file.create_virtual_dataset(name, layout)

    return in_place_of(name, make)


def unlimited_virtual(file: Any, canary: Canary) -> None:
    """A virtual data set without an end, whose length is that of its sources."""
    del file["progress"]
    space, source = (
        h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,)),
        h5py.h5s.create_simple((10,), (h5py.h5s.UNLIMITED,)),
    )
    for selected in (space, source):
        selected.select_hyperslab((0,), (h5py.h5s.UNLIMITED,))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(space, os.fsencode(canary.hdf5), b"x", source)
    h5py.h5d.create(file.id, b"progress", h5py.h5t.IEEE_F64LE, space, plist)


def many_texts(file: Any, _: Canary) -> None:
    """12 000 texts that were never stored: each is the fill value, of half a megabyte."""
    del file["progress"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1000,))
    plist.set_fill_value(np.array(b"x" * (MIB // 2), h5py.string_dtype()))
    kind = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
    h5py.h5d.create(file.id, b"progress", kind, h5py.h5s.create_simple((12_000,)), plist)


def packed_blanks(file: Any, _: Canary) -> None:
    """A text of half a gigabyte of blanks in half a megabyte."""
    del file["progress"]
    data = file.create_dataset("progress", (1,), f"S{2**29}", chunks=(1,), compression="gzip")
    data.id.write_direct_chunk((0,), packed(b" ", 2**29))


def packed_in_a_small_chunk(file: Any, _: Canary) -> None:
    """A chunk that unpacks to half a gigabyte more than it should."""
    length = len(file["parameters"])
    del file["parameters"]
    data = file.create_dataset("parameters", (length,), "f4", chunks=(length,), compression="gzip")
    data.id.write_direct_chunk((0,), packed(b"\0", 2**29))


def packed(byte: bytes, n_bytes: int) -> bytes:
    stream, piece = zlib.compressobj(1), byte * MIB
    return b"".join(stream.compress(piece) for _ in range(n_bytes // MIB)) + stream.flush()


def text(content: str) -> Change:
    return in_place_of("progress", lambda file, _: file.create_dataset("progress", data=content))


def attribute(name: str, value: Any) -> Change:
    def change(file: Any, _: Canary) -> None:
        file.attrs[name] = value

    return change


CASES: dict[str, Change] = {
    "the progress in external storage": external("progress", "S4096", 1),
    "the progress in a pipe": pipe("progress"),
    "the progress in another file": virtual("progress", "f8"),
    "the progress in itself": virtual("progress", "f8", "."),
    "a progress of the length of other files": unlimited_virtual,
    "the progress behind a link": in_place_of(
        "progress", lambda file, canary: file.__setitem__("progress", h5py.ExternalLink(str(canary.hdf5), "/x"))
    ),
    "parameters in external storage": external("parameters", "f4", 44),
    "parameters in another file": virtual("parameters", "f4"),
    "normalisation in external storage": external("normalization/offset", "f8", 3),
    "a moment in another file": virtual("moments/first_moment", "f8"),
    "the best parameters in another file": virtual("best_parameters", "f4"),
    "12 000 texts that were not stored": many_texts,
    "blanks packed by gzip": packed_blanks,
    "a chunk that is larger than it says": packed_in_a_small_chunk,
    "lists of nothing": text("[" + "[]," * 10**6 + "[]]"),
    "tables of nothing": text('{"history": [' + "{}," * 10**6 + "{}]}"),
    "numbers without meaning": text('{"history": [' + "0," * 10**7 + "0]}"),
    "a progress that is none": in_place_of("progress", lambda file, _: file.__setitem__("progress", np.arange(9))),
    "a progress in a group": in_place_of("progress", lambda file, _: file.create_group("progress")),
    "no progress": in_place_of("progress", lambda *_: None),
    "a configuration of lists": attribute("written_by", json.dumps([[]] * 15_000)),
    "an opaque number": attribute("format_version", np.void(b"1234")),
    "several numbers": attribute("format_version", np.arange(3)),
    "a compound number": attribute("micro_batches", np.zeros((), [("a", "i4"), ("b", "i4")])),
    "a number as text": attribute("micro_batches", "8"),
    "an empty number": attribute("micro_batches", h5py.Empty("i8")),
    "a reference": lambda file, _: file.attrs.create("fingerprint", file.ref, dtype=h5py.ref_dtype),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_but_the_file_is_read_and_little_memory_taken(image, tmp_path, canary, case):
    path = forged(image, tmp_path / "step-00000040.h5", lambda file: CASES[case](file, canary))
    canary.events()  # of making it
    child, growth = read(path)
    assert not child.timed_out
    assert child.code == DataError.exit_code, child.said
    assert "\n" not in child.said
    assert len(child.said) < 600
    assert str(path) in child.said
    # Beside it, pages of libraries that the empty child has not touched: 6 to 18 MiB, by what its parent has loaded.
    assert growth < max(64 * MIB, 4 * path.stat().st_size) + 24 * MIB
    assert canary.events() == []


def test_texts_that_point_to_one_another_are_refused(image, tmp_path):
    """All texts of the file are the longest of them."""
    path = tmp_path / "step-00000040.h5"
    path.write_bytes(seal(pointing_to_the_longest(image)))
    for load in (load_checkpoint, load_model):
        child, growth = read(path, load)
        assert child.code == DataError.exit_code, child.said
        assert growth < 80 * MIB


def test_a_heap_without_end_is_refused(image, tmp_path):
    damaged = bytearray(image)
    at = damaged.find(b"GCOL", USER_BLOCK)
    damaged[at + 16 : at + 32] = bytes(16)
    path = tmp_path / "step-00000040.h5"
    path.write_bytes(seal(bytes(damaged)))
    assert "an object without size" in read(path)[0].said


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_large_checkpoint_takes_four_times_its_size_at_most(tmp_path, optimizer):
    """2.4 million parameters: the vectors of a run are within the bound for strangers."""
    written = checkpoint_of(optimizer=optimizer, model={"hidden": [300_000]})
    path = tmp_path / "step-00000040.h5"
    path.write_bytes(checkpoint_image(written))
    del written
    child, growth = read(path)
    assert child.code == 0, child.said
    assert growth < 4 * path.stat().st_size + 16 * MIB
