"""Whose a process is, and whether that one lives: by marks in the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch.processes import (
    KEEPER_OF,
    STARTED_BY,
    age_s,
    is_launcher,
    is_stopped,
    left_by_the_dead,
    marked,
    own_mark,
    own_processes,
    parse_mark,
    started_at,
)


@pytest.fixture
def start():
    """Start sleeping processes with one more variable, and end them."""
    started = []

    def begin(variable: str, value: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "100"], env={**os.environ, variable: value})
        started.append(process)
        until = time.monotonic() + 10
        with_value = f"{variable}={value}".encode()
        while with_value not in Path(f"/proc/{process.pid}/environ").read_bytes():
            assert time.monotonic() < until
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_mark_is_read_as_it_is_written():
    mark = own_mark()
    assert parse_mark(str(mark)) == mark
    assert mark.is_here
    assert mark.is_alive
    assert not replace(mark, since=mark.since + 1).is_alive, "another process with the same number"


@pytest.mark.parametrize(
    "text", ["", "/", "a/1", "a/1/", "a/-1/2", "a/1/2/3", "a/1/x", "a/" + "9" * 5000 + "/1", "a/²/1"]
)
def test_other_texts_are_no_marks(text):
    assert parse_mark(text) is None


def test_only_those_with_the_mark_are_found(start):
    mark, other = own_mark(), replace(own_mark(), since=1)
    ours, others = start(STARTED_BY, str(mark)), start(STARTED_BY, str(other))
    start("X" + STARTED_BY, str(mark))
    assert marked(mark) == {ours.pid}
    assert marked(other) == {others.pid}
    os.kill(ours.pid, signal.SIGSTOP)
    assert marked(mark) == {ours.pid}
    ours.kill()
    os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
    assert marked(mark) == set(), "it has ended, though nobody has taken leave of it"


def test_what_the_dead_have_left(start):
    alive = own_mark()
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead = replace(alive, process=gone.pid)
    elsewhere = replace(dead, place="another-machine")
    orphan = start(STARTED_BY, str(dead))
    start(STARTED_BY, str(alive))
    start(STARTED_BY, str(elsewhere))
    start(STARTED_BY, "garbage")
    keepers = [start(KEEPER_OF, str(dead)), start(KEEPER_OF, str(dead))]
    os.kill(keepers[0].pid, signal.SIGSTOP)
    while not is_stopped(keepers[0].pid):
        time.sleep(0.01)
    assert left_by_the_dead() == {orphan.pid, keepers[0].pid}, "a keeper that is not stopped is at work"


def test_a_process_that_is_gone_is_no_error():
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert started_at(gone.pid) == -1
    assert age_s(gone.pid) == float("inf")
    assert not is_stopped(gone.pid)
    assert not is_launcher(gone.pid)
    assert gone.pid not in set(own_processes())
    assert -0.1 < age_s(os.getpid()) < 1e6
