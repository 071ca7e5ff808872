"""Small files of users: plain ones only, without waiting, up to a size."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ddp_mlp.errors import MissingInputError, UsageError
from ddp_mlp.small_files import read_small


def test_plain_files_and_links_to_them(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("c.toml")
    for name in ("c.toml", "link"):
        assert read_small(tmp_path / name, 5, "configuration file") == b"12345"
    with pytest.raises(UsageError, match=r"c\.toml: 0\.0 MiB, but a configuration file has .* at most"):
        read_small(tmp_path / "c.toml", 4, "configuration file")


def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UsageError, match=r"1,048,576\.0 MiB, but a hostfile has 1 MiB at most"):
        read_small(tmp_path / "large", 2**20, "hostfile")


def test_what_is_no_plain_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, phrase in (
            (tmp_path / "pipe", "cannot be read as a thing: a named pipe"),
            (tmp_path, "cannot be read as a thing: a directory"),
            (tmp_path / "socket", "cannot be read as a thing: (a socket|No such device)"),
            (Path("/dev/zero"), "cannot be read as a thing: a device"),
            (tmp_path / "nothing", "no such thing"),
            (tmp_path / "loop", "cannot be read as a thing: Too many levels"),
            (tmp_path / ("x" * 100_000), "cannot be read as a thing: File name too long"),
            (Path("a\0b"), "cannot be the path of a thing"),
        ):
            with pytest.raises(MissingInputError, match=phrase) as caught:
                read_small(path, 10, "thing")
            assert len(str(caught.value)) < 1000
