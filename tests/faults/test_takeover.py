"""A process that is stopped while another job takes over its run, and then goes on."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from ddp_mlp.run.files import lock as run_lock
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.lock import RunLock
from ddp_mlp.run.files.lock_owner import this_process
from tests.faults.jobs import Job, job, make_folder
from tests.tiers import THOROUGH


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("taken"))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one on another node, with a file system that shares no locks, and little patience."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(run_lock, "BEAT_S", 0.1)
    monkeypatch.setattr(run_lock, "PATIENCE_S", 1.0)
    monkeypatch.setattr(run_lock, "this_process", lambda: replace(this_process(), host="n1", boot="other"))


def take_over(started: Job) -> tuple[RunLock, dict[str, tuple[int, int, int, bytes]]]:
    """Wait until a job has stopped itself, take its run over, and return how the directory then looks."""
    started.wait_for("stop", lambda: "fault stop at" in started.err)
    lock = RunLock(started.run, print)
    lock.acquire()
    directory = RunDirectory(started.run, lock.check)
    directory.prepare(lock.last_owner_may_wake)
    directory.write_status("running", step=123)
    return lock, tree(started.run)


def tree(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return all files but the lock, whose heart beats."""
    found = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}
    return {str(path): (s.st_ino, s.st_mtime_ns, s.st_mode, path.read_bytes()) for path, s in found.items()}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("step", [40, 400])
def test_a_stopped_job_that_was_replaced_ends_without_a_trace(folder: Path, step: int) -> None:
    with job(folder, f"0|step {step}|stop", ranks=0) as started:
        lock, before = take_over(started)
        started.process.send_signal(signal.SIGCONT)
        ended = started.end()
    assert ended.code == 73, ended.err
    [line] = ended.error_lines
    assert f"was taken over by n1, pid {os.getpid()}" in line
    assert tree(started.run) == before
    lock.check()
    lock.release()


@THOROUGH
@pytest.mark.mpi
@pytest.mark.usefixtures("elsewhere")
def test_ranks_that_wait_for_a_stopped_one_leave_a_taken_directory_alone(folder: Path) -> None:
    """The rank that speaks when the time is over is not the one that held the lock."""
    with job(folder, "0|step 400|stop") as started:
        lock, before = take_over(started)
        ended = started.end()
    assert ended.code == 80, ended.err
    assert json.loads((started.run / "status.json").read_text())["state"] == "running"
    assert tree(started.run) == before
    lock.release()
