"""Durable files: whole or not at all, whatever fails, and nothing beside them is touched."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ddp_mlp.durable import (
    append_lines,
    destination,
    refuse_at,
    refuse_existing,
    remove,
    under_way,
    write_chosen,
    write_whole,
)
from ddp_mlp.errors import OutputError, StorageError
from tests.hostile import THINGS

Write = Callable[[Path, bytes], None]


def write_under_way(path: Path, content: bytes) -> None:
    with under_way(path) as temporary:
        temporary.write_bytes(content)


@pytest.fixture(params=[write_whole, write_chosen])
def write(request: pytest.FixtureRequest) -> Write:
    return request.param


def fail(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, call: str
) -> None:
    path = tmp_path / "file.csv"
    write(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(StorageError, match=r"file\.csv: cannot write: No space left on device"):
            write(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.csv"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_file_under_way_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file.h5"
    write_under_way(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space left on device"):
            write_under_way(path, b"new")
    with suppress(KeyError), under_way(path) as temporary:
        temporary.write_bytes(b"half of i")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.h5"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_write_that_fails_halfway_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exists: bool
) -> None:
    path, write, calls = tmp_path / "file.h5", os.write, []

    def write_once(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        return write(descriptor, data[:10]) if len(calls) == 1 else fail()

    if exists:
        path.write_bytes(b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_once)
        with pytest.raises(StorageError):
            write_whole(path, bytes(100))
    assert calls == [100, 90]
    assert [p.name for p in tmp_path.iterdir()] == ["file.h5"] * exists


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_whole(tmp_path / "file", bytes(range(100)))
    assert (tmp_path / "file").read_bytes() == bytes(range(100))
    append_lines(tmp_path / "lines", "a line that is not so short\n")
    assert (tmp_path / "lines").read_text() == "a line that is not so short\n"


@pytest.mark.parametrize("write", [write_whole, write_chosen, write_under_way])
def test_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """Content, then name, then directory: in any other order a power cut can leave an empty file."""
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def note_rename(source: str, to: str, **folders: int) -> None:
        events.append("rename")
        rename(source, to, **folders)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    write(tmp_path / "file", b"content")
    assert events[0].startswith(".file.")
    assert events[1:] == ["rename", tmp_path.name]


def test_files_obey_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", b"")
        write_chosen(tmp_path / "b", b"")
        append_lines(tmp_path / "c", "")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_the_longest_names_and_relative_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x" * 255, "ü" * 127, os.fsdecode(b"\xff\xfe" * 60)):
        write_whole(Path(name), b"content")
        assert Path(name).read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 3


def test_no_file_in_a_missing_directory(tmp_path: Path, write: Write) -> None:
    problem = "there is no directory" if write is write_chosen else "No such file or directory"
    with pytest.raises(OutputError if write is write_chosen else StorageError, match=problem):
        write(tmp_path / "absent/file", b"")
    with pytest.raises(StorageError, match="No such file or directory"):
        append_lines(tmp_path / "absent/file", "")


@pytest.mark.parametrize("write", [write_chosen, lambda path, _: refuse_existing(path, force=True)])
def test_a_directory_that_is_closed_is_no_place_for_an_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path.resolve())  # root may write everywhere
    with pytest.raises(OutputError, match=r"out\.csv: you may not write to the directory .*; write elsewhere"):
        write(tmp_path / "out.csv", b"")


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that a change to a directory would change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (
            status.st_ino,
            status.st_mode,
            status.st_nlink,
            status.st_mtime_ns,
            content,
        )
    return found


@pytest.mark.parametrize("kind", THINGS)
def test_nothing_is_written_through_what_is_no_plain_file(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "file", tmp_path / "target"
    target.write_bytes(b"of somebody else")
    THINGS[kind](path, target)
    before = tree(tmp_path)
    writes: list[Callable[[], None]] = [
        lambda: append_lines(path, "a line\n"),
        lambda: refuse_at(path, grows=True),
    ]
    if kind != "hard link":  # of which the other name stays as it is
        writes += [lambda: write_whole(path, b"new"), lambda: refuse_at(path)]
    for write in writes:
        with pytest.raises(OutputError, match=r"file: an? .*, where a plain file of yours belongs") as caught:
            write()
        assert "\n" not in str(caught.value)
        assert tree(tmp_path) == before


def test_a_second_name_keeps_the_old_content(tmp_path: Path) -> None:
    """A backup of hard links is not changed by what a run writes later."""
    (tmp_path / "backup").write_bytes(b"old")
    (tmp_path / "file").hardlink_to(tmp_path / "backup")
    write_whole(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), (tmp_path / "backup").read_bytes()) == (b"new", b"old")


def test_a_user_may_write_through_links_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("present", "absent"):
        (tmp_path / name).symlink_to(f"disk/{name}")
    (tmp_path / "disk/present").write_bytes(b"old")
    for name in ("present", "absent"):
        write_chosen(tmp_path / name, b"new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "disk" / name).read_bytes() == b"new"
    assert len(list((tmp_path / "disk").iterdir())) == 2


@pytest.mark.parametrize("kind", ["loop", "named pipe", "socket", "directory"])
def test_a_user_cannot_write_what_is_no_file(tmp_path: Path, kind: str) -> None:
    THINGS[kind](tmp_path / "file", tmp_path / "target")
    (tmp_path / "link").symlink_to("file")
    before = tree(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(OutputError, match=f"{name}: "):
            write_chosen(tmp_path / name, b"new")
    assert tree(tmp_path) == before


def test_devices_and_pipes_of_a_shell_are_no_destination() -> None:
    """As ``--out /dev/stdout | ...``: a pipe has no content that could be replaced as a whole."""
    reader, writer = os.pipe()
    try:
        for name in ("/dev/null", "/dev/full", f"/dev/fd/{writer}"):
            with pytest.raises(OutputError, match=f"{name}: a"):
                destination(Path(name))
    finally:
        os.close(reader)
        os.close(writer)


class Lost:
    """A check that lets so many changes pass."""

    def __init__(self, passes: int) -> None:
        self.left = passes

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OutputError("taken over")


@pytest.mark.parametrize("passes", [0, 1])
def test_what_is_lost_meanwhile_is_not_written(tmp_path: Path, passes: int) -> None:
    """The check comes first, and once more directly before anything is to be seen."""
    (tmp_path / "file").write_bytes(b"old\n")
    before = tree(tmp_path)
    for write in (
        lambda: write_whole(tmp_path / "file", b"new", Lost(passes)),
        lambda: append_lines(tmp_path / "file", "new\n", Lost(passes)),
    ):
        with pytest.raises(OutputError, match="taken over"):
            write()
        assert tree(tmp_path) == before
    with pytest.raises(OutputError, match="taken over"):
        remove(tmp_path / "file", Lost(0))
    assert tree(tmp_path) == before


def test_the_rename_follows_the_check_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing and forcing to disk may take minutes, so neither lies between them."""
    events: list[str] = []
    for call in ("open", "write", "fsync", "rename"):
        real = getattr(os, call)
        monkeypatch.setattr(os, call, lambda *a, real=real, call=call, **k: (events.append(call), real(*a, **k))[1])
    write_whole(tmp_path / "file", b"content", lambda: events.append("check"))
    assert events == ["open", "check", "open", "write", "fsync", "check", "rename", "fsync"]


def test_lines_are_appended_after_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    append_lines(path, "1\n")
    append_lines(path, "2\n")
    assert path.read_text() == "1\n2\n"
    path.write_text("1\n2")
    append_lines(path, "3\n")
    append_lines(path, "name \udcff, ü\n")
    assert path.read_text() == "1\n2\n3\nname \\udcff, ü\n"


def test_removing_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "file").symlink_to("target")
    remove(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    with pytest.raises(FileNotFoundError):
        remove(tmp_path / "file")
