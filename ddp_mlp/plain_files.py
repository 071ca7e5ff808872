"""Opening plain files, and nothing that only looks like one: no link, pipe or device, no file of another user.

Whatever is opened is opened without waiting and looked at before it is used, so that no
pipe makes a program hang and no link leads it out of the directory where it works.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, TypeVar

import msgspec

Kind = TypeVar("Kind")

#: Files that are opened so are there at once: links are not followed, and no pipe waits for its other end.
CAREFULLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_LONGEST_LINE = 2**20
#: msgspec looks at a type when it first meets it, and ends the process where two threads do so at once.
_DECODING = Lock()

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotPlainError(OSError):
    """Something other than a plain file of this user has a name; `strerror` says what."""

    def __init__(self, reason: str) -> None:
        OSError.__init__(self, errno.EPERM, reason)


@contextmanager
def open_plain(path: Path, *, follow: bool = False) -> Iterator[BinaryIO]:
    """Open a plain file of anybody for reading; with `follow` one that a link leads to.

    Raises
    ------
    NotPlainError
        If it is none.
    OSError
        If it cannot be opened.
    """
    flags = os.O_RDONLY | (CAREFULLY & ~os.O_NOFOLLOW if follow else CAREFULLY)
    with os.fdopen(_open_unless(kind_of, path, flags), "rb") as file:
        yield file


def read_whole(path: Path, most: int) -> bytes:
    """Return the content of a plain file of at most so many bytes; raises as `open_plain`."""
    with open_plain(path) as file:
        content = file.read(most + 1)
    refuse(f"longer than {most} bytes" if len(content) > most else "")
    return content


def linked(status: os.stat_result) -> str:
    """Return the objection that a file has more names than one, if so: text written into it would be seen elsewhere."""
    return f"a file of {status.st_nlink} names (hard links)" if status.st_nlink > 1 else ""


def read_json(path: Path, kind: type[Kind], most: int = 2**20) -> Kind | None:
    """Return the value in a JSON file of at most so many bytes; None if it is another kind. Raises as `open_plain`."""
    try:
        content = read_whole(path, most)
        with _DECODING:
            return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, another kind, or brackets without end
        return None


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a plain text file with their ends; raises as `open_plain`, and for a line without end."""
    with open_plain(path) as file:
        while line := file.readline(_LONGEST_LINE):
            refuse(f"a file with a line of more than {_LONGEST_LINE} bytes" if len(line) == _LONGEST_LINE else "")
            yield line.decode(errors="replace")


def open_own(name: str | Path, flags: int, folder: int | None = None) -> int:
    """Open a plain file of this user, which has no second name, to change it; return its descriptor.

    Parameters
    ----------
    folder : int or None
        Descriptor of the directory that `name` is relative to.

    Raises
    ------
    NotPlainError
        If it is none.
    OSError
        If it cannot be opened.
    """

    def reason(status: os.stat_result) -> str:
        return kind_of(status) or foreign(status, folder) or linked(status)

    return _open_unless(reason, name, flags | CAREFULLY, folder)


def refuse(reason: str) -> None:
    """Raise NotPlainError if there is a reason to."""
    if reason:
        raise NotPlainError(reason)


def kind_of(status: os.stat_result) -> str:
    """Return the kind of a file that is no plain one; empty for one that is."""
    if stat.S_ISREG(status.st_mode):
        return ""
    return next((name for tells, name in _KINDS if tells(status.st_mode)), "a special file")


def foreign(status: os.stat_result, folder: int | None) -> str:
    """Return whose a file in a directory is that belongs to another user; empty for one of ours.

    Some file systems give all files to one user, whoever makes them; those are ours too.
    """
    if status.st_uid == os.geteuid() or status.st_uid == _owner_of_new_files(folder):
        return ""
    return f"a file of another user (uid {status.st_uid})"


def is_directory(path: Path) -> bool:
    """Tell whether a path is seen to be a directory, or a link to one."""
    with suppress(OSError, ValueError):
        return stat.S_ISDIR(path.stat().st_mode)
    return False


def leads_to_a_stranger(directory: Path) -> bool:
    """Tell whether a directory is a link of one user to a directory of another.

    Users link whole directories to other file systems, and such links are followed; one that
    leads into the files of somebody else than its maker is not.

    Raises
    ------
    OSError
        If it leads nowhere.
    """
    link = directory.lstat()
    return stat.S_ISLNK(link.st_mode) and link.st_uid != directory.stat().st_uid


def _owner_of_new_files(folder: int | None) -> int:
    """Return the user whom a new file in a directory belongs to; -1 if none can be made."""
    name = f".owner.{uuid.uuid4().hex}.tmp"
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | CAREFULLY, 0o600, dir_fd=folder)
        try:
            return os.fstat(descriptor).st_uid
        finally:
            os.close(descriptor)
            os.unlink(name, dir_fd=folder)
    except OSError:
        return -1


def _open_unless(
    reason: Callable[[os.stat_result], str], name: str | Path, flags: int, folder: int | None = None
) -> int:
    """Open a file and return its descriptor, unless there is a reason against what it turns out to be."""
    descriptor = _open(name, flags, folder)
    try:
        refuse(reason(os.fstat(descriptor)))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(name: str | Path, flags: int, folder: int | None = None) -> int:
    """Open a file; where the system refuses because of what it is, say what it is."""
    try:
        return os.open(name, flags, 0o666, dir_fd=folder)
    except OSError:
        if flags & os.O_NOFOLLOW:
            with suppress(FileNotFoundError, PermissionError):
                refuse(kind_of(os.stat(name, dir_fd=folder, follow_symlinks=False)))
        raise
