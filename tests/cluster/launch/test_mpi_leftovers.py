"""What killed MPI jobs leave is removed, and nothing that somebody may still use."""

from __future__ import annotations

import mmap
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from ddp_mlp.cluster.launch import mpi_leftovers as sweeping
from ddp_mlp.cluster.launch.mpi_leftovers import sweep, temporary_directory


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The directories that are swept, as in a container: shared memory, temporary files, sessions."""
    monkeypatch.setattr(sweeping, "sees_all_processes", lambda: False)
    found = [tmp_path / name for name in ("shm", "tmp", "sessions")]
    for path in found:
        path.mkdir()
    return found


def left(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_only_new_and_unused_memory_goes(places):
    memory, since = places[0], time.time() - 10
    names = ("mpich_shm_945eb647_0", "sm_segment.n1.0.c95d0001.0", "mpich_shm_used_0", "mpich_shm_open_0", "mine")
    for name in names:
        (memory / name).write_bytes(b"x" * 4096)
    aged(memory / "mine", 0).with_name("mpich_shm_0ld_0").write_bytes(b"")
    aged(memory / "mpich_shm_0ld_0", 100)
    (memory / "mpich_shm_link_0").symlink_to(memory / "mine")
    with (memory / "mpich_shm_open_0").open("rb"), (memory / "mpich_shm_used_0").open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
        file.close()
        removed = sweep(since, *places)
        mapped.close()
    assert sorted(path.name for path in removed) == ["mpich_shm_945eb647_0", "sm_segment.n1.0.c95d0001.0"]
    assert left(memory) == ["mine", "mpich_shm_0ld_0", "mpich_shm_link_0", "mpich_shm_open_0", "mpich_shm_used_0"]
    assert len(sweep(0.0, *places)) == 3, "of any age"


def test_topologies_stay_while_a_launcher_may_need_them(places, monkeypatch):
    temporary, launchers = places[1], [{"age": 30.0}]
    monkeypatch.setattr(sweeping, "own_processes", lambda: range(len(launchers)))
    monkeypatch.setattr(sweeping, "is_launcher", lambda _: True)
    monkeypatch.setattr(sweeping, "age_s", lambda process: launchers[process]["age"])
    (temporary / "else").write_text("")
    for name, age in (("older", 60), ("as-old", 30.5), ("younger", 1)):
        (temporary / f"hydra_hwloc_xmlfile_{name}").write_text("")
        aged(temporary / f"hydra_hwloc_xmlfile_{name}", age)
    assert [path.name for path in sweep(0.0, *places)] == ["hydra_hwloc_xmlfile_older"]
    launchers[0]["age"] = 5000.0  # its ranks have started MPI long ago
    assert len(sweep(0.0, *places)) == 2
    assert left(temporary) == ["else"]


def test_directories_that_are_not_there_are_empty(tmp_path):
    assert sweep(0.0, tmp_path / "none", tmp_path / "neither", tmp_path / "nor") == []


def test_sessions_of_launchers_that_are_gone_go(places, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("")
    sessions = places[2]
    for name in (f"ompi.{gone.pid}", f"ompi.{os.getpid()}", "ompi.vm"):
        (sessions / name / "0").mkdir(parents=True)
    (sessions / f"ompi.{gone.pid}" / "0" / "link").symlink_to(tmp_path / "elsewhere")
    (sessions / f"ompi.x.{gone.pid}").symlink_to(tmp_path / "elsewhere")
    assert sweep(time.time() + 10, *places) == []
    assert [path.name for path in sweep(time.time() - 10, *places)] == [f"ompi.{gone.pid}"]
    assert (tmp_path / "elsewhere" / "mine").exists()
    assert (sessions / f"ompi.{os.getpid()}").exists()


def test_sessions_do_not_stay_for_what_only_has_the_number_of_their_launcher(places):
    """One that has ended and that nobody has waited for yet, and one that was started later."""
    ended, later = subprocess.Popen(["true"]), subprocess.Popen(["sleep", "1000"])
    try:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        for process in (ended, later):
            (places[2] / f"ompi.{process.pid}").mkdir()
        aged(places[2] / f"ompi.{later.pid}", 100)
        assert len(sweep(0.0, *places)) == 2
        (places[2] / f"ompi.{later.pid}").mkdir()
        assert sweep(0.0, *places) == []
    finally:
        later.kill()
        later.wait()
        ended.wait()


def test_clocks_do_not_decide_what_stays(places, monkeypatch):
    """That of files goes in ticks; and none of them matters where all processes are seen."""
    since, new, old = time.time(), places[0] / "mpich_shm_a_0", places[0] / "mpich_shm_b_0"
    for path, age in ((new, 0.1), (old, 100)):
        path.write_bytes(b"")
        aged(path, age)
    assert sweep(since, *places) == [new]
    monkeypatch.setattr(sweeping, "sees_all_processes", lambda: True)
    assert sweep(since, *places) == [old]


def test_a_full_disk_is_no_error(places, monkeypatch):
    """Python looks for a place for temporary files by writing to each, and raises where none takes it."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", lambda: pytest.fail("writes to the disk"))
    monkeypatch.setenv("TMPDIR", str(places[2]))
    assert temporary_directory() == places[2]
    assert sweep(0.0, *places[:2]) == []
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert temporary_directory() == Path("/tmp")  # noqa: S108


@pytest.mark.parametrize("error", [PermissionError(1, "not permitted"), FileNotFoundError(2, "gone"), OSError(5, "io")])
def test_what_cannot_be_removed_stays_and_the_rest_goes(places, monkeypatch, error):
    memory = places[0]
    for name in ("mpich_shm_a_0", "mpich_shm_b_0"):
        (memory / name).write_bytes(b"")
    unlink = Path.unlink

    def fail(path: Path, **options: bool) -> None:
        if path.name == "mpich_shm_a_0":
            raise error
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", fail)
    assert [path.name for path in sweep(0.0, *places)] == ["mpich_shm_b_0"]


def test_a_directory_that_cannot_be_read_is_no_error(places, monkeypatch):
    def fail(*_args: object) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "glob", fail)
    assert sweep(0.0, *places) == []
