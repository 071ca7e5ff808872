"""Sealed files: any damage is noticed, and what cannot be one is not read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.sealed_hdf5 import USER_BLOCK, make_image, open_image, read_verified, verify_image
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DataError, MissingInputError
from tests.hostile import THINGS


def fill(file: Any) -> None:
    file["vector"] = np.arange(100, dtype=np.float32)
    file.attrs["name"] = "sealed"


@pytest.fixture(scope="module")
def image() -> bytes:
    return make_image(fill)


def test_round_trip(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "file.h5"
    write_whole(path, image)
    open_image(path).close()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["vector"][:], np.arange(100, dtype=np.float32))
        assert file.attrs["name"] == "sealed"
    assert path.read_bytes() == image


def test_every_hdf5_library_reads_it(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "file.h5"
    path.write_bytes(image)
    with h5py.File(path, "r") as file:
        assert file.userblock_size == USER_BLOCK
        assert file["vector"][99] == 99


def test_the_header_can_be_checked_by_hand(tmp_path: Path, image: bytes) -> None:
    """What the user block says is what ``tail -c +513 FILE | sha256sum`` says."""
    lines = image[:USER_BLOCK].rstrip(b"\0").decode().splitlines()
    assert lines[1] == f"length {len(image) - USER_BLOCK}"
    path = tmp_path / "file.h5"
    path.write_bytes(image)
    command = f"tail -c +{USER_BLOCK + 1} file.h5 | sha256sum"
    found = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert lines[2] == f"sha256 {found.stdout.split()[0]}"


def test_equal_content_gives_equal_files() -> None:
    """No clock and no path in it: two runs to the same weights can be compared byte by byte."""
    assert make_image(fill) == make_image(fill)


def assert_refused(damaged: bytes, what: object) -> None:
    try:
        verify_image(damaged, "file.h5")
    except DataError as error:
        assert str(error).startswith("file.h5: ")  # noqa: PT017 - of 1000 cases, name the one that failed
    except Exception as error:
        pytest.fail(f"{what}: {error!r} instead of DataError")
    else:
        pytest.fail(f"{what}: not noticed")


@pytest.mark.parametrize("part", range(64))
def test_every_truncation_is_noticed(image: bytes, part: int) -> None:
    assert_refused(image[: len(image) * part // 64], f"cut to {part}/64")


@pytest.mark.parametrize("size", [0, 1, 18, 19, 20, 40, 100, 200, USER_BLOCK - 1, USER_BLOCK, USER_BLOCK + 1])
def test_truncations_near_the_header_are_noticed(image: bytes, size: int) -> None:
    assert_refused(image[:size], f"cut to {size}")


def test_last_byte_and_additions_are_noticed(image: bytes) -> None:
    assert_refused(image[:-1], "last byte cut")
    assert_refused(image + b"\0", "a zero appended")
    assert_refused(image + image, "written twice")


def flipped(image: bytes, bit: int) -> bytes:
    damaged = bytearray(image)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_every_flipped_bit_of_the_header_is_noticed(image: bytes) -> None:
    """All 4096: the mark, the length, the hash, the words between them, and the padding."""
    for bit in range(USER_BLOCK * 8):
        assert_refused(flipped(image, bit), f"bit {bit % 8} of byte {bit // 8}")


def test_flipped_bits_of_the_body_are_noticed(image: bytes, rng: np.random.Generator) -> None:
    for bit in rng.integers(USER_BLOCK * 8, len(image) * 8, 500).tolist():
        assert_refused(flipped(image, bit), f"bit {bit}")


def test_other_files_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        fill(file)
    for content in (path.read_bytes(), b"", b"\n\n\n\n", b"PK\3\4" * 1000, rng.bytes(3000)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"other\.h5: not a checkpoint or model"):
            open_image(path)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"absent\.h5: no such file"):
        open_image(tmp_path / "absent.h5")
    with pytest.raises(DataError, match="a directory, not a file"):
        open_image(tmp_path)


def hollow(path: Path, header: bytes, size: int) -> Path:
    """Make a file that is nearly all a hole."""
    path.write_bytes(header)
    os.truncate(path, size)
    return path


def test_no_file_of_holes_is_read(tmp_path: Path, image: bytes) -> None:
    """Terabytes that take no room on disk, with a header or without."""
    size = 2**41
    named = image[:USER_BLOCK].replace(b"length %d" % (len(image) - USER_BLOCK), b"length %d" % (size - USER_BLOCK))
    for header, reason in ((b"", "not a checkpoint"), (image[:USER_BLOCK], "of \\d+: cut short"), (named, "are holes")):
        with pytest.raises(DataError, match=reason):
            open_image(hollow(tmp_path / "file.h5", header[:USER_BLOCK], size))


@pytest.mark.parametrize("kind", ["symbolic link", "dangling link", "loop", "named pipe", "socket", "directory"])
def test_only_plain_files_are_read(tmp_path: Path, image: bytes, kind: str) -> None:
    (tmp_path / "target").write_bytes(image)
    THINGS[kind](tmp_path / "file.h5", tmp_path / "target")
    with pytest.raises(DataError, match=r"file\.h5: a .*, not a file of its own"):
        open_image(tmp_path / "file.h5")


def test_a_link_that_a_user_names_is_followed(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "target").write_bytes(image)
    (tmp_path / "file.h5").symlink_to("target")
    assert read_verified(tmp_path / "file.h5", follow=True) == image
