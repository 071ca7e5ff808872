"""Who starts a job may be killed: a process beside it ends the job and sweeps up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch.keeper import kept
from ddp_mlp.cluster.launch.processes import KEEPER_OF, STARTED_BY, marked, own_mark, with_marks

#: Starts one process that is stopped, in a session of its own, and sleeps, or is killed by itself.
_STARTER = """
import os, subprocess, sys, time
from ddp_mlp.cluster.launch.keeper import kept
with kept():
    below = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    os.kill(below.pid, 19)
    print(below.pid, flush=True)
    sys.stdin.readline()
"""


def keepers() -> list[int]:
    return [process for process, mark in with_marks(KEEPER_OF) if mark.process == os.getpid()]


def wait_until(happened, within_s: float = 10.0) -> None:
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_started_meanwhile_has_a_mark_and_a_keeper(monkeypatch):
    monkeypatch.delenv(STARTED_BY, raising=False)
    with kept() as mark, kept() as again:
        assert mark == again == own_mark()
        child = subprocess.Popen(["sleep", "1000"])
        try:
            wait_until(lambda: marked(mark) == {child.pid})
            wait_until(lambda: len(keepers()) == 1)
        finally:
            child.kill()
            child.wait()
    assert STARTED_BY not in os.environ
    assert keepers() == []


def test_a_mark_from_outside_comes_back(monkeypatch):
    monkeypatch.setenv(STARTED_BY, "vm/1/2")
    with pytest.raises(RuntimeError), kept():  # noqa: PT012
        assert os.environ[STARTED_BY] == str(own_mark())
        raise RuntimeError
    assert os.environ[STARTED_BY] == "vm/1/2"


def test_a_killed_starter_leaves_neither_processes_nor_files(tmp_path):
    sessions = tmp_path / "tmp"
    sessions.mkdir()
    environment = {**os.environ, "TMPDIR": str(sessions)}
    command = [sys.executable, "-c", _STARTER]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as starter:
        below = int(starter.stdout.readline())
        gone = subprocess.Popen(["true"])
        gone.wait()
        (sessions / f"ompi.{gone.pid}" / "0").mkdir(parents=True)
        (sessions / "mine").write_text("")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(starter.pid, number)
        wait_until(lambda: not Path(f"/proc/{below}/exe").exists(), 30.0)
        wait_until(lambda: [path.name for path in sessions.iterdir()] == ["mine"], 30.0)
        starter.stdin.close()


def test_a_starter_that_ends_in_order_is_not_tidied_up_after(tmp_path):
    command = [sys.executable, "-c", _STARTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        below = int(starter.stdout.readline())
        starter.stdin.write(b"\n")
        starter.stdin.close()
        starter.wait()
        assert Path(f"/proc/{below}").exists()
        os.kill(below, signal.SIGKILL)


def test_without_processes_to_be_had_it_goes_on(monkeypatch):
    def start(*_args, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", start)
    with kept() as mark:
        assert mark == own_mark()
