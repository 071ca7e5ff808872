"""Cores, who may use them, and memory that ranks share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, WARNING, Diagnosis
from ddp_mlp.errors import counted

#: Bytes of shared memory that a node's ranks and their data want at the least.
_LEAST_SHARED_BYTES = 256 * 2**20
_RANKS_PER_NODE = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE")


def check_cores() -> Iterator[Diagnosis]:
    """Compare workers with cores that this process may use."""
    allowed = len(os.sched_getaffinity(0))
    yield judge_cores(allowed, os.cpu_count() or allowed, cpu_quota(), os.environ)


def judge_cores(allowed: int, present: int, quota: float | None, environment: Mapping[str, str]) -> Diagnosis:
    """Judge the cores of this process against the ranks and threads of its environment."""
    found = f"{allowed} of {present} cores may be used"
    usable = float(allowed)
    if quota is not None and quota < usable:
        found, usable = f"{found}, time for {quota:g} of them", quota
    threads = _number(environment, ("DDP_MLP_THREADS_PER_RANK",))
    ranks = _number(environment, _RANKS_PER_NODE)
    if allowed < present:
        ranks = 1  # bound to cores of its own; otherwise all ranks of the node share them
    if ranks * threads > usable:
        fix = "fewer --threads-per-rank or ranks per node, more --cpus-per-task, or mpirun --bind-to none"
        return Diagnosis(
            "cores", WARNING, f"{found}, but {counted(ranks, 'rank')} x {counted(threads, 'thread')} want to work", fix
        )
    return Diagnosis("cores", OK, found)


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int:
    values = [environment[name] for name in names if environment.get(name, "").isdigit()]
    return max(1, int(values[0])) if values else 1


def cpu_quota(limits: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Return how many cores' time a container may use, None without a limit."""
    try:
        quota, period = limits.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def check_shared_memory() -> Iterator[Diagnosis]:
    """Look for room where ranks of a node share memory."""
    yield judge_shared_memory(Path("/dev/shm"))  # noqa: S108 - the ranks' place, not ours


def judge_shared_memory(path: Path) -> Diagnosis:
    """Judge a file system for shared memory."""
    if not os.access(path, os.W_OK):
        fix = "mount a tmpfs there (containers: --ipc=host, or bind /dev/shm)"
        return Diagnosis("shared memory", ERROR, f"{path} cannot be written to", fix)
    free = shutil.disk_usage(path).free
    found = f"{free / 2**20:.0f} MiB free in {path}"
    if free < _LEAST_SHARED_BYTES:
        fix = "the data of a node must fit: remove old files there, or enlarge it (docker run --shm-size=4g)"
        return Diagnosis("shared memory", WARNING, found, fix)
    return Diagnosis("shared memory", OK, found)
