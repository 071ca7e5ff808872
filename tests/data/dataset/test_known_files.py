"""Files that are known: not read again while nothing of them has changed, and read again when anything has."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset import known_files
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.known_files import known_fingerprint, recall, remember


@pytest.fixture
def cache(tmp_path, monkeypatch):
    directory = tmp_path / "cache"
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", str(directory))
    monkeypatch.setattr(known_files, "_SETTLED_S", -1)
    return directory


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"], file["y"], file["z"] = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1]), np.arange(4.0)
    return tmp_path / "d.h5"


def note(path: Path, **options: str) -> str:
    with open_dataset(path, **options) as dataset:
        return known_fingerprint(dataset)


def known(path: Path, **options: str) -> str | None:
    with open_dataset(path, **options) as dataset:
        return recall(dataset)


def test_a_file_that_was_read_is_known(cache, path):
    assert known(path) is None
    found = note(path)
    assert found
    assert known(path) == found


def test_one_that_is_known_is_not_read_again(cache, path, monkeypatch):
    found = note(path)
    monkeypatch.setattr(DatasetFile, "fingerprint", lambda _: pytest.fail("read again"))
    assert note(path) == found


def test_another_data_set_of_the_file_is_not(cache, path):
    note(path)
    assert known(path, features="z", targets="y") is None
    assert known(path, features="X", targets="y") is None


def overwritten(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(status.st_size - 8)
        file.write(b"\1" * 8)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if nothing had happened


def replaced(path: Path) -> None:
    copy = path.with_name("copy.h5")
    copy.write_bytes(path.read_bytes())
    status = path.stat()
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(path)


def touched(path: Path) -> None:
    os.utime(path, (1, 1))


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize("change", [overwritten, replaced, touched, longer])
def test_one_that_has_changed_is_not_known(cache, path, change):
    """Even where the time of the last write is what it was: the kernel keeps one of its own."""
    note(path)
    change(path)
    assert known(path) is None


def test_one_that_changes_while_it_is_read_is_not_kept(cache, path):
    with open_dataset(path) as dataset:
        opened, found = dataset.identity(), dataset.fingerprint()
        touched(path)
        remember(dataset, found, opened)
    assert known(path) is None


def test_one_that_has_just_been_written_is_not_kept(cache, path, monkeypatch):
    """A second write within one tick of the clock would look like none."""
    monkeypatch.setattr(known_files, "_SETTLED_S", 60)
    note(path)
    assert not cache.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"{" * 10_000, b"\xff" * 100, b'{"a": "b"}'])
def test_a_cache_that_is_none_is_replaced(cache, path, content):
    cache.mkdir(mode=0o700)
    (cache / "data-fingerprints.json").write_bytes(content)
    assert known(path) is None
    assert note(path) == known(path)


def test_a_cache_that_others_can_write_is_not_believed(cache, path):
    note(path)
    cache.chmod(0o777)
    assert known(path) is None


def test_without_a_cache_files_are_read(tmp_path, path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(known_files, "_SETTLED_S", -1)
    assert note(path)
    assert known(path) is None


def test_the_latest_are_kept(cache, path, monkeypatch):
    monkeypatch.setattr(known_files, "_MOST_FILES", 2)
    options = [{}, {"features": "X", "targets": "y"}, {"features": "z", "targets": "y"}]
    for option in options:
        note(path, **option)
    assert [known(path, **option) is not None for option in options] == [False, True, True]
