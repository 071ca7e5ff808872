"""Chunks: what is packed must come out at its size, and every place must have one."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.hdf5.chunks import FLETCHER32, GZIP, LZF, SHUFFLE, check_chunk, check_filters, check_index
from ddp_mlp.errors import DataError

SHAPE = (1024, 64)
N_BYTES = 1024 * 64 * 4
BLANKS = zlib.compress(bytes(N_BYTES))


def read_all(path: Path) -> np.ndarray:
    with open_dataset(path) as dataset:
        split = dataset.splits["train"]
        return np.concatenate([split.read(a, b).features for a, b in pairwise((0, 1000, 1024))])


def with_chunk(path: Path, raw: bytes, mask: int = 0, **packing: object) -> Path:
    """Write a data set whose features are one chunk of these bytes."""
    with h5py.File(path, "w") as file:
        file.create_dataset("X", SHAPE, "f4", chunks=SHAPE, **packing).id.write_direct_chunk((0, 0), raw, mask)
        file["y"] = np.arange(1024) % 2
    return path


@pytest.mark.parametrize(
    ("raw", "mask", "packing"),
    [
        (zlib.compress(bytes(100)), 0, {"compression": "gzip"}),
        (zlib.compress(b""), 0, {"compression": "gzip"}),
        (zlib.compress(bytes(2 * N_BYTES)), 0, {"compression": "gzip"}),
        (BLANKS[:-10], 0, {"compression": "gzip"}),
        (b"no gzip", 0, {"compression": "gzip"}),
        (bytes(100), 1, {"compression": "gzip"}),
        (bytes(N_BYTES), 0, {"compression": "gzip"}),
        (b"\0a", 0, {"compression": "lzf"}),
        (bytes(100), 0, {"compression": "lzf"}),
        (b"\xff", 0, {"compression": "lzf"}),
        (bytes(100), 0, {"shuffle": True}),
        (bytes(N_BYTES), 0, {"fletcher32": True}),
        (bytes(3), 0, {"fletcher32": True}),
        (bytes(N_BYTES - 1), 1, {"fletcher32": True}),
        (bytes(100), 0, {}),
        (bytes(N_BYTES + 8), 0, {}),
        (BLANKS + bytes(4), 0, {"fletcher32": True, "shuffle": True}),
    ],
)
def test_a_chunk_of_another_size_is_refused(tmp_path, raw, mask, packing):
    """libhdf5 would read what lies behind it in memory, or end in a segmentation fault."""
    with pytest.raises(DataError, match=r"/X: (a chunk that is not of the size|its chunks lie over|cannot be read)"):
        read_all(with_chunk(tmp_path / "d.h5", raw, mask, **packing))


@pytest.mark.parametrize(
    "packing",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True, "fletcher32": True},
        {"shuffle": True},
        {"fletcher32": True},
    ],
)
@pytest.mark.parametrize("chunks", [SHAPE, (100, 64), (7, 5), (1024, 1), (1, 64)])
def test_what_h5py_packs_is_read(tmp_path, rng, packing, chunks):
    values = np.where(rng.random(SHAPE) < 0.7, 0, rng.integers(0, 9, SHAPE)).astype(np.float32)
    values[512:] = rng.normal(size=(512, 64))  # gzip and lzf leave such chunks as they are
    with h5py.File(tmp_path / "d.h5", "w", libver="v108" if len(packing) % 2 else "latest") as file:
        file.create_dataset("X", data=values, chunks=chunks, **packing)
        file["y"] = np.arange(1024) % 2
    np.testing.assert_array_equal(read_all(tmp_path / "d.h5"), values)


def test_a_chunk_that_filters_left_out_is_read(tmp_path):
    assert not read_all(with_chunk(tmp_path / "d.h5", bytes(N_BYTES), 1, compression="gzip")).any()
    assert not read_all(with_chunk(tmp_path / "e.h5", BLANKS, compression="gzip")).any()


def test_the_checksum_may_come_first():
    """h5py before 3.0 applied it before gzip."""
    check_chunk(zlib.compress(bytes(104)), 0, (FLETCHER32, GZIP), 100, "here")
    check_chunk(zlib.compress(bytes(100)) + bytes(4), 0, (GZIP, FLETCHER32), 100, "here")
    with pytest.raises(DataError, match="here: a chunk"):
        check_chunk(zlib.compress(bytes(100)), 0, (FLETCHER32, GZIP), 100, "here")


@pytest.mark.parametrize("filters", [(GZIP, GZIP), (GZIP, LZF), (LZF, SHUFFLE), (SHUFFLE, SHUFFLE)])
def test_filters_that_no_program_puts_together_are_refused(filters):
    """Packed twice, a file of a kilobyte holds a gigabyte."""
    with pytest.raises(DataError, match="each is allowed once"):
        check_filters(filters, "here")


def test_rows_that_were_never_written_are_counted(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("X", (1000, 4), "f4", chunks=(100, 4))[:600] = 1.0
        file["y"] = np.arange(1000) % 2
    with pytest.raises(DataError, match=r"/X: values were never written \(4 of 10 chunks are missing"):
        read_all(tmp_path / "d.h5")


@pytest.mark.parametrize("shape", [(2**30,), (2**30, 4), (2**18, 4)])
@pytest.mark.parametrize("options", [{}, {"chunks": True}, {"chunks": True, "compression": "gzip"}])
def test_rows_without_storage_are_refused(tmp_path, shape, options):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("X", shape, "u1", **options)
        file.create_dataset("y", shape[:1], "u1", **options)
    with pytest.raises(DataError, match=r"never written|GiB declared"):
        open_dataset(tmp_path / "d.h5")


class Index:
    """What libhdf5 would tell of chunks."""

    def __init__(self, *chunks: tuple[tuple[int, ...], int]) -> None:
        self._chunks = chunks

    def chunk_iter(self, note):
        return next(
            filter(None, (note(SimpleNamespace(chunk_offset=at, size=size)) for at, size in self._chunks)), None
        )


def checked(*chunks: tuple[tuple[int, ...], int], size: int = 1000, filters: tuple[int, ...] = (GZIP,)) -> None:
    file = SimpleNamespace(watched=SimpleNamespace(size=size))
    array = SimpleNamespace(
        shape=(10, 3), chunks=(5, 3), element_bytes=8, filters=filters, file=file, where="here:/X"
    )  # fmt: skip
    check_index(array, Index(*chunks))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chunks", "phrase"),
    [
        ((((0, 0), 9),), "1 of 2 chunks are missing"),
        ((((0, 0), 9), ((0, 0), 9)), "lie over one another"),
        ((((0, 0), 9), ((5, 3), 9)), "1 of 2"),
        ((((0, 0), 9), ((4, 0), 9)), "1 of 2"),
        ((((0, 0), 9), ((2**62, 0), 9)), "1 of 2"),
        ((((0, 0), 600), ((5, 0), 600)), "lie over one another"),
    ],
)
def test_an_index_that_cannot_be_is_refused(chunks, phrase):
    """More bytes than the file has means that several places share a chunk."""
    with pytest.raises(DataError, match=f"here:/X: .*{phrase}"):
        checked(*chunks)


def test_an_index_that_is_whole_is_good():
    checked(((5, 0), 9), ((0, 0), 9))
    checked(((5, 0), 120), ((0, 0), 120), filters=())
    with pytest.raises(DataError, match="are cut"):
        checked(((5, 0), 119), ((0, 0), 120), filters=())
