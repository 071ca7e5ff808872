"""The run directory: never two runs in one, rows appended once, and refusals in the user's terms."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.checkpoint.checkpoint import checkpoint_name, list_checkpoints, prune_checkpoints, save_checkpoint
from ddp_mlp.checkpoint.sealed_hdf5 import make_image, write_sealed
from ddp_mlp.errors import DataError, OutputError, StorageError, UsageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.epoch_table import EpochTable
from ddp_mlp.run.files.lock import RunLock
from tests.hostile import STRANGER, THINGS


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that a change to a directory would change, but the times of directories."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        facts = (status.st_ino, status.st_mode, status.st_nlink)
        found[str(path.relative_to(folder))] = (*facts, status.st_mtime_ns, path.read_bytes()) if is_file else facts
    return found


EPOCHS = itertools.count(1)


def append_row(path: Path, directory: RunDirectory) -> None:
    """Append the row of the next epoch to a table, as a start that knows those before."""
    epoch = next(EPOCHS)
    EpochTable(path, lambda _: None, epoch=epoch - 1, check=directory.check).append([{"epoch": str(epoch)}])


#: What writes each file of a run.
WRITES: dict[str, Callable[[RunDirectory], object]] = {
    "config.toml": lambda directory: directory.write_config("[data]"),
    "status.json": lambda directory: directory.write_status("running"),
    "log.txt": lambda directory: directory.log("a line"),
    "metrics.csv": lambda directory: append_row(directory.metrics, directory),
    "hashes.csv": lambda directory: append_row(directory.hashes, directory),
    "model.h5": lambda directory: write_sealed(directory.model, make_image(lambda _: None), directory.check),
    "checkpoints/step-00000008.h5": lambda directory: save_checkpoint(
        directory.checkpoints, make_image(lambda _: None), 8, directory.check
    ),
}
APPENDED = ("log.txt", "metrics.csv", "hashes.csv")


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "runs/first")
    made.create()
    made.prepare()
    return made


def test_places(tmp_path: Path) -> None:
    made = RunDirectory(tmp_path)
    assert (made.checkpoints, made.model, made.metrics) == (
        tmp_path / "checkpoints",
        tmp_path / "model.h5",
        tmp_path / "metrics.csv",
    )


def test_create_makes_parents_and_nothing_else(directory: RunDirectory) -> None:
    assert [p.name for p in directory.path.iterdir()] == ["checkpoints"]
    directory.create()
    directory.prepare()
    directory.check_unused()
    assert not directory.holds_run(), "an empty directory holds no run"


@pytest.mark.parametrize("trace", ["config", "checkpoint"])
def test_a_run_is_not_overwritten(directory: RunDirectory, trace: str) -> None:
    if trace == "config":
        directory.write_config("")
    else:
        (directory.checkpoints / checkpoint_name(1)).write_bytes(b"")
    assert directory.holds_run()
    with pytest.raises(
        UsageError,
        match=r"runs/first already holds a run; go on with --resume, choose another --out, or give --overwrite",
    ):
        directory.check_unused()


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write to the run directory .*file/run: Not a directory"):
        RunDirectory(tmp_path / "file/run").create()


def test_directory_that_cannot_be_written_to(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(OutputError, match=r"cannot lock the run directory: .* Read-only file system"):
            RunLock(directory.path, print).acquire()
    directory.checkpoints.rmdir()
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"cannot write checkpoints to .*: Read-only file system"):
        directory.prepare()


def test_config(directory: RunDirectory) -> None:
    directory.write_config("[train]\nname = 'ü'\n")
    assert (directory.path / "config.toml").read_text(encoding="utf-8") == "[train]\nname = 'ü'\n"


def test_status_says_who_and_when(directory: RunDirectory) -> None:
    directory.write_status("running", epoch=3, step=120)
    directory.write_status("failed", exit_code=79, reason="not finite")
    status = json.loads((directory.path / "status.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", status.pop("updated_utc"))
    assert status == {
        "state": "failed",
        "exit_code": 79,
        "reason": "not finite",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID", ""),
    }


def test_full_disk_is_a_storage_error(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"log\.txt: cannot write: No space left on device"):
        directory.log("a line")


def test_log_appends_lines_with_the_time(directory: RunDirectory) -> None:
    directory.log("first")
    directory.log("second")
    lines = (directory.path / "log.txt").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in lines] == ["first", "second"]
    assert all(len(line) > 20 for line in lines)


def test_a_line_of_the_log_is_one_line_of_text(directory: RunDirectory) -> None:
    directory.log("a name \udcff of\ntwo lines, and \x1b[2J")
    [line] = (directory.path / "log.txt").read_text().splitlines()
    assert line.endswith(r"a name \udcff of\ntwo lines, and \x1b[2J")


FILES = (
    "config.toml",
    "status.json",
    "log.txt",
    "metrics.csv",
    "hashes.csv",
    "model.h5",
    "checkpoints/step-00000008.h5",
)


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("kind", THINGS)
def test_a_run_begins_where_all_its_files_are_plain_ones(directory: RunDirectory, name: str, kind: str) -> None:
    """What else has one of their names is seen before the first step, and left as it is."""
    path, target = directory.path / name, directory.path.parent / "target"
    target.write_bytes(b"of somebody else")
    THINGS[kind](path, target)
    before = tree(directory.path.parent)
    if kind == "hard link" and name not in APPENDED:  # whose other name keeps the old content
        directory.prepare()
    else:
        with pytest.raises(OutputError, match=f"{name}: an? .*, where a plain file of yours belongs"):
            directory.prepare()
    assert tree(directory.path.parent) == before


@pytest.mark.parametrize("kind", THINGS)
def test_what_turns_up_during_a_run_is_left_alone(directory: RunDirectory, kind: str) -> None:
    target = directory.path.parent / "target"
    target.write_bytes(b"of somebody else")
    for name, write in WRITES.items():
        path = directory.path / name
        THINGS[kind](path, target)
        before = tree(directory.path.parent)
        if kind != "hard link" or name in APPENDED:
            with pytest.raises(OutputError, match=f"{name}: "):
                write(directory)
            assert tree(directory.path.parent) == before
        path.rmdir() if kind == "directory" and not (path / "inside").unlink() else path.unlink()
        write(directory)
        assert path.is_file()
    assert target.read_bytes() == b"of somebody else"


def test_checkpoints_may_lie_behind_a_link_of_the_same_user(tmp_path: Path) -> None:
    """As users do who have a file system for large files."""
    (tmp_path / "run").mkdir()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run/checkpoints").symlink_to(tmp_path / "scratch")
    directory = RunDirectory(tmp_path / "run")
    directory.prepare()
    WRITES["checkpoints/step-00000008.h5"](directory)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["step-00000008.h5"]
    assert [path.name for path in list_checkpoints(directory.checkpoints)] == ["step-00000008.h5"]
    if os.geteuid() == 0:
        os.chown(tmp_path / "scratch", STRANGER, STRANGER)
        with pytest.raises(OutputError, match="checkpoints is a link to a directory of another user"):
            directory.prepare()
        with pytest.raises(DataError, match="checkpoints is a link to a directory of another user"):
            list_checkpoints(directory.checkpoints)


@pytest.mark.parametrize("kind", [kind for kind in THINGS if kind not in ("directory", "another user's")])
def test_what_is_no_directory_for_checkpoints(tmp_path: Path, kind: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "target").write_bytes(b"of somebody else")
    THINGS[kind](tmp_path / "run/checkpoints", tmp_path / "target")
    before = tree(tmp_path)
    with pytest.raises(
        OutputError, match=r"cannot write checkpoints to .*checkpoints: (not a directory|Too many levels)"
    ):
        RunDirectory(tmp_path / "run").prepare()
    assert tree(tmp_path) == before


def test_whoever_has_lost_a_directory_changes_nothing_in_it(directory: RunDirectory) -> None:
    """Every change is checked: all that writes is tried, whether the file is there or not."""

    def lost() -> None:
        raise OutputError("taken over")

    loser = RunDirectory(directory.path, lost)
    leftover = directory.path / ".writable-12"
    for _ in range(2):
        before = tree(directory.path)
        for write in (*WRITES.values(), RunDirectory.prepare):
            with pytest.raises(OutputError, match="taken over"):
                write(loser)
        loser.note_failure(80, "it hung", within_s=10)
        assert tree(directory.path) == before
        leftover.touch()
        for write in WRITES.values():
            write(directory)
    with pytest.raises(OutputError, match="taken over"):
        loser._remove_leftovers()
    with pytest.raises(OutputError, match="taken over"):
        loser._renew()
    assert leftover.exists()


@pytest.mark.parametrize("name", WRITES)
def test_whoever_sleeps_right_behind_a_check_changes_nothing_when_it_wakes(directory: RunDirectory, name: str) -> None:
    """Another job takes the directory over at each check in turn, which the sleeper has just passed."""
    for behind in itertools.count(1):
        for write in WRITES.values():
            write(directory)
        checks = itertools.count(1)
        taken: list[dict[str, tuple[object, ...]]] = []

        def sleep(behind: int = behind, checks: Iterator[int] = checks, taken: list[Any] = taken) -> None:
            if taken:
                raise OutputError("taken over")
            if next(checks) == behind:
                directory.prepare(last_owner_may_wake=True)
                taken.append(tree(directory.path))

        with suppress(OutputError, StorageError):
            WRITES[name](RunDirectory(directory.path, sleep))
        if not taken:
            break
        assert tree(directory.path) == taken[0], f"behind check {behind}"
    assert behind > 2


def test_old_checkpoints_of_a_lost_directory_stay(directory: RunDirectory) -> None:
    def lost() -> None:
        raise OutputError("taken over")

    for step in (1, 2):
        save_checkpoint(directory.checkpoints, make_image(lambda _: None), step)
    with pytest.raises(OutputError, match="taken over"):
        prune_checkpoints(directory.checkpoints, 1, 2, check=lost)
    assert [path.name for path in list_checkpoints(directory.checkpoints)] == ["step-00000002.h5", "step-00000001.h5"]


def test_a_start_that_failed_early_leaves_the_result_of_a_run_that_is_over(directory: RunDirectory) -> None:
    for state, stays in [("finished", 1), ("early-stopped", 1), ("target-reached", 1), ("stopped", 0), ("running", 0)]:
        directory.write_status(state)
        directory.note_failure(78, "does not fit", within_s=10, unless_over=True)
        status = json.loads((directory.path / "status.json").read_text())
        assert status["state"] == (state if stays else "failed")
    directory.write_status("finished")
    directory.note_failure(79, "not finite", within_s=10)
    assert json.loads((directory.path / "status.json").read_text())["state"] == "failed"
    (directory.path / "status.json").unlink()
    directory.note_failure(78, "does not fit", within_s=10, unless_over=True)
    assert json.loads((directory.path / "status.json").read_text())["exit_code"] == 78


def test_a_note_of_a_failure_waits_for_no_dead_file_system(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: ended.wait(60))
    directory.note_failure(80, "it hung", within_s=0.05)
    assert not (directory.path / "status.json").exists()
    ended.set()


def test_what_killed_jobs_leave_is_removed_and_nothing_else(directory: RunDirectory) -> None:
    token = "0123456789abcdef" * 2
    for place in (directory.path, directory.checkpoints):
        for name in (f".step-00000001.h5.{token}.tmp", f".now-{token}", ".writable-12", ".notes.tmp", "notes.tmp"):
            (place / name).write_text("")
        (place / f".a.{token}.tmp").mkdir()
        (place / f".b.{token}.tmp").hardlink_to(place / "notes.tmp")
        (place / f".c.{token}.tmp").symlink_to("notes.tmp")
        os.mkfifo(place / f".d.{token}.tmp")
    directory.prepare()
    left = [".notes.tmp", *(f".{name}.{token}.tmp" for name in "abcd"), "notes.tmp"]
    assert sorted(path.name for path in directory.checkpoints.iterdir()) == sorted(left)
    assert sorted(path.name for path in directory.path.iterdir()) == sorted([*left, "checkpoints"])


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\x00b"])
def test_names_that_a_terminal_would_obey_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="without line breaks") as caught:
        RunDirectory(tmp_path / name).create()
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_where_a_link_leads_and_nowhere_above(tmp_path: Path) -> None:
    """The link is its user's own; what is written through it stays below."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    RunDirectory(tmp_path / "link" / "run").create()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["run"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]
