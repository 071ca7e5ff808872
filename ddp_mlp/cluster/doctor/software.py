"""Python and the libraries that it imports."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from ddp_mlp.cluster.doctor.diagnosis import ERROR, OK, Diagnosis, ask

#: The libraries, and how each is asked for its version. Each in a child of its own: a
#: library that is broken, or that breaks the process, spoils one line only.
_LIBRARIES = {
    "numpy": "import numpy; print(numpy.__version__)",
    "numba": "import numba; print(numba.__version__)",
    "h5py": "import h5py; print(h5py.__version__, 'with HDF5', h5py.version.hdf5_version)",
}


def check_python() -> Iterator[Diagnosis]:
    """Look at the interpreter."""
    found = f"{platform.python_version()} at {sys.executable} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        yield Diagnosis("python", ERROR, f"{found}, 32 bits", "install a 64-bit Python")
    else:
        yield Diagnosis("python", OK, found)


def check_libraries() -> Iterator[Diagnosis]:
    """Import each library that training needs."""
    for name, code in _LIBRARIES.items():
        exit_code, out, said = ask([sys.executable, "-c", code])
        if exit_code == 0:
            yield Diagnosis(name, OK, out.strip())
        else:
            fix = f"pip install --force-reinstall {name}, and look for another {name} in PYTHONPATH"
            yield Diagnosis(name, ERROR, f"cannot be imported: {said}", fix)
