"""The cache of compiled kernels: private, complete or absent. A stand-in plays the compiler."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import numba
import pytest

from ddp_mlp.core.kernels import cache


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep caches in a directory of the test, and Numba's setting as it was."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("DDP_MLP_CACHE_DIR", str(tmp_path / "caches"))
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", numba.core.config.CACHE_DIR)
    return tmp_path / "caches"


def in_use() -> Path:
    return Path(numba.core.config.CACHE_DIR)


def compile_pretended() -> None:
    """Leave what Numba leaves: files in a directory of the one it was told."""
    (in_use() / "kernels_1").mkdir()
    (in_use() / "kernels_1/step.nbi").write_bytes(b"index")
    (in_use() / "kernels_1/step.1.nbc").write_bytes(b"machine code")


def filled(root: Path) -> Path:
    cache.fill_cache("float32", compile_pretended)
    (directory,) = root.glob("kernels-float32-*")
    return directory


def test_a_filled_cache_is_used(root: Path) -> None:
    assert not cache.use_cache("float32")
    directory = filled(root)
    assert in_use() != directory, "the process that compiles has used the staging directory"
    assert cache.use_cache("float32")
    assert in_use() == directory
    assert [path.name for path in root.iterdir()] == [directory.name], "nothing temporary is left"


def test_each_dtype_has_its_own(root: Path) -> None:
    filled(root)
    assert not cache.use_cache("float64")


@pytest.mark.parametrize("content", [b"", b"machine c0de", b"machine code "])
def test_damaged_file_is_refused(root: Path, content: bytes) -> None:
    (filled(root) / "kernels_1/step.1.nbc").write_bytes(content)
    before = in_use()
    assert not cache.use_cache("float32")
    assert in_use() == before


def test_missing_file_is_refused(root: Path) -> None:
    (filled(root) / "kernels_1/step.1.nbc").unlink()
    assert not cache.use_cache("float32")


def test_added_file_is_refused(root: Path) -> None:
    (filled(root) / "kernels_1/step.2.nbc").write_bytes(b"not ours")
    assert not cache.use_cache("float32")


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", "{}", '{"kernels_1/step.nbi": ""}'])
def test_missing_or_damaged_manifest_is_refused(root: Path, manifest: str | None) -> None:
    path = filled(root) / "manifest.json"
    if manifest is None:
        path.unlink()
    else:
        path.write_text(manifest)
    assert not cache.use_cache("float32")


def test_damaged_cache_is_replaced(root: Path) -> None:
    directory = filled(root)
    (directory / "kernels_1/step.1.nbc").write_bytes(b"")
    assert filled(root) == directory
    assert cache.use_cache("float32")
    assert [path.name for path in root.iterdir()] == [directory.name]


def test_a_good_cache_is_never_replaced(root: Path) -> None:
    """Another process may be loading from it: the slower of two compilers throws its work away."""
    directory = filled(root)
    inode = directory.stat().st_ino
    cache.fill_cache("float32", lambda: (in_use() / "other.nbc").write_bytes(b"other") and None)
    assert directory.stat().st_ino == inode
    assert cache.use_cache("float32")
    assert not (directory / "other.nbc").exists()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_directory_that_others_can_write_is_not_used(root: Path, mode: int) -> None:
    """Whoever can write there could have this process run their machine code."""
    filled(root)
    root.chmod(mode)
    assert not cache.use_cache("float32")
    compiled = []
    cache.fill_cache("float32", lambda: compiled.append(in_use()))
    assert compiled, "kernels are compiled for this process alone"
    assert root not in compiled[0].parents
    assert not compiled[0].exists()


def test_directory_of_another_user_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(root)
    monkeypatch.setattr(os, "getuid", lambda: root.stat().st_uid + 1)
    assert not cache.use_cache("float32")


def test_new_directory_is_private(root: Path) -> None:
    filled(root)
    assert root.stat().st_mode & 0o777 == 0o700


def test_directory_that_cannot_be_made_is_no_error(root: Path) -> None:
    root.write_text("a file is in the way")
    assert not cache.use_cache("float32")
    compiled = []
    cache.fill_cache("float32", lambda: compiled.append(True))
    assert compiled == [True]


def test_full_disk_costs_the_cache_and_not_the_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        cache.fill_cache("float32", compile_pretended)
    assert list(root.iterdir()) == []
    assert not cache.use_cache("float32")


def test_full_disk_before_compiling_costs_the_cache_and_not_the_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **named: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    compiled = []
    cache.fill_cache("float32", lambda: compiled.append(True))
    assert compiled == [True]


def test_failed_compilation_leaves_nothing(root: Path) -> None:
    def fail() -> None:
        compile_pretended()
        raise RuntimeError("the compiler failed")

    with pytest.raises(RuntimeError, match="the compiler failed"):
        cache.fill_cache("float32", fail)
    assert list(root.iterdir()) == []


def test_six_others_are_kept(root: Path) -> None:
    for i in range(9):
        other = root / f"kernels-float64-{i}"
        other.mkdir(parents=True, mode=0o700)
        (other / "manifest.json").write_text(json.dumps({}))
        os.utime(other, (i, i))
    root.chmod(0o700)
    directory = filled(root)
    kept = {path.name for path in root.iterdir()}
    assert kept == {directory.name, *(f"kernels-float64-{i}" for i in range(4, 9))}


def test_the_name_tells_what_the_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {cache._key("float32"), cache._key("float64")}
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    names.add(cache._key("float32"))
    monkeypatch.setattr(cache, "version", lambda package: f"another {package}")
    names.add(cache._key("float32"))
    assert len(names) == 4


def test_the_users_own_cache_is_left_to_the_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    before = in_use()
    assert cache.use_cache("float32")
    assert in_use() == before


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DDP_MLP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg/ddp-mlp"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / ".cache/ddp-mlp"
