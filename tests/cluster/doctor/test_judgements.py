"""What the doctor makes of facts that a test machine cannot be made to have."""

from __future__ import annotations

import pytest

from ddp_mlp.cluster.doctor import ERROR, OK, WARNING
from ddp_mlp.cluster.doctor import slurm as doctor_of_slurm
from ddp_mlp.cluster.doctor.machine import cpu_quota, judge_cores, judge_shared_memory
from ddp_mlp.cluster.doctor.slurm import judge_types
from ddp_mlp.cluster.doctor.storage import judge_cache, judge_run_directory
from ddp_mlp.comm.mpi.library import MpiLibrary

GIB = 2**30


@pytest.mark.parametrize(
    ("allowed", "quota", "environment", "level"),
    [
        (8, None, {}, OK),
        (8, None, {"DDP_MLP_THREADS_PER_RANK": "8"}, OK),
        (8, None, {"DDP_MLP_THREADS_PER_RANK": "9"}, WARNING),
        (8, None, {"DDP_MLP_THREADS_PER_RANK": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, OK),
        (8, None, {"DDP_MLP_THREADS_PER_RANK": "4", "MPI_LOCALNRANKS": "3"}, WARNING),
        (4, None, {"DDP_MLP_THREADS_PER_RANK": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, OK),  # bound to its own
        (1, None, {"DDP_MLP_THREADS_PER_RANK": "4"}, WARNING),  # bound too tightly
        (8, 1.5, {"DDP_MLP_THREADS_PER_RANK": "2"}, WARNING),  # a container's share of time
        (8, 2.0, {"DDP_MLP_THREADS_PER_RANK": "2"}, OK),
    ],
)
def test_more_workers_than_cores(allowed, quota, environment, level):
    assert judge_cores(allowed, 8, quota, environment).level == level


def test_the_time_limit_of_a_container(tmp_path):
    limits = tmp_path / "cpu.max"
    assert cpu_quota(limits) is None
    limits.write_text("max 100000\n")
    assert cpu_quota(limits) is None
    limits.write_text("150000 100000\n")
    assert cpu_quota(limits) == 1.5


def test_file_systems(tmp_path):
    good = {"has_locks": True, "fsync_s": 0.01, "free": 10 * GIB}
    assert judge_run_directory(tmp_path, **good).level == OK
    for fault in ({"has_locks": False}, {"fsync_s": 3.0}, {"free": 1000}):
        finding = judge_run_directory(tmp_path, **{**good, **fault})
        assert finding.level == WARNING
        assert finding.fix


def test_kernel_caches(tmp_path):
    cache = tmp_path / "cache"
    assert (judge_cache(cache).level, "empty" in judge_cache(cache).found) == (OK, True)
    (cache / "kernels-float32-0").write_bytes(b"")
    assert (judge_cache(cache).level, "1 ready" in judge_cache(cache).found) == (OK, True)
    cache.chmod(0o770)
    (tmp_path / "file").write_text("")
    for bad in (cache, tmp_path / "file", tmp_path / "file" / "below"):
        finding = judge_cache(bad)
        assert finding.level == WARNING
        assert "DDP_MLP_CACHE_DIR" in finding.fix


def test_shared_memory_that_is_not_there(tmp_path):
    assert judge_shared_memory(tmp_path / "none").level == ERROR


@pytest.mark.parametrize(
    ("version", "types", "level", "says"),
    [
        ("MPICH Version: 5.0.2", ("none", "pmi2"), OK, "srun --mpi=pmi2"),
        ("CRAY MPICH version 8.1", ("pmi2", "cray_shasta"), OK, "srun --mpi=cray_shasta"),
        ("Open MPI v5.0.11", ("none", "pmi2"), OK, "mpirun"),
        ("MPICH Version: 5.0.2", ("none", "pmix"), WARNING, "none for MPICH"),
    ],
)
def test_how_slurm_starts_ranks(monkeypatch, version, types, level, says):
    vendor = "openmpi" if "Open" in version else "mpich"
    monkeypatch.setattr(doctor_of_slurm, "loaded_library", lambda: MpiLibrary(vendor, version, ""))
    finding = judge_types(types)
    assert finding.level == level
    assert says in finding.found
