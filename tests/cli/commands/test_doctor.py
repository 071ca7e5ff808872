"""`ddp-mlp doctor` on set-ups that were broken on purpose: each is found, and the fix is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.runs import ddp_mlp, run

DOCTOR = [sys.executable, "-m", "ddp_mlp", "doctor", "--json"]


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def examine(cwd, *options, command=DOCTOR, **environment):
    done = run([*command, *options], cwd, **environment)
    report = json.loads(done.out)
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert report["fit"] == (done.code == 0) == all(f["level"] != "error" for f in findings.values())
    assert all(bool(f["fix"]) == (f["level"] != "ok") for f in findings.values())
    return findings


def levels(findings):
    return {name: finding["level"] for name, finding in findings.items()}


@pytest.mark.mpi
def test_a_machine_that_is_fit(tmp_path):
    done = ddp_mlp("doctor", cwd=tmp_path)
    assert done.code in (0, 1), done.err
    for name in ("python", "numpy", "numba", "h5py", "mpi library", "two ranks", "run directory"):
        assert any(line.startswith("ok") and f" {name} " in line for line in done.out.splitlines()), done.out
    assert done.err == ""
    assert list(tmp_path.iterdir()) == []  # it looks, and leaves nothing behind


def test_1_no_mpi_library(tmp_path):
    findings = examine(tmp_path, MPI4PY_LIBMPI="/nowhere/libmpi.so")
    assert levels(findings)["mpi library"] == levels(findings)["launcher"] == levels(findings)["two ranks"] == "error"
    assert "pip install" in findings["mpi library"]["fix"]


@pytest.mark.thorough
def test_2_the_launcher_of_another_mpi_first_on_path(tmp_path):
    here = run([*DOCTOR], tmp_path)
    vendor = "openmpi" if "Open MPI" in here.out else "mpich"
    says = {"mpich": "mpiexec (Open MPI) 5.0", "openmpi": "HYDRA build details"}[vendor]
    script(tmp_path / "mpiexec", f"echo '{says}'")
    findings = examine(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert findings["launcher"]["level"] == "warning"
    assert f"{tmp_path}/mpiexec comes first on PATH" in findings["launcher"]["found"]
    assert "ddp-mlp launch" in findings["launcher"]["fix"]


def test_3_processes_that_each_think_they_are_alone(tmp_path):
    """What plain `srun` does to a library that does not speak Slurm's PMI."""
    findings = examine(tmp_path, SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="0")
    assert findings["world"]["level"] == "error"
    assert "started 4 processes" in findings["world"]["found"]
    assert findings["world"]["fix"]
    # What the machine is like, one of them tells; that it is alone, each.
    other = run(DOCTOR, tmp_path, SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="3")
    assert (other.code, [finding["name"] for finding in json.loads(other.out)["findings"]]) == (1, ["world"])


@pytest.mark.thorough
@pytest.mark.mpi
def test_4_ranks_that_cannot_meet(tmp_path):
    """Here because every child that is a rank dies; on clusters, because of firewalls."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif {'PMI_RANK', 'OMPI_COMM_WORLD_RANK'} & set(os.environ): sys.exit('no route to host')\n"
    )
    findings = examine(tmp_path, PYTHONPATH=str(tmp_path))
    assert findings["two ranks"]["level"] == "error"
    assert "hostname" in findings["two ranks"]["fix"]


def test_5_to_11_of_several_faults_each_is_found(tmp_path):
    """A library that cannot be imported, more threads than cores, a cache that others may write to, a run directory
    that cannot be written, and a cluster whose controller is away."""
    (tmp_path / "h5py.py").write_text("raise ImportError('libhdf5.so.310: cannot open shared object file')\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    (tmp_path / "file").write_text("")
    (tmp_path / "slurm.conf").write_text("")
    for name in ("sbatch", "scontrol"):
        script(tmp_path / name, "echo 'Slurmctld(primary) at head is DOWN'; exit 1")
    findings = examine(
        tmp_path,
        "--run-dir",
        "file",
        PYTHONPATH=str(tmp_path),
        DDP_MLP_THREADS_PER_RANK="4096",
        DDP_MLP_CACHE_DIR=str(cache),
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        SLURM_CONF=str(tmp_path / "slurm.conf"),
    )
    for name, level, found, fix in (
        ("h5py", "error", "libhdf5.so.310", "PYTHONPATH"),
        ("cores", "warning", "", "--threads-per-rank"),
        ("kernel cache", "warning", "", f"chmod 700 {cache}"),
        ("run directory", "error", "", "--out"),
        ("slurm", "error", "is DOWN", "SLURM_CONF"),
    ):
        assert (name, findings[name]["level"]) == (name, level)
        assert found in findings[name]["found"]
        assert fix in findings[name]["fix"]


@pytest.mark.thorough
def test_12_no_room_for_shared_memory(tmp_path):
    mount = "mount -t tmpfs -o size=8m tmpfs /dev/shm"
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("needs a mount namespace of its own, which this user may not have")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *DOCTOR]
    findings = examine(tmp_path, command=command)
    assert findings["shared memory"]["level"] == "warning"
    assert "--shm-size" in findings["shared memory"]["fix"]
