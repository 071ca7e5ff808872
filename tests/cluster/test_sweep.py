"""What killed MPI jobs leave is removed, and nothing else."""

from __future__ import annotations

import mmap
import os
import subprocess
import time

from ddp_mlp.cluster.sweep import sweep


def test_only_new_and_unused_leftovers_go(tmp_path):
    memory, temporary = tmp_path / "shm", tmp_path / "tmp"
    memory.mkdir()
    temporary.mkdir()
    since = time.time() - 10
    names = [
        "mpich_shm_945eb647_0",
        "sm_segment.n1.0.c95d0001.0",
        "mpich_shm_0ld_0",
        "mpich_shm_used-by-test_0",
        "mine",
    ]
    for name in names:
        (memory / name).write_bytes(b"x" * 4096)
    (temporary / "hydra_hwloc_xmlfile_X4PkMu").write_text("")
    (temporary / "else").write_text("")
    os.utime(memory / "mpich_shm_0ld_0", (since - 100, since - 100))
    with (memory / "mpich_shm_used-by-test_0").open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        removed = sweep(since, memory, temporary, temporary)
    assert sorted(path.name for path in removed) == [
        "hydra_hwloc_xmlfile_X4PkMu",
        "mpich_shm_945eb647_0",
        "sm_segment.n1.0.c95d0001.0",
    ]
    assert sorted(path.name for path in memory.iterdir()) == ["mine", "mpich_shm_0ld_0", "mpich_shm_used-by-test_0"]
    assert [path.name for path in temporary.iterdir()] == ["else"]


def test_directories_that_are_not_there_are_empty(tmp_path):
    assert sweep(0.0, tmp_path / "none", tmp_path / "neither", tmp_path / "nor") == []


def test_sessions_of_launchers_that_are_gone_go(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("")
    for name in (f"ompi.{gone.pid}", f"ompi.{os.getpid()}", "ompi.vm"):
        (tmp_path / name / "0").mkdir(parents=True)
    (tmp_path / f"ompi.{gone.pid}" / "0" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"ompi.x.{gone.pid}").symlink_to(tmp_path / "elsewhere")
    assert sweep(time.time() + 10, tmp_path / "none", tmp_path / "none", tmp_path) == []
    removed = sweep(time.time() - 10, tmp_path / "none", tmp_path / "none", tmp_path)
    assert [path.name for path in removed] == [f"ompi.{gone.pid}"]
    assert (tmp_path / "elsewhere" / "mine").exists()
    assert (tmp_path / f"ompi.{os.getpid()}").exists()
