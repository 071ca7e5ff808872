from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from ddp_mlp.comm import node_memory as module
from ddp_mlp.comm.node_memory import node_memory, sweep


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PLACE", tmp_path)
    return tmp_path


def filled(value):
    def fill(memory):
        memory[:] = value

    return fill


def refuse(memory):
    raise AssertionError("it is filled already")


def test_the_second_finds_what_the_first_has_filled_and_the_last_takes_the_name_away(place):
    first = node_memory("a", 100, filled(7))
    second = node_memory("a", 100, refuse)
    assert second.content.tolist() == [7] * 100
    assert first.content.ctypes.data % 64 == 0
    first.close()
    assert len(list(place.iterdir())) == 1
    second.close()
    second.close()
    assert list(place.iterdir()) == []
    assert second.content.sum() == 700  # until the array goes


def test_names_stand_for_contents(place):
    a, b = node_memory("a", 100, filled(7)), node_memory("b", 50, filled(8))
    assert (a.content[0], b.content[0]) == (7, 8)
    assert len(list(place.iterdir())) == 2


def test_what_a_killed_process_has_left_is_filled_again_or_removed(place):
    program = (
        "import os, sys; from pathlib import Path; from ddp_mlp.comm import node_memory as m\n"
        "m.PLACE = Path(sys.argv[1])\n"
        "def half(memory): memory[:50] = 9; os.kill(os.getpid(), 9)\n"
        "m.node_memory('a', 100, half)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(place)], check=False).returncode == -9
    assert len(list(place.iterdir())) == 1
    found = node_memory("a", 100, lambda memory: memory.__setitem__(slice(60, 100), 7))
    assert found.content.tolist() == [0] * 60 + [7] * 40
    found.close()
    assert subprocess.run([sys.executable, "-c", program, str(place)], check=False).returncode == -9
    sweep()
    assert list(place.iterdir()) == []


def test_one_of_many_fills_and_the_others_wait(place):
    n_filled, found = [], []

    def fill(memory):
        n_filled.append(1)
        memory[:] = 5

    def take():
        found.append(node_memory("a", 1000, fill))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(n_filled) == 1
    assert all((each.content == 5).all() for each in found)
    for each in found:
        each.close()
    assert list(place.iterdir()) == []


def test_where_nothing_can_be_shared_there_is_none(place, monkeypatch):
    monkeypatch.setattr(module, "PLACE", place / "absent")
    assert node_memory("a", 100, refuse) is None
    monkeypatch.setattr(module, "PLACE", place)

    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert node_memory("a", 100, refuse) is None
    target = place / "target"
    target.write_bytes(b"theirs")
    (place / f"ddp-mlp-rows-{os.geteuid()}-link").symlink_to(target)
    assert node_memory("link", 100, refuse) is None
    assert target.read_bytes() == b"theirs"


def test_arrays_of_it_can_be_written(place):
    assert node_memory("a", 8, filled(1)).content.view(np.float64).flags.writeable
