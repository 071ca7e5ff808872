"""Which way of starting ranks fits this Slurm and this MPI library."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from ddp_mlp.cluster.launch.launch import launch_environment
from ddp_mlp.cluster.launch.launchers import find_launcher
from ddp_mlp.comm.mpi.library import MpiLibrary, loaded_library
from ddp_mlp.errors import UsageError


@dataclass(frozen=True)
class Starter:
    """The words before ``ddp-mlp`` that start the ranks of a job, and the environment they want."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def srun(mpi_type: str) -> Starter:
    """Return Slurm's own way; one rank that fails ends the step (-K1)."""
    return Starter(("srun", "-K1", f"--mpi={mpi_type}"))


def choose_starter(kind: str, mpi_type: str | None) -> Starter:
    """Return how a job starts its ranks.

    Parameters
    ----------
    kind : str
        srun, mpiexec (the launcher that belongs to the library), or auto: srun where Slurm
        speaks what the library speaks.
    mpi_type : str or None
        For ``srun --mpi``; None for the one that fits.

    Raises
    ------
    UsageError
        If srun is asked for, without a type, and none fits.
    LaunchError
        If there is no MPI library or no launcher for it.
    """
    if kind != "mpiexec" and mpi_type:
        return srun(mpi_type)
    types = mpi_types() if kind != "mpiexec" else ()
    fitting = fitting_type(loaded_library(), types) if types else None
    if fitting:
        return srun(fitting)
    if kind == "srun":
        known = ", ".join(types) or "nothing: there is no srun that answers"
        raise UsageError(
            f"no srun --mpi type fits {loaded_library().version} (srun knows {known}); "
            "leave --launcher away, or name the type with --mpi"
        )
    launcher = find_launcher()
    binding = ("--bind-to", "none") if launcher.vendor == "openmpi" else ()
    return Starter((launcher.path, *binding, "-n", "$SLURM_NTASKS"), launch_environment(launcher, 1, {}))


def mpi_types() -> tuple[str, ...]:
    """Return the names that ``srun --mpi=`` takes here; empty without an srun that answers."""
    try:
        shown = subprocess.run(
            ["srun", "--mpi=list"], capture_output=True, text=True, errors="replace", check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_types(shown.stdout + shown.stderr) if shown.returncode == 0 else ()


def parse_types(text: str) -> tuple[str, ...]:
    r"""Return the names in the answer of ``srun --mpi=list``, as old and new versions write it.

    Examples
    --------
    >>> parse_types("MPI plugin types are...\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4")
    ('none', 'pmi2')
    >>> parse_types("srun: MPI types are...\nsrun: none\nsrun: openmpi\nsrun: pmi2")
    ('none', 'openmpi', 'pmi2')
    """
    lines = [line.removeprefix("srun: ").strip() for line in text.splitlines()]
    return tuple(line for line in lines if line and " " not in line)


def fitting_type(library: MpiLibrary, types: tuple[str, ...]) -> str | None:
    """Return the ``srun --mpi=`` that the library speaks, None where it needs its own launcher.

    Open MPI from version 5 speaks PMIx only, and only that of the Slurm it was built for, so
    its `mpirun` is the surer way; who knows that PMIx works here says ``--mpi pmix``.

    Examples
    --------
    >>> fitting_type(MpiLibrary("mpich", "MPICH Version: 5.0", ""), ("none", "pmi2", "pmix"))
    'pmi2'
    >>> fitting_type(MpiLibrary("mpich", "CRAY MPICH version 8.1", ""), ("none", "pmi2", "cray_shasta"))
    'cray_shasta'
    >>> fitting_type(MpiLibrary("openmpi", "Open MPI v5.0.11", ""), ("none", "pmi2", "pmix"))
    """
    if library.vendor != "mpich":
        return None
    wanted = ("cray_shasta", "pmi2") if "CRAY" in library.version.upper() else ("pmi2",)
    return next((name for name in wanted if name in types), None)
