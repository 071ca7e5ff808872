"""The run directory: never two runs in one, rows appended once, and refusals in the user's terms."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from pathlib import Path

import pytest

from ddp_mlp.errors import OutputError, StorageError, UsageError
from ddp_mlp.training.checkpoint import checkpoint_name
from ddp_mlp.training.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "runs/first")
    made.create()
    return made


def test_places(tmp_path: Path) -> None:
    made = RunDirectory(tmp_path)
    assert (made.checkpoints, made.model, made.metrics) == (
        tmp_path / "checkpoints",
        tmp_path / "model.h5",
        tmp_path / "metrics.csv",
    )


def test_create_makes_parents_and_leaves_no_probe(directory: RunDirectory) -> None:
    assert [p.name for p in directory.path.iterdir()] == ["checkpoints"]
    directory.create()
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
        UsageError, match=r"runs/first already holds a run; go on with --resume, or choose another --out"
    ):
        directory.check_unused()


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write to the run directory .*file/run: Not a directory"):
        RunDirectory(tmp_path / "file/run").create()


def test_directory_that_cannot_be_written_to(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match="Read-only file system"):
        directory.create()


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

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match=r"log\.txt: cannot write: No space left on device"):
        directory.log("a line")


def test_log_appends_lines_with_the_time(directory: RunDirectory) -> None:
    directory.log("first")
    directory.log("second")
    lines = (directory.path / "log.txt").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in lines] == ["first", "second"]
    assert all(len(line) > 20 for line in lines)


def test_what_killed_jobs_leave_is_removed_and_nothing_else(directory: RunDirectory) -> None:
    token = "0123456789abcdef" * 2
    for place in (directory.path, directory.checkpoints):
        for name in (f".step-00000001.h5.{token}.tmp", f".now-{token}", ".writable-12", ".notes.tmp", "notes.tmp"):
            (place / name).write_text("")
        (place / f".a.{token}.tmp").mkdir()
    directory.remove_leftovers()
    left = [".notes.tmp", f".a.{token}.tmp", "notes.tmp"]
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
