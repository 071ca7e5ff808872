"""The cache of machine code: private, whole or absent, and nothing of killed processes in it for long."""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.core.kernels.numba_ext import cache

CODE = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep caches in a directory of the test; there is no other place to write to."""
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", str(tmp_path / "caches"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "nowhere" / "at" / "all"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nowhere"))
    (tmp_path / "nowhere").write_text("a file is in the way")
    return tmp_path / "caches"


def kept(dtype: str = "float32") -> Path:
    path = cache.keep_code(dtype, CODE)
    assert path is not None
    return path


def test_what_was_kept_is_read(root: Path) -> None:
    assert cache.read_code("float32") is None
    path = kept()
    assert cache.read_code("float32") == CODE
    assert list(root.iterdir()) == [path], "nothing temporary is left"
    assert (root.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_each_dtype_has_its_own() -> None:
    kept()
    assert cache.read_code("float64") is None


def test_every_truncation_and_addition_is_refused() -> None:
    path = kept()
    content = path.read_bytes()
    for wrong in [*(content[:n] for n in (0, 1, 31, 32, 33, 1000, len(content) - 1)), content + b"\0", content * 2]:
        path.write_bytes(wrong)
        assert cache.read_code("float32") is None


def test_every_flipped_bit_is_refused() -> None:
    path = kept()
    content = path.read_bytes()
    for at in [*range(64), *range(64, len(content), 997)]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        assert cache.read_code("float32") is None


def test_code_under_the_name_of_other_code_is_refused(root: Path) -> None:
    """It would be whole, and for other types."""
    kept("float64").rename(kept("float32"))
    assert cache.read_code("float32") is None


def test_a_damaged_one_is_replaced(root: Path) -> None:
    path = kept()
    path.write_bytes(b"")
    assert kept() == path
    assert cache.read_code("float32") == CODE
    assert list(root.iterdir()) == [path]


def test_no_link_pipe_or_directory_is_taken_for_code(root: Path, tmp_path: Path) -> None:
    path = kept()
    elsewhere = path.rename(tmp_path / path.name)
    for make in (lambda: path.symlink_to(elsewhere), lambda: os.mkfifo(path), path.mkdir):
        make()
        assert cache.read_code("float32") is None
        assert kept() == path, "it is replaced"
        assert cache.read_code("float32") == CODE
        path.unlink()
    assert elsewhere.read_bytes()[32:] == CODE, "a link is not followed"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_directory_that_others_can_write_is_not_used(root: Path, mode: int) -> None:
    """Whoever can write there could have this process run their machine code."""
    kept()
    root.chmod(mode)
    assert cache.read_code("float32") is None
    assert cache.keep_code("float32", CODE) is None


def test_a_file_that_others_can_write_is_not_used() -> None:
    kept().chmod(0o620)
    assert cache.read_code("float32") is None


def test_what_belongs_to_another_user_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept()
    if root.stat().st_uid == 0:
        for path in (root, *root.iterdir()):
            os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert cache.read_code("float32") is None
    assert cache.keep_code("float32", CODE) is None


def test_a_cache_that_cannot_be_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so where it runs the tests it is another user meanwhile, who reads what is root's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's directories are closed to others
        Path(folder).chmod(0o755)
        monkeypatch.setenv("DDP_MLP_CACHE_DIR", f"{folder}/caches")
        kept().chmod(0o444)
        (Path(folder) / "caches").chmod(0o555)
        user, name = os.geteuid(), cache.file_name("float32")
        monkeypatch.setattr(cache, "file_name", lambda _dtype: name)  # another user may not be able to read the sources
        os.seteuid(user or 12345)
        try:
            assert cache.read_code("float32") == CODE
            assert cache.keep_code("float32", CODE) is None
        finally:
            os.seteuid(user)
            (Path(folder) / "caches").chmod(0o755)


def test_what_a_shared_cache_lacks_is_kept_by_the_user(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it belongs to others, whom nobody has to trust; to root, and closed, it would be read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    root.mkdir()
    root.chmod(0o777)
    path = kept()
    assert path.parent == tmp_path / "own/ddp-mlp"
    assert cache.read_code("float32") == CODE
    root.chmod(0o755)
    assert kept().parent == root, "it is the first choice"


@pytest.mark.parametrize(("directory", "file"), [(0o700, 0o600), (0o750, 0o640), (0o755, 0o644), (0o711, 0o600)])
def test_who_can_list_the_cache_can_read_it(root: Path, directory: int, file: int) -> None:
    root.mkdir()
    root.chmod(directory)
    assert kept().stat().st_mode & 0o777 == file
    assert cache.read_code("float32") == CODE


def test_who_has_installed_the_program_is_trusted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns its files can have it run anything anyway."""
    kept()
    owner = root.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    if owner == Path(cache.__file__).stat().st_uid:
        assert cache.read_code("float32") == CODE


@pytest.mark.parametrize("obstacle", ["a file", "read-only", "no home", "full"])
def test_where_the_cache_cannot_be_there_is_one_in_tmp(
    obstacle: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    if obstacle == "a file":
        root.write_text("")
    elif obstacle == "no home":
        monkeypatch.delenv("DDP_MLP_CACHE_DIR")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        under_way = cache.under_way
        number = {"read-only": errno.EROFS, "full": errno.ENOSPC}[obstacle]

        def refusing(path: Path) -> Any:
            if path.parent == root:
                raise OSError(number, os.strerror(number))
            return under_way(path)

        monkeypatch.setattr(cache, "under_way", refusing)
    path = kept()
    assert path.parent == tmp_path / f"ddp-mlp-{os.getuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert cache.read_code("float32") == CODE


def test_a_trap_in_tmp_is_not_used(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There everybody may make what has the name of another's cache."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    root.write_text("a file is in the way")
    mine, trap = tmp_path / "mine", tmp_path / f"ddp-mlp-{os.getuid()}"
    mine.mkdir(mode=0o700)
    trap.symlink_to(mine)
    assert cache.keep_code("float32", CODE) is None
    trap.unlink()
    trap.mkdir()
    trap.chmod(0o777)
    assert cache.keep_code("float32", CODE) is None
    assert list(mine.iterdir()) == list(trap.iterdir()) == []


def test_a_disk_that_becomes_full_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert cache.keep_code("float32", CODE) is None
    assert list(root.iterdir()) == []
    assert cache.read_code("float32") is None


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o077])
def test_no_umask_opens_or_closes_it(root: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        path = kept()
    finally:
        os.umask(before)
    assert (root.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    assert cache.read_code("float32") == CODE


def test_leftovers_of_killed_processes_go_when_nobody_can_use_them_any_more(root: Path) -> None:
    root.mkdir(mode=0o700)
    old, new = time.time() - 100_000, time.time() - 3_600  # that of a live process on another host
    for name in (".staging-", ".damaged-", ".kernels-"):
        for age in (old, new):
            directory, file = root / f"{name}{age:.0f}-directory", root / f"{name}{age:.0f}-file"
            directory.mkdir()
            (directory / "step.nbi").write_bytes(b"")
            file.write_bytes(b"")
            for path in (directory, file):
                os.utime(path, (age, age))
    for other in ("layout-0.json", ".layout-1"):
        (root / other).write_text("")
        os.utime(root / other, (old, old))
    path = kept()
    left = {found.name for found in root.iterdir()} - {path.name, "layout-0.json", ".layout-1"}
    names = (".staging-", ".damaged-", ".kernels-")
    assert left == {f"{name}{new:.0f}-{kind}" for name in names for kind in ("directory", "file")}


def test_the_last_used_are_kept(root: Path) -> None:
    root.mkdir(mode=0o700)
    for i in range(20):
        other = root / f"kernels-float64-{i:02d}"
        other.mkdir() if i % 2 else other.write_bytes(b"")  # directories are of earlier versions
        os.utime(other, (i, i))
    path = kept()
    assert {found.name for found in root.iterdir()} == {path.name, *(f"kernels-float64-{i:02d}" for i in range(5, 20))}


def test_reading_counts_as_use() -> None:
    path = kept()
    os.utime(path, (0, 0))
    cache.read_code("float32")
    assert path.stat().st_mtime > 1


def test_readers_see_all_or_nothing_while_others_write() -> None:
    kept()
    writers = [threading.Thread(target=lambda: [cache.keep_code("float32", CODE) for _ in range(30)]) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert cache.read_code("float32") == CODE
    assert cache.read_code("float32") == CODE


def test_kernels_of_a_wheel_are_read_where_they_fit_and_never_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / cache.PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(package.parent))
    assert list(cache.packaged()) == [package]
    path = kept().rename(package / cache.file_name("float32"))
    os.utime(path, (1, 1))
    assert cache.read_code("float32") == CODE
    assert path.stat().st_mtime == 1
    assert cache.read_code("float64") is None
    package.chmod(0o777)
    assert cache.read_code("float32") is None, "others could have written it"
    package.chmod(0o755)
    for change in ({"version": lambda name: f"another {name}"}, {"code_target": lambda: ("another", "CPU")}):
        with monkeypatch.context() as patched:
            for name, value in change.items():
                patched.setattr(cache, name, value)
            assert cache.read_code("float32") is None
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert cache.read_code("float32") is None, "it was changed"
    assert cache.keep_code("float32", CODE) == root / path.name
    assert path.read_bytes() == content[:-1] + b"?"


def test_releases_of_one_python_have_the_same_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    here = cache.file_name("float32")
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.1")
    assert cache.file_name("float32") == here
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    assert cache.file_name("float32") != here


def test_the_name_tells_what_the_code_depends_on_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def named_with(*options: str, **environment: str) -> str:
        code = "from ddp_mlp.core.kernels.numba_ext.cache import file_name; print(file_name('float32'))"
        command = [sys.executable, *options, "-c", code]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    here = cache.file_name("float32")
    assert re.fullmatch(r"kernels-float32-[0-9a-f]{20}", here)
    assert named_with("-OO", NUMBA_CACHE_DIR="/nowhere", NUMBA_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1") == here
    names = [here, cache.file_name("float64"), named_with(NUMBA_OPT="2"), named_with(NUMBA_CPU_NAME="haswell")]
    monkeypatch.setattr(cache, "version", lambda package: f"another {package}")
    assert len({*names, cache.file_name("float32")}) == 5


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DDP_MLP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg/ddp-mlp"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / ".cache/ddp-mlp"
