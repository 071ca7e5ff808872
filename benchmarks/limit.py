"""The limit: the matrix products of a step alone, on both cores, at the best rate measured here.

python -m benchmarks.limit S M L XL
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba
import numpy as np

from benchmarks.works import WORKS
from ddp_mlp.core.kernels.gemm.gemm import Matrix, multiply

#: Size of the products whose rate is taken: large enough for each to reach its best.
_N = 768


@numba.njit(error_model="numpy")
def _own_product(a, b, c, n):  # type: ignore[no-untyped-def]
    multiply(Matrix(a, 0, n, 1), Matrix(b, 0, n, 1), False, Matrix(c, 0, n, 1), n, n, n, False)


def _products() -> Iterator[Callable[[], object]]:
    """Yield every way of multiplying that is at hand; the limit is that of the fastest."""
    a = np.random.default_rng(0).random((_N, _N), dtype=np.float32)
    b, c = a.copy(), np.zeros_like(a)
    yield lambda: _own_product(a.reshape(-1), b.reshape(-1), c.reshape(-1), _N)
    yield lambda: np.matmul(a, b, out=c)
    with suppress(ImportError):
        from scipy.linalg.blas import sgemm

        yield lambda: sgemm(1.0, a.T, b.T, beta=0.0, c=c.T, overwrite_c=1)


def peak_flops(seconds: float = 0.3) -> float:
    """Return the highest rate of a large float32 product on one core, in flop/s."""
    best = float("inf")
    for product in _products():
        product()
        until = perf_counter() + seconds
        while perf_counter() < until:
            started = perf_counter()
            product()
            best = min(best, perf_counter() - started)
    return 2 * _N**3 / best


def both_cores(n_cores: int) -> float:
    """Return the sum of the rates of `n_cores` processes that run at once."""
    command = [sys.executable, "-m", "benchmarks.limit", "--peak"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(n_cores)]
    return sum(float(process.communicate()[0]) for process in processes)


def main() -> None:
    """Print one JSON object: work -> microseconds a step."""
    if sys.argv[1:] == ["--peak"]:
        print(peak_flops())
        return
    rate = both_cores(2)
    print(json.dumps({"gflops": rate / 1e9} | {name: WORKS[name].flops / rate * 1e6 for name in sys.argv[1:]}))


if __name__ == "__main__":
    main()
