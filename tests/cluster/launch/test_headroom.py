"""Limits of the system that leave a job no room are said before it is started, or when it has died of them."""

from __future__ import annotations

import _thread
import resource
import time

import pytest

from ddp_mlp.cluster.launch import headroom
from ddp_mlp.cluster.launch.restarts import explain
from ddp_mlp.errors import LaunchError
from tests.warm import command


def test_ranks_that_cannot_be_started_are_not_begun(monkeypatch):
    start, alive = _thread.start_new_thread, []

    def start_ten(stay, arguments):
        if len(alive) == 10:
            raise RuntimeError("can't start new thread")
        alive.append(start(stay, arguments))

    before = _thread._count()
    headroom.check_threads(8, 8)
    monkeypatch.setattr(_thread, "start_new_thread", start_ten)
    headroom.check_threads(1, 2)
    alive.clear()
    with pytest.raises(LaunchError, match=r"2 ranks need 12 processes and threads, .* can start 10 more; .*ulimit -u"):
        headroom.check_threads(2, 1)
    until = time.monotonic() + 5
    while _thread._count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert _thread._count() <= before


def test_a_small_address_space_is_no_lack_of_threads(tmp_path):
    ended = command(
        "--version", cwd=tmp_path, prepare=lambda: headroom.check_threads(64, 1), memory_bytes=2**28, deadline_s=10
    )
    assert ended.code == 0, ended


@pytest.mark.parametrize(
    ("which", "limit", "said"),
    [
        (resource.RLIMIT_NOFILE, 32, "32 open files (ulimit -n)"),
        (resource.RLIMIT_AS, 2**28, "268435456 bytes of memory (ulimit -v)"),
        (resource.RLIMIT_CPU, 10, "10 seconds (ulimit -t)"),
        (resource.RLIMIT_NOFILE, 4096, ""),
        (resource.RLIMIT_CORE, 0, ""),
    ],
)
def test_a_job_that_died_is_told_with_low_limits(monkeypatch, which, limit, said):
    infinite = (resource.RLIM_INFINITY,) * 2
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (limit, limit) if asked == which else infinite)
    told: list[str] = []
    assert explain(255, None, 0.0, told.append) == 70
    assert ("limits that may be too low" in told[0]) == bool(said)
    assert told[0].endswith(said)


def test_a_machine_without_proc_is_told_of(monkeypatch):
    monkeypatch.setattr(headroom, "_has_no_proc", lambda: True)
    assert "there is no /proc" in headroom.shortages()
