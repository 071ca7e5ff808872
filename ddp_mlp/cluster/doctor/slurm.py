"""Slurm: is it here, does it answer, and how does it start ranks of this MPI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, WARNING, Diagnosis, ask
from ddp_mlp.cluster.slurm.starters import fitting_type, mpi_types
from ddp_mlp.comm.mpi.library import loaded_library
from ddp_mlp.errors import LaunchError


def check_slurm() -> Iterator[Diagnosis]:
    """Look at Slurm, where there is one."""
    if not shutil.which("sbatch"):
        yield Diagnosis("slurm", OK, "not on this machine; `ddp-mlp launch` starts ranks")
        return
    exit_code, out, said = ask(["scontrol", "ping"], timeout_s=30)
    if exit_code != 0 or "UP" not in out:
        level = ERROR if is_configured() else WARNING
        found = f"installed, but no controller answers: {(out.strip() or said).splitlines()[0]}"
        fix = "run on a login node of the cluster; look at SLURM_CONF and at `scontrol ping`"
        yield Diagnosis("slurm", level, found, fix)
        return
    yield Diagnosis("slurm", OK, out.strip().splitlines()[0])
    yield judge_types(mpi_types())


def is_configured() -> bool:
    """Tell whether this machine is meant to be part of a cluster."""
    places = (os.environ.get("SLURM_CONF"), "/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf")
    return any(place and Path(place).exists() for place in places)


def judge_types(types: tuple[str, ...]) -> Diagnosis:
    """Judge the MPI types of Slurm against the library that mpi4py loads."""
    known = f"srun --mpi knows {', '.join(types) or 'nothing'}"
    try:
        library = loaded_library()
    except LaunchError:
        return Diagnosis("slurm mpi", ERROR, f"{known}, but mpi4py loads no MPI library", "see mpi library")
    if fitting := fitting_type(library, types):
        return Diagnosis("slurm mpi", OK, f"{known}; start ranks with srun --mpi={fitting}")
    if library.vendor == "openmpi":
        return Diagnosis("slurm mpi", OK, f"{known}; start ranks with the mpirun of Open MPI, not with plain srun")
    fix = "`ddp-mlp slurm script --launcher mpiexec`, which needs no such type; or ask for pmi2"
    return Diagnosis("slurm mpi", WARNING, f"{known}: none for {library.version}", fix)
