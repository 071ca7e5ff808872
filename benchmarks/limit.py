"""The limit: the matrix products of a step alone, on both cores, at the best rate measured here.

python -m benchmarks.limit S M L XL
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.linalg.blas import sgemm

from benchmarks.works import WORKS


def peak_flops(seconds: float = 0.5) -> float:
    """Return the highest rate of a large float32 product on one core, in flop/s."""
    n = 768
    a = np.asfortranarray(np.random.default_rng(0).random((n, n), dtype=np.float32))
    b, c = a.copy(order="F"), np.zeros_like(a)
    best, until = float("inf"), perf_counter() + seconds
    while perf_counter() < until:
        started = perf_counter()
        sgemm(1.0, a, b, beta=0.0, c=c, overwrite_c=1)
        best = min(best, perf_counter() - started)
    return 2 * n**3 / best


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
