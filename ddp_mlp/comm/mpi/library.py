"""Which MPI library mpi4py loads, found out without starting MPI in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from ddp_mlp.comm.launcher import outside_any_job
from ddp_mlp.errors import LaunchError

#: How libraries call themselves; the offspring of MPICH speak its protocols.
_SIGNS = {"openmpi": ("Open MPI",), "mpich": ("MPICH", "Intel(R) MPI", "MVAPICH")}

#: Seconds in which a library must be loaded, on a busy machine and a slow file system too.
_PATIENCE_S = 60


@dataclass(frozen=True)
class MpiLibrary:
    """An MPI library: the vendor whose launcher it needs, what it says of itself, its file.

    `vendor` is mpich, openmpi, or empty for one that is not known.
    """

    vendor: str
    version: str
    path: str


def vendor_of(version: str) -> str:
    """Return the family of a library from its version text.

    Examples
    --------
    >>> vendor_of("Open MPI v5.0.11, package: ..."), vendor_of("CRAY MPICH version 8.1"), vendor_of("FG-MPI")
    ('openmpi', 'mpich', '')
    """
    found = [vendor for vendor, signs in _SIGNS.items() if any(sign in version for sign in signs)]
    return found[0] if found else ""


@cache
def loaded_library() -> MpiLibrary:
    """Return the library that mpi4py loads, as a child process finds it.

    Raises
    ------
    LaunchError
        If it can load none.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", "ddp_mlp.comm.mpi.library"], env=outside_any_job(os.environ),
            capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LaunchError(f"cannot find out which MPI library mpi4py loads: {error}; see ddp-mlp doctor") from None
    if child.returncode != 0:
        said = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
        raise LaunchError(
            f'mpi4py can load no MPI library ({said[-1]}); install one with: pip install "ddp-mlp[mpich]", '
            "or load your cluster's MPI module"
        )
    return MpiLibrary(**json.loads(child.stdout.splitlines()[-1]))  # after what libraries have printed


def _describe() -> MpiLibrary:
    """Load the library here, without initialising it."""
    from mpi4py import MPI

    version = MPI.Get_library_version().splitlines()[0].strip("\0 ")
    mapped: set[str] = set()
    with suppress(OSError):  # without /proc its file stays unknown
        mapped = {line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    paths = sorted(path for path in mapped if Path(path).name.startswith(("libmpi.so", "libmpich", "libmpi_")))
    return MpiLibrary(vendor_of(version), " ".join(version.split()), paths[0] if paths else "")


if __name__ == "__main__":
    print(json.dumps(asdict(_describe())))  # noqa: T201
