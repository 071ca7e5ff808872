"""Opening plain files: at once, through no link unless asked to, and no more of them than there is room for."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ddp_mlp import plain_files
from ddp_mlp.plain_files import NotPlainError, leads_to_a_stranger, open_own, open_plain, read_lines, read_whole
from tests.hostile import STRANGER, THINGS

#: A directory is not in the way of its user's other names, and files of strangers may be read.
READABLE = {"hard link", "another user's"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.write_bytes(b"of somebody else\n")
    return path


@pytest.mark.parametrize("kind", THINGS)
def test_only_plain_files_are_read(tmp_path: Path, target: Path, kind: str) -> None:
    path = tmp_path / "name"
    THINGS[kind](path, target)
    if kind in READABLE:
        assert read_whole(path, 100).endswith(b"\n")
        return
    for read in (lambda: read_whole(path, 100), lambda: list(read_lines(path))):
        with pytest.raises(NotPlainError) as caught:
            read()
        assert str(caught.value.strerror).startswith("a ")


@pytest.mark.parametrize("kind", THINGS)
def test_only_own_files_of_one_name_are_changed(tmp_path: Path, target: Path, kind: str) -> None:
    path = tmp_path / "name"
    THINGS[kind](path, target)
    before = {p.name: p.lstat() for p in tmp_path.iterdir()}
    with pytest.raises(NotPlainError):
        open_own(path, os.O_RDWR | os.O_CREAT)
    assert {p.name: p.lstat()[:8] for p in tmp_path.iterdir()} == {name: found[:8] for name, found in before.items()}


def test_devices_are_refused() -> None:
    with pytest.raises(NotPlainError, match="a device"):
        read_whole(Path(os.devnull), 10)


def test_a_link_is_followed_where_that_is_asked_for(tmp_path: Path, target: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    with open_plain(tmp_path / "link", follow=True) as file:
        assert file.read() == b"of somebody else\n"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    with pytest.raises(NotPlainError, match="a named pipe"), open_plain(tmp_path / "to-pipe", follow=True):
        pass
    with pytest.raises(FileNotFoundError):
        read_whole(tmp_path / "absent", 10)


def test_files_without_end_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(NotPlainError, match="longer than 10 bytes"):
        read_whole(path, 10)
    with pytest.raises(NotPlainError, match="a line of more than"):
        list(read_lines(path))
    path.write_bytes(b"a\nb\xff")
    assert list(read_lines(path)) == ["a\n", "b\ufffd"]


def test_a_program_that_is_started_inherits_nothing(tmp_path: Path, target: Path) -> None:
    with open_plain(target) as file:
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_system_that_gives_all_files_to_one_user(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS does with `all_squash`: what is made there belongs to that user too."""
    os.chown(target, STRANGER, STRANGER)
    monkeypatch.setattr(plain_files, "_owner_of_new_files", lambda _: STRANGER)
    os.close(open_own(target, os.O_RDWR))
    monkeypatch.undo()
    with pytest.raises(NotPlainError, match=rf"another user \(uid {STRANGER}\)"):
        open_own(target, os.O_RDWR)
    assert [path.name for path in tmp_path.iterdir()] == ["target"], "it was tried with a file that is gone"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_links_to_directories_of_their_own_user_are_known(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    assert not leads_to_a_stranger(tmp_path / "link")
    assert not leads_to_a_stranger(tmp_path / "disk")
    os.chown(tmp_path / "link", STRANGER, STRANGER, follow_symlinks=False)
    assert leads_to_a_stranger(tmp_path / "link")
    os.chown(tmp_path / "disk", STRANGER, STRANGER)
    assert not leads_to_a_stranger(tmp_path / "link")
    assert not leads_to_a_stranger(tmp_path / "disk")
