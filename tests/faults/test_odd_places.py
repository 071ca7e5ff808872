"""Odd environments: each command works there, or says in one line why not."""

from __future__ import annotations

import importlib
import os
import pwd
import resource
import sys

import h5py
import pytest

from tests.warm import command

CONFIG = '[data]\ntrain = "m.h5"\n'
DRY = ("train", "c.toml", "--dry-run")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def closed(*descriptors):
    return lambda: [os.close(descriptor) for descriptor in descriptors]


def to_nobody():
    """Let standard output be a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def to_a_full_disk(descriptor):
    return lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_cost_what_would_be_said_and_nothing_else(folder, descriptors):
    assert command(*DRY, cwd=folder, prepare=closed(*descriptors)).code == 0
    missing = command("data", "inspect", "no.h5", cwd=folder, prepare=closed(*descriptors))
    assert (missing.code, len(missing.error_lines)) == (66, 0 if 2 in descriptors else 1)
    made = command("data", "make", "xor", "--out", "x.h5", cwd=folder, prepare=closed(*descriptors))
    assert made.code == 0
    with h5py.File(folder / "x.h5") as file:  # no print has come into it
        assert len(file["train/features"]) > 0


def test_a_reader_that_has_left_ends_nothing(folder):
    ended = command(*DRY, cwd=folder, prepare=to_nobody)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert command("data", "inspect", "no.h5", cwd=folder, prepare=to_nobody).code == 66


def test_a_result_that_cannot_be_written_is_said_and_lines_that_cannot_are_not(folder):
    ended = command(*DRY, cwd=folder, prepare=to_a_full_disk(1))
    assert (ended.code, ended.error_lines) == (74, ["error: standard output: No space left on device"])
    assert command(*DRY, cwd=folder, prepare=to_a_full_disk(2)).code == 0


def test_a_user_without_a_name_and_a_home(folder):
    def unknown(_user):
        raise KeyError("no such user")

    def prepare():
        os.environ.pop("HOME", None)
        pwd.getpwuid = unknown

    assert command(*DRY, cwd=folder, prepare=prepare).code == 0
    for path in ("~/x.h5", "~nobody-here/x.h5"):
        ended = command(*DRY, "--set", f"data.train={path}", cwd=folder, prepare=prepare)
        assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended
        assert "whose home that is is not known" in ended.err


def test_names_that_are_no_utf8(folder):
    (folder / os.fsdecode(b"caf\xe9.toml")).write_text(CONFIG)
    assert command("train", b"caf\xe9.toml", "--dry-run", cwd=folder).code == 0
    for words in (
        [*DRY, "--set", b"data.train=caf\xe9.h5"],
        ["train", b"no\xff.toml"],
        ["data", "inspect", b"no\xff.h5"],
    ):
        ended = command(*words, cwd=folder)
        assert (ended.code, len(ended.err.splitlines())) == (2 if "--set" in words else 66, 1), ended
        assert ended.err[:-1].isascii()


def test_a_directory_that_is_gone(folder):
    def prepare():
        gone = folder / "gone"
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

    ended = command(*DRY, cwd=folder, prepare=prepare)
    assert (ended.code, len(ended.err.splitlines())) == (66, 1), ended
    assert command("train", folder / "c.toml", "--dry-run", cwd=folder, prepare=prepare).code == 0


@pytest.mark.parametrize("columns", ["1", "0", "-5", "²", "9" * 5000])
def test_terminals_of_any_width(folder, columns):
    ended = command("train", "--help", cwd=folder, environment={"COLUMNS": columns, "NO_COLOR": "1"})
    assert (ended.code, ended.err) == (0, "")
    assert "--dry-run" in ended.out


def test_warnings_of_libraries_are_no_errors_of_users(folder):
    ended = command(*DRY, cwd=folder, prepare=lambda: sys.warnoptions.append("error"))
    assert (ended.code, ended.err) == (0, "")


def test_a_limit_on_the_size_of_files(folder):
    def prepare():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ended = command("data", "make", "moons", "--samples", "5000", "--out", "m.h5", cwd=folder, prepare=prepare)
    assert (ended.code, len(ended.err.splitlines())) == (74, 1), ended
    assert [path.name for path in folder.iterdir()] == ["c.toml"]


def test_a_limit_on_open_files(folder):
    def prepare():
        importlib.import_module("ddp_mlp.cli.main")  # without a file for it no interpreter starts
        importlib.import_module("ddp_mlp.__main__")
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))

    ended = command(*DRY, cwd=folder, prepare=prepare)
    assert ended.code in (66, 74), ended
    assert len(ended.err.splitlines()) == len(ended.error_lines) == 1, ended
