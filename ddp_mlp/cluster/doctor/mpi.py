"""The MPI library, its launcher, the world this process is in, and two ranks for a try."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, WARNING, Diagnosis, ask
from ddp_mlp.cluster.launch.launch import launch_environment
from ddp_mlp.cluster.launch.launchers import find_launcher, identify, launcher_on_path
from ddp_mlp.comm import connect
from ddp_mlp.comm.launcher import expected_world_size
from ddp_mlp.comm.mpi.library import loaded_library
from ddp_mlp.errors import LaunchError, counted

_INSTALL = 'pip install "ddp-mlp[mpich]", or load your cluster\'s MPI module'


def check_library() -> Iterator[Diagnosis]:
    """Look at which MPI library mpi4py loads, and from where."""
    try:
        library = loaded_library()
    except LaunchError as error:
        yield Diagnosis("mpi library", ERROR, str(error).partition(";")[0], _INSTALL)
        return
    found = f"{library.version}, {library.path}"
    if not library.vendor:
        fix = "start ranks with that library's own launcher; MPICH and Open MPI are the ones that are tested"
        yield Diagnosis("mpi library", WARNING, found, fix)
    else:
        yield Diagnosis("mpi library", OK, found)


def check_launcher() -> Iterator[Diagnosis]:
    """Look for the launcher of that library, and at the one a user would type."""
    try:
        launcher = find_launcher()
    except LaunchError as error:
        found, _, fix = str(error).partition(";")
        yield Diagnosis("launcher", ERROR, found, fix.strip())
        return
    typed = launcher_on_path()
    other = identify(typed) if typed else None
    if typed and (other is None or other.vendor != launcher.vendor):
        found = (
            f"{launcher.path} fits, but {typed} comes first on PATH ({other.vendor if other else 'of no known MPI'})"
        )
        yield Diagnosis("launcher", WARNING, found, f"start ranks with `ddp-mlp launch` or {launcher.path}, not mpirun")
        return
    shorter = f"; the first on PATH, {typed}, fits too" if typed and Path(typed) != Path(launcher.path) else ""
    yield Diagnosis("launcher", OK, f"{launcher.path} ({launcher.vendor}){shorter}")


def check_world() -> Iterator[Diagnosis]:
    """Collective. Compare the world that MPI sees with what the launcher of this process says."""
    expected = expected_world_size(os.environ)
    if expected <= 1:
        yield Diagnosis("world", OK, "one process, MPI not started")
        return
    try:
        with connect() as comm:
            yield Diagnosis(
                "world", OK, f"{counted(comm.world_size, 'rank')} on {counted(len(comm.node_sizes), 'node')}"
            )
    except LaunchError as error:
        found, _, fix = str(error).partition(";")
        yield Diagnosis("world", ERROR, found, fix.strip())


def check_two_ranks() -> Iterator[Diagnosis]:
    """Start two ranks on this machine that add up numbers."""
    try:
        launcher = find_launcher()
    except LaunchError:
        yield Diagnosis("two ranks", ERROR, "not tried: there is no launcher", "see launcher")
        return
    for name, value in launch_environment(launcher, 1, {}).items():
        os.environ.setdefault(name, value)
    started = perf_counter()
    exit_code, out, said = ask([launcher.path, "-n", "2", sys.executable, "-m", "ddp_mlp.comm.selftest"])
    if exit_code == 0 and "2 ranks agree" in out:
        yield Diagnosis("two ranks", OK, f"added up numbers in {perf_counter() - started:.1f} s")
        return
    fix = f"try {launcher.path} -n 2 hostname; if that works, look at firewall, host name and shared memory"
    yield Diagnosis("two ranks", ERROR, f"failed (exit code {exit_code}): {said}", fix)
