"""The one way to write files whole or not at all, to append to them, and to remove them.

A whole file is written under a temporary name, forced to disk, renamed, and its directory
forced to disk, so that at any time its name shows all of the old content or all of the new
one. In directories of the program's own nothing is written through a link, into a pipe or a
device, or into a file of someone else or with a second name. All calls go through a
descriptor of the directory, so that nobody exchanges it in between.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ddp_mlp.errors import OutputError, StorageError
from ddp_mlp.plain_files import CAREFULLY, NotPlainError, foreign, kind_of, linked, open_own, refuse

#: Called directly before something changes; raises if it must not.
Check = Callable[[], None]

_KEPT = 50  # characters of a name that its temporary name keeps, so that no name becomes too long


def unchecked() -> None:
    """Allow every change: the `Check` of files that have no other writer."""


def write_whole(path: Path, content: bytes, check: Check = unchecked) -> None:
    """Put `content` at `path`, durably, or leave the file as it was.

    Parameters
    ----------
    check : callable
        Called before anything is written, and again directly before the rename.

    Raises
    ------
    OutputError
        If something other than a plain file of this user has the name; or what `check` raises.
    StorageError
        If a system call fails. The temporary file is removed in any case.
    """
    with writing_errors(path), _folder(path.parent) as folder:
        _refuse_at(path.name, folder)
        check()
        with _taking_the_name(path.name, folder, check) as temporary:
            _write_new(temporary, content, folder)


def write_chosen(path: Path, content: bytes) -> None:
    """Put `content` where a user wants it, durably, or leave the file as it was; see `destination`.

    Raises
    ------
    OutputError, StorageError
        As `destination` and `write_whole`.
    """
    target = destination(path)
    with (
        writing_errors(path),
        _folder(target.parent) as folder,
        _taking_the_name(target.name, folder, unchecked) as temporary,
    ):
        _write_new(temporary, content, folder)


@contextmanager
def under_way(path: Path, check: Check = unchecked) -> Iterator[Path]:
    """Provide a new name beside `path`; the file written there takes the name `path` when the block ends.

    If the block or `check`, which is called directly before the rename, raises, it is removed.

    Raises
    ------
    OSError
        If a system call fails.
    """
    with _folder(path.parent) as folder, _taking_the_name(path.name, folder, check) as temporary:
        yield path.with_name(temporary)
        descriptor = os.open(temporary, os.O_RDWR | CAREFULLY, dir_fd=folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def destination(path: Path) -> Path:
    """Return the file that an output of a user's choice is: its links are followed, wherever they lead.

    Raises
    ------
    OutputError
        If it is a directory, a pipe or a device, or its directory is not there or closed to this user.
    """
    try:
        if kind := kind_of(path.stat()):
            raise OutputError(f"{path}: {kind}; give the name of a file to write")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); write elsewhere") from None
    target = path.resolve()
    if not os.access(target.parent, os.W_OK | os.X_OK):
        problem = "you may not write to the" if target.parent.is_dir() else "there is no"
        raise OutputError(f"{path}: {problem} directory {target.parent}; write elsewhere")
    return target


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise unless an output of a user's choice can be written to `path`, before the work for it begins.

    Raises
    ------
    OutputError
        If the file exists and `force` is False, or as `destination`.
    """
    if destination(path).exists() and not force:
        raise OutputError(f"{path} exists; choose another name or give --force")


def append_lines(path: Path, lines: str, check: Check = unchecked) -> None:
    """Append to a text file, which is made if need be; what is appended is not forced to disk.

    Parameters
    ----------
    lines : str
        Lines with their ends. A last line that a crash or a full disk has cut short is ended before.
    check : callable
        Called before the file is made, and again directly before it grows.

    Raises
    ------
    OutputError
        If something other than a plain file of this user, without a second name, is there; or
        what `check` raises.
    StorageError
        If a system call fails; part of the lines may have been written.
    """
    with writing_errors(path), _folder(path.parent) as folder:
        check()
        descriptor = open_own(path.name, os.O_RDWR | os.O_APPEND | os.O_CREAT, folder)
        try:
            size = os.fstat(descriptor).st_size
            is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            check()
            _write_all(descriptor, ("\n" * is_cut + lines).encode(errors="backslashreplace"))
        finally:
            os.close(descriptor)


def set_aside(path: Path, check: Check = unchecked) -> Path:
    """Give the file at `path` another name beside it, and return that.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    names = (path.with_name(f"{path.stem}.set-aside-{n}{path.suffix}") for n in itertools.count(1))
    free = next(name for name in names if not os.path.lexists(name))
    check()
    return path.rename(free)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to disk."""
    with _folder(path) as folder:
        os.fsync(folder)


def remove(path: Path, check: Check = unchecked) -> None:
    """Remove a name from its directory; what it leads to stays.

    Raises
    ------
    OSError
        If it cannot be removed.
    """
    with _folder(path.parent) as folder:
        check()
        os.unlink(path.name, dir_fd=folder)


def refuse_at(path: Path, *, grows: bool = False) -> None:
    """Raise OutputError unless a file can be put at `path`; one that `grows` may have no second name there."""
    with writing_errors(path), _folder(path.parent) as folder:
        _refuse_at(path.name, folder, grows=grows)


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system into those of the user: OutputError for what is no plain file, else StorageError."""
    try:
        yield
    except NotPlainError as error:
        raise OutputError(
            f"{path}: {error.strerror}, where a plain file of yours belongs; it was left as it is: "
            "move it away, or write elsewhere"
        ) from None
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _taking_the_name(name: str, folder: int, check: Check) -> Iterator[str]:
    """Provide a temporary name; its file becomes `name` when the block ends, and goes if anything fails."""
    temporary = f".{name[:_KEPT]}.{uuid.uuid4().hex}.tmp"
    try:
        yield temporary
        check()
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _write_new(name: str, content: bytes, folder: int) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | CAREFULLY, 0o666, dir_fd=folder)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _refuse_at(name: str, folder: int, *, grows: bool = False) -> None:
    with suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        refuse(kind_of(status) or foreign(status, folder) or (linked(status) if grows else ""))
