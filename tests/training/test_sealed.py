"""Sealed files: any damage is noticed, and writing one never costs the old one."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.errors import DataError, MissingInputError, StorageError
from ddp_mlp.training.sealed import USER_BLOCK, make_image, open_image, sync_directory, verify_image, write_atomically


def fill(file: Any) -> None:
    file["vector"] = np.arange(100, dtype=np.float32)
    file.attrs["name"] = "sealed"


@pytest.fixture(scope="module")
def image() -> bytes:
    return make_image(fill)


def test_round_trip(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "file.h5"
    write_atomically(path, image)
    with open_image(path) as file:
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
    with pytest.raises(MissingInputError, match="cannot read: Is a directory"):
        open_image(tmp_path)


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("owner", "call"), [(os, "open"), (os, "write"), (os, "fsync"), (Path, "replace")])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, call: str
) -> None:
    path = tmp_path / "file.h5"
    write_atomically(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(owner, call, fail)
        with pytest.raises(StorageError, match=r"file\.h5: cannot write: No space left on device"):
            write_atomically(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.h5"]


@pytest.mark.parametrize("exists", [False, True])
def test_failed_write_halfway_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    path, write, calls = tmp_path / "file.h5", os.write, []

    def write_once(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        return write(descriptor, data[:10]) if len(calls) == 1 else fail()  # type: ignore[return-value]

    if exists:
        path.write_bytes(b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_once)
        with pytest.raises(StorageError):
            write_atomically(path, bytes(100))
    assert calls == [100, 90]
    assert [p.name for p in tmp_path.iterdir()] == ["file.h5"] * exists


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_atomically(tmp_path / "file", bytes(range(100)))
    assert (tmp_path / "file").read_bytes() == bytes(range(100))


def test_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then name, then directory: in any other order a power cut can leave an empty file."""
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def note_replace(path: Path, to: Path) -> Path:
        events.append("replace")
        return replace(path, to)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_atomically(tmp_path / "file", b"content")
    assert events[0].startswith(".file.")
    assert events[1:] == ["replace", tmp_path.name]


def test_no_file_in_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        write_atomically(tmp_path / "absent/file", b"")


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"of somebody else")
    (tmp_path / "file").symlink_to("target")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_bytes() == b"of somebody else"
    assert not (tmp_path / "file").is_symlink()


def test_sync_directory(tmp_path: Path) -> None:
    sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "absent")
