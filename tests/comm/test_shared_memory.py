"""Shared memory that is not there is told of before it is written, which would be SIGBUS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch.launchers import find_launcher
from ddp_mlp.comm import shared_memory
from ddp_mlp.comm.shared_memory import check_room, suspicion
from ddp_mlp.errors import StorageError
from tests.runs import clean_environment, ddp_mlp


def test_the_message_says_how_much_is_needed_and_what_to_do(monkeypatch):
    blocks = os.statvfs_result((4096, 4096, 16384, 2048, 2048, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: blocks)
    check_room(7 * 2**20, "n1")
    with pytest.raises(StorageError, match=r"on n1 need 9 MiB more .* /dev/shm has 8 of 64 MiB left.*--shm-size"):
        check_room(9 * 2**20, "n1")


def test_a_system_without_that_place_is_not_judged(monkeypatch):
    def missing(_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "statvfs", missing)
    check_room(2**60, "n1")


@pytest.mark.parametrize(
    ("code", "mib", "suspects"),
    [(7, 512, True), (135, 512, True), (11, 512, False), (11, 16, True), (137, 4096, False)],
)
def test_a_bus_error_and_a_small_one_are_suspicious(monkeypatch, code, mib, suspects):
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, mib * 256, 0, 0, 0, 0, 0, 0, 255)))
    assert (f" of {mib} MiB may have been" in suspicion(code)) == suspects
    assert ("--shm-size" in suspicion(code)) == suspects


def test_one_that_cannot_be_written_or_is_not_there_is_suspected(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert " cannot be written, which MPI may need" in suspicion(15)
    monkeypatch.setattr(shared_memory, "_PLACE", "/dev/none")
    assert "there is no /dev/none" in suspicion(15)


#: Places that are too small for the rows, for sums of gradients that steps are the first to write, and for MPI's start.
SMALL = {
    "12m": ("200000", "", 74, "MiB more of shared memory"),
    "24m": (
        "4000",
        "[model]\nhidden = [1000, 1000]\n[train]\nglobal_batch_size = 512\n",
        74,
        "MiB more of shared memory",
    ),
    "1m": ("4000", "", 70, " of 1 MiB may have been too small"),
}


@pytest.mark.mpi
@pytest.mark.parametrize("size", SMALL)
@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="a file system of its own needs root")
def test_a_small_one_is_one_line_under_the_launcher(tmp_path: Path, size: str):
    if size == "1m" and find_launcher().vendor == "openmpi":
        pytest.skip("Open MPI starts there, and trains")
    samples, config, code, phrase = SMALL[size]
    made = ddp_mlp("data", "make", "teacher", "--samples", samples, "--out", "t.h5", cwd=tmp_path)
    assert made.code == 0, made.err
    (tmp_path / "c.toml").write_text('[data]\ntrain = "t.h5"\n' + config)
    train = f"{sys.executable} -m ddp_mlp launch -n 2 train c.toml --out run --progress none"
    script = f"mount -t tmpfs -o size={size} none /dev/shm && exec {train}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    if "permission denied" in done.stderr.lower():
        pytest.skip("this machine lets nobody mount")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    assert phrase in lines[0]
    assert code == 70 or "Bus error" not in done.stderr  # the start of MPI is the library's own
