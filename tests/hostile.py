"""What may stand at a name instead of a plain file of this user."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

#: A user who is not the one that runs the tests.
STRANGER = 65534


def _link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def _dangling(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("absent"))


def _loop(path: Path, _: Path) -> None:
    path.symlink_to(path.name)


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path, _: Path) -> None:
    """Bind a socket by a short name: addresses of sockets are at most 108 bytes long."""
    with socket.socket(socket.AF_UNIX) as bound:
        folder = os.open(path.parent, os.O_RDONLY)
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def _directory(path: Path, _: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"kept")


def _second_name(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def _of_a_stranger(path: Path, _: Path) -> None:
    path.write_bytes(b"of a stranger\n")
    os.chown(path, STRANGER, STRANGER)


#: How to make each, beside a file that it may lead to.
THINGS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic link": _link,
    "dangling link": _dangling,
    "loop": _loop,
    "named pipe": _pipe,
    "socket": _socket,
    "directory": _directory,
    "hard link": _second_name,
}
if os.geteuid() == 0:  # nobody else may give files away
    THINGS["another user's"] = _of_a_stranger
