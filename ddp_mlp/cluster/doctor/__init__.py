"""Is this machine, this MPI, this Slurm fit to train? And how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, WARNING, Check, Diagnosis
from ddp_mlp.cluster.doctor.machine import check_cores, check_shared_memory
from ddp_mlp.cluster.doctor.mpi import check_launcher, check_library, check_two_ranks, check_world
from ddp_mlp.cluster.doctor.slurm import check_slurm
from ddp_mlp.cluster.doctor.software import check_libraries, check_python
from ddp_mlp.cluster.doctor.storage import check_kernel_cache, check_run_directory

__all__ = ["ERROR", "OK", "WARNING", "Diagnosis", "check_world", "diagnose"]


def diagnose(run_directory: Path) -> Iterator[Diagnosis]:
    """Yield a finding for each thing that training needs, but for the world of this process.

    Starts children that are no ranks of this job, and two ranks for a try.
    """
    checks: list[Check] = [
        check_python, check_libraries, check_library, check_launcher, check_two_ranks,
        check_cores, check_shared_memory, check_kernel_cache, partial(check_run_directory, run_directory), check_slurm,
    ]  # fmt: skip
    for check in checks:
        yield from check()
