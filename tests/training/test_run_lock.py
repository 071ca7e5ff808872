"""The lock of a run directory: a live job keeps it, a dead one does not, on this machine or on another."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.errors import OutputError
from ddp_mlp.training import run_lock
from ddp_mlp.training.run_lock import Owner, RunLock, this_process
from tests.runs import ddp_mlp, run

HOLD = """
import sys, time
from pathlib import Path
from ddp_mlp.training.run_lock import RunLock
RunLock(Path(sys.argv[1]), print).acquire()
print("held", flush=True)
time.sleep(60)
"""


def lock_of(directory: Path, told: list[str] | None = None) -> RunLock:
    return RunLock(directory, (told if told is not None else []).append)


def stranger(**changed: Any) -> Owner:
    """An owner on another node."""
    return replace(this_process(), host="n1", boot="other", pid=42, **changed)


def leave(directory: Path, owner: Owner, age_s: float) -> Path:
    """Leave the lock file of an owner that touched it so long ago."""
    path = directory / ".lock"
    path.write_text(json.dumps(asdict(owner)))
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "BEAT_S", 0.05)
    monkeypatch.setattr(run_lock, "PATIENCE_S", 0.5)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_second_job_is_told_who_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "123")
    first = lock_of(tmp_path)
    first.acquire()
    with pytest.raises(OutputError, match=rf"is in use by job 123 on \S+, pid {os.getpid()}, since 20\d\d-.*--out"):
        lock_of(tmp_path).acquire()
    first.check()
    first.release()
    assert list(tmp_path.iterdir()) == []


def test_release_gives_it_to_the_next_and_harms_nobody(tmp_path: Path) -> None:
    first, second, third = (lock_of(tmp_path) for _ in range(3))
    first.acquire()
    first.release()
    second.acquire()
    first.release()
    with pytest.raises(OutputError):
        third.acquire()
    third.release()
    second.check()
    second.release()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_killed_owners_leave_it_to_the_next(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(OutputError, match=f"pid {holder.pid}"):
        lock_of(tmp_path).acquire()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    told: list[str] = []
    lock = lock_of(tmp_path, told)
    lock.acquire()
    assert len(told) == 1
    assert f"took over the run directory: its last owner is gone ({holder.pid}" not in told[0]
    assert f"pid {holder.pid}" in told[0]
    lock.release()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_process_table_decides(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(OutputError, match=f"pid {holder.pid}"):
        lock_of(tmp_path).acquire()
    holder.kill()
    holder.wait()
    lock = lock_of(tmp_path)
    lock.acquire()
    lock.release()


@pytest.mark.usefixtures("no_locks")
def test_another_process_of_the_same_id_is_not_the_owner(tmp_path: Path) -> None:
    leave(tmp_path, replace(this_process(), started=1), age_s=0)
    lock = lock_of(tmp_path)
    lock.acquire()
    lock.release()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("age_s", [0.0, 1e4])
def test_a_silent_owner_on_another_node_is_gone(tmp_path: Path, age_s: float) -> None:
    leave(tmp_path, stranger(job="7"), age_s)
    told: list[str] = []
    lock = lock_of(tmp_path, told)
    lock.acquire()
    waited = any(line.startswith("waiting up to") for line in told)
    assert waited == (age_s == 0), "no waiting for who has been silent for long"
    assert told[-1].startswith("took over the run directory: its last owner is gone (job 7 on n1, pid 42")
    lock.check()
    lock.release()


@pytest.mark.usefixtures("quick")
def test_an_owner_on_another_node_whose_heart_beats_is_not(tmp_path: Path) -> None:
    path, ended = leave(tmp_path, stranger(), age_s=0), threading.Event()

    def beat() -> None:
        while not ended.wait(0.1):
            os.utime(path)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(OutputError, match="in use by n1, pid 42"):
            lock_of(tmp_path).acquire()
    finally:
        ended.set()
        heart.join()
    assert json.loads(path.read_text())["host"] == "n1", "nothing of it was touched"
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.usefixtures("quick")
def test_our_own_heart_beats(tmp_path: Path) -> None:
    lock = lock_of(tmp_path)
    lock.acquire()
    before = (tmp_path / ".lock").stat().st_mtime_ns
    time.sleep(0.3)
    assert (tmp_path / ".lock").stat().st_mtime_ns > before
    lock.release()


def test_a_requeued_job_does_not_wait_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "123")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    leave(tmp_path, stranger(job="123", restarts=""), age_s=0)
    lock, started = lock_of(tmp_path), time.monotonic()
    lock.acquire()
    assert time.monotonic() - started < 5
    lock.release()


def test_an_owner_that_hung_notices_that_it_was_replaced(tmp_path: Path) -> None:
    lock = lock_of(tmp_path)
    lock.acquire()
    leave(tmp_path, stranger(), age_s=0)
    with pytest.raises(OutputError, match="was taken over by n1, pid 42"):
        lock.check()
    lock.release()
    assert (tmp_path / ".lock").exists(), "it is not ours any more"
    (tmp_path / ".lock").unlink()
    with pytest.raises(OutputError, match="was taken over by a job that has ended"):
        lock.check()


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}'])
def test_a_lock_file_cut_short_is_nobodys(tmp_path: Path, content: str) -> None:
    (tmp_path / ".lock").write_text(content)
    lock = lock_of(tmp_path)
    lock.acquire()
    lock.check()
    lock.release()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("of somebody else")
    (tmp_path / ".lock").symlink_to("target")
    with pytest.raises(OutputError, match="cannot lock the run directory"):
        lock_of(tmp_path).acquire()
    assert (tmp_path / "target").read_text() == "of somebody else"


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path, ranks: int) -> None:
    assert ddp_mlp("data", "make", "moons", "--samples", "60", "--out", "moons.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "moons.h5"\n[model]\nhidden = [4]\n[train]\nmicro_batches = 2\n')
    (tmp_path / "run").mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, "run"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        for resume in ([], ["--resume"]):
            done = ddp_mlp("train", "c.toml", "--out", "run", *resume, cwd=tmp_path, ranks=ranks)
            assert (done.code, len(done.error_lines)) == (73, 1), done.err
            assert f"run is in use by {os.uname().nodename}, pid {holder.pid}, since 20" in done.error_lines[0]
        assert [p.name for p in (tmp_path / "run").iterdir() if p.is_file()] == [".lock"], "not even a status"
    finally:
        holder.kill()
        holder.communicate()
    done = run([sys.executable, "-m", "ddp_mlp", "train", "c.toml", "--out", "run"], tmp_path)
    assert done.code == 0, done.err
    assert not (tmp_path / "run" / ".lock").exists()
