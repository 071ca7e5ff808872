"""The launcher that belongs to the library is chosen, whatever else is on PATH."""

from __future__ import annotations

import pytest

from ddp_mlp.cluster.launch import launchers
from ddp_mlp.cluster.launch.launchers import Launcher, find_launcher
from ddp_mlp.comm.mpi.library import MpiLibrary, loaded_library
from ddp_mlp.errors import LaunchError


def fake_launcher(path, says):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A machine with an MPICH in <tmp>/mpi/lib and nothing else."""
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "scripts"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    library = MpiLibrary("mpich", "MPICH Version: 5", str(tmp_path / "mpi" / "lib" / "libmpi.so.12"))
    monkeypatch.setattr(launchers, "loaded_library", lambda: library)
    return tmp_path


def test_one_of_another_vendor_first_on_path_is_passed_over(site):
    fake_launcher(site / "path" / "mpiexec", "mpiexec Open MPI 5.0")
    beside = fake_launcher(site / "mpi" / "bin" / "mpiexec", "HYDRA build details")
    assert find_launcher() == Launcher(beside, "mpich")


def test_beside_the_python_and_by_another_name_on_path(site):
    on_path = fake_launcher(site / "path" / "mpiexec.hydra", "HYDRA build details")
    assert find_launcher() == Launcher(on_path, "mpich")
    beside = fake_launcher(site / "scripts" / "mpirun", "HYDRA build details")
    assert find_launcher() == Launcher(beside, "mpich")


def test_only_launchers_of_another_vendor_are_refused_with_both_named(site):
    other = fake_launcher(site / "path" / "mpiexec", "mpiexec Open MPI 5.0")
    with pytest.raises(LaunchError, match=f"{other} belongs to openmpi, but mpi4py loads MPICH"):
        find_launcher()


def test_no_launcher_says_how_to_get_one(site):
    fake_launcher(site / "path" / "mpiexec", "something else 1.0")  # of no known vendor
    with pytest.raises(LaunchError, match="pip install"):
        find_launcher()


def test_the_library_of_this_python():
    library = loaded_library()
    assert library.vendor in ("mpich", "openmpi")
    assert "libmpi" in library.path
    assert find_launcher().vendor == library.vendor


def test_a_library_that_is_not_there(monkeypatch):
    monkeypatch.setenv("MPI4PY_LIBMPI", "/nowhere/libmpi.so")
    loaded_library.cache_clear()
    try:
        with pytest.raises(LaunchError, match=r"can load no MPI library \(/nowhere/libmpi.so.*pip install"):
            loaded_library()
    finally:
        loaded_library.cache_clear()
