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

from ddp_mlp.errors import OutputError, StorageError
from ddp_mlp.run.files import lock as run_lock
from ddp_mlp.run.files.lock import RunLock
from ddp_mlp.run.files.lock_owner import Owner, this_process
from tests.hostile import THINGS
from tests.runs import ddp_mlp, make_data, run
from tests.tiers import thorough

HOLD = """
import sys, time
from pathlib import Path
from ddp_mlp.run.files.lock import RunLock
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
    assert not lock.last_owner_may_wake
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
    assert lock.last_owner_may_wake
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
    (tmp_path / ".lock").unlink()
    with pytest.raises(OutputError, match="was taken over by n1, pid 42"):
        lock.check()  # what was lost stays lost, and the reason stays the same
    leave(tmp_path, stranger(), age_s=0)
    lock.release()
    assert (tmp_path / ".lock").exists(), "it is not ours any more"
    with pytest.raises(OutputError, match="is not held by this run"):
        lock.check()


@pytest.mark.parametrize(
    ("content", "taker"), [(None, "a job that has ended"), (b"", "another job"), (b'{"host": "\xff', "another job")]
)
def test_whoever_has_taken_it_it_is_lost(tmp_path: Path, content: bytes | None, taker: str) -> None:
    lock, path = lock_of(tmp_path), tmp_path / ".lock"
    lock.acquire()
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(OutputError, match=f"was taken over by {taker}"):
        lock.check()
    lock.release()


def test_a_lock_file_that_cannot_be_read_for_once_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    lock = lock_of(tmp_path)
    lock.acquire()
    with monkeypatch.context() as patched:
        patched.setattr(run_lock, "read_json", fail)
        with pytest.raises(StorageError, match=r"\.lock: cannot see whether this run may write: Input/output error"):
            lock.check()
    lock.check()
    with monkeypatch.context() as patched:
        patched.setattr(run_lock, "read_owner", fail)
        with pytest.raises(OutputError, match=r"cannot lock the run directory: .*: Input/output error"):
            lock_of(tmp_path).acquire()
    lock.release()


def test_the_heart_of_one_that_was_replaced_does_not_beat_for_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "BEAT_S", 0.02)
    lock = lock_of(tmp_path)
    lock.acquire()
    path = leave(tmp_path, stranger(), age_s=1000)
    before = path.stat().st_mtime_ns
    time.sleep(0.2)
    assert path.stat().st_mtime_ns == before
    lock.release()


def test_the_right_is_one_of_all_ranks(tmp_path: Path) -> None:
    class TwoRanks:
        """Rank 1 hears what rank 0 says."""

        def share_text(self, text: str) -> list[str]:
            return [first._token, text]

    first, other = lock_of(tmp_path), lock_of(tmp_path)
    first.acquire()
    with pytest.raises(OutputError, match="is not held by this run"):
        other.check()
    other.share(TwoRanks())  # type: ignore[arg-type]
    other.check()
    other.release()
    first.check()
    leave(tmp_path, stranger(), age_s=0)
    with pytest.raises(OutputError, match="is not held"):
        other.check()
    first.release()


@pytest.mark.parametrize("call", ["unlink", "close", "open"])
def test_giving_it_back_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """It comes last, often after a failure that must not be hidden by another."""
    lock, real = lock_of(tmp_path), os.close

    def fail(*arguments: Any, **_: Any) -> None:
        if call == "close":
            real(*arguments)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    lock.acquire()
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        lock.release()
    lock.release()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": 1}', b'{"pid": "\xff"}', b"[" * 100_000, b"9" * 5000])
def test_a_lock_file_cut_short_is_nobodys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lock").write_bytes(content)
    lock = lock_of(tmp_path)
    lock.acquire()
    lock.check()
    lock.release()


@pytest.mark.parametrize("kind", THINGS)
def test_what_is_no_lock_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "target").write_text("of somebody else")
    THINGS[kind](tmp_path / ".lock", tmp_path / "target")
    before = (tmp_path / ".lock").lstat()
    with pytest.raises(OutputError, match=r"cannot lock the run directory: .*\.lock: a "):
        lock_of(tmp_path).acquire()
    assert (tmp_path / "target").read_text() == "of somebody else"
    assert os.path.samestat((tmp_path / ".lock").lstat(), before)


def test_a_pipe_that_takes_the_place_of_the_lock(tmp_path: Path) -> None:
    lock = lock_of(tmp_path)
    lock.acquire()
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(OutputError, match="its lock file is a named pipe now"):
        lock.check()
    lock.release()


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, thorough(2)])
def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path, ranks: int) -> None:
    make_data(tmp_path, "moons", 60)
    (tmp_path / "c.toml").write_text(
        '[data]\ntrain = "moons.h5"\n[model]\nhidden = [4]\n[train]\nepochs = 9\nmicro_batches = 2\n'
    )
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
