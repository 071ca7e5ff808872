"""Python, the libraries it imports, and what BLAS they brought."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator

from ddp_mlp.cluster.doctor.finding import ERROR, OK, WARNING, Finding, ask

#: What is imported, and how it is asked for its version. Each in a child of its own: a
#: library that is broken, or that breaks the process, spoils one line only.
_LIBRARIES = {
    "numpy": "import numpy; print(numpy.__version__)",
    "numba": "import numba; print(numba.__version__)",
    "h5py": "import h5py; print(h5py.__version__, 'with HDF5', h5py.version.hdf5_version)",
}
_BLAS = """
import json, numpy.linalg, threadpoolctl
print(json.dumps([i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]))
"""


def check_python() -> Iterator[Finding]:
    """Look at the interpreter."""
    found = f"{platform.python_version()} at {sys.executable} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        yield Finding("python", ERROR, f"{found}, 32 bits", "install a 64-bit Python")
    else:
        yield Finding("python", OK, found)


def check_libraries() -> Iterator[Finding]:
    """Import each library that training needs."""
    for name, code in _LIBRARIES.items():
        exit_code, out, said = ask([sys.executable, "-c", code])
        if exit_code == 0:
            yield Finding(name, OK, out.strip())
        else:
            fix = f"pip install --force-reinstall {name}, and look for another {name} in PYTHONPATH"
            yield Finding(name, ERROR, f"cannot be imported: {said}", fix)


def check_blas() -> Iterator[Finding]:
    """Look at how many threads each BLAS would use in a rank."""
    exit_code, out, said = ask([sys.executable, "-c", _BLAS])
    if exit_code != 0:
        yield Finding("blas", ERROR, f"cannot be asked: {said}", "pip install --force-reinstall numpy threadpoolctl")
        return
    yield judge_blas(json.loads(out))


def judge_blas(pools: list[dict[str, object]]) -> Finding:
    """Judge what threadpoolctl says of the BLAS libraries in a process."""
    pools = [*{(p["internal_api"], p.get("version"), p["num_threads"]): p for p in pools}.values()]
    found = ", ".join(f"{p['internal_api']} {p.get('version')}, threads: {p['num_threads']}" for p in pools)
    if any(p["num_threads"] != 1 for p in pools):
        fix = "unset OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and OMP_NUM_THREADS, or set them to 1; ranks and "
        return Finding("blas", WARNING, found, fix + "--threads-per-rank are what fills the cores")
    return Finding("blas", OK, found)
