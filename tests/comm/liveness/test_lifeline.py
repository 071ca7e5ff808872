"""A process ends with the one that started it, stopped and busy ones too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ddp_mlp.comm.liveness.lifeline import (
    Lifeline,
    bound_to_this_process,
    end_with_launcher,
    has_hung_up,
    launcher_socket,
)

#: Waits for the end of what it starts, whose process and all below write their numbers to a file.
_CHAIN = """
import ctypes, os, subprocess, sys, time
from ddp_mlp.comm.liveness import lifeline
numbers, what, *below = sys.argv[1:]
if what == "hydra_pmi_proxy":
    ctypes.CDLL(None).prctl(15, what.encode())
if what == "rank":
    lifeline.end_with_launcher({"PMI_RANK": "0", "PMI_SIZE": "2"})
line = lifeline.Lifeline({}) if what == "rank" else None
with open(numbers, "a") as file:
    file.write(f"{what} {os.getpid()}\\n")
if below:
    subprocess.Popen([sys.executable, __file__, numbers, *below])
while True:
    time.sleep(0.05)
    if line and os.environ.get("LOOKS"):
        line.look(time.monotonic())
"""


def is_there(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def wait_until(happened, within_s: float = 10.0) -> None:
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def chain(folder: Path, *names: str, **environment: str) -> Iterator[list[int]]:
    """Start processes, each below the one before, and provide their numbers."""
    script, numbers = folder / "chain.py", folder / "numbers"
    script.write_text(_CHAIN)
    numbers.write_text("")
    subprocess.Popen([sys.executable, str(script), str(numbers), *names], env={**os.environ, **environment})
    wait_until(lambda: numbers.read_text().count("\n") == len(names))
    found = [int(line.split()[1]) for line in numbers.read_text().splitlines()]
    time.sleep(0.2)  # for the last one to look around
    try:
        yield found
    finally:
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:subprocess")  # it is ended by its number
def test_a_stopped_rank_ends_with_its_parent(tmp_path):
    with chain(tmp_path, "launcher", "rank") as (launcher, rank):
        os.kill(rank, signal.SIGSTOP)
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: not is_there(rank), 2.0)


@pytest.mark.filterwarnings("ignore:subprocess")
def test_a_stopped_proxy_without_launcher_is_ended_by_a_rank(tmp_path):
    with chain(tmp_path, "launcher", "hydra_pmi_proxy", "rank", LOOKS="1") as (launcher, proxy, rank):
        os.kill(proxy, signal.SIGSTOP)
        time.sleep(1.3)
        assert is_there(proxy), "it was stopped, and that is no reason to end a job"
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: not is_there(proxy) and not is_there(rank), 4.0)


@pytest.mark.filterwarnings("ignore:subprocess")
def test_a_stopped_launcher_is_woken_to_end_the_others(tmp_path):
    with chain(tmp_path, "hydra_pmi_proxy") as (proxy,):
        os.kill(proxy, signal.SIGSTOP)
        wait_until(lambda: Path(f"/proc/{proxy}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        line = Lifeline({})
        line._parent = proxy
        line.wake_launcher()
        wait_until(lambda: Path(f"/proc/{proxy}/stat").read_text().rpartition(")")[2].split()[0] == "S")


def test_a_child_that_comes_too_late_ends_at_once():
    bind = bound_to_this_process()
    pid = os.fork()
    if pid == 0:  # its child is not one of this process
        inner = os.fork()
        if inner == 0:
            bind()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70


def test_the_socket_of_a_launcher_tells_of_its_end():
    ours, launchers = socket.socketpair()
    with ours:
        environment = {"PMI_FD": str(ours.fileno()), "PMI_RANK": "0", "PMI_SIZE": "2"}
        assert launcher_socket(environment) == ours.fileno()
        assert not has_hung_up(ours.fileno())
        launchers.close()
        assert has_hung_up(ours.fileno())
        pid = os.fork()
        if pid == 0:
            end_with_launcher(environment)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70


@pytest.mark.parametrize("value", ["", "abc", "-1", "99999", "9" * 400, "0.5"])
def test_variables_that_name_no_socket(value):
    assert launcher_socket({"PMI_FD": value}) == -1
    assert not has_hung_up(-1)
