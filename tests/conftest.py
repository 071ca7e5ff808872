"""Set-up of the whole suite: one thread for NumPy, compiled kernels, Hypothesis, random numbers."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported

import subprocess
import sys

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("suite")

_COMPILE = """
import sys
from ddp_mlp.comm import SingleProcess
from ddp_mlp.training.compilation import ready_kernels
ready_kernels(sys.argv[1], SingleProcess(), print)
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests of faults run as long as their figures need."""
    parser.addoption("--long", action="store_true", help="the long form of tests/faults, for its figures")


def pytest_configure(config: pytest.Config) -> None:
    """Have the kernels of both dtypes compiled, for this process and for those that tests start."""
    from ddp_mlp.core.kernels.cache import read_code
    from ddp_mlp.core.kernels.machine_code import load_kernels

    for dtype in ("float32", "float64"):
        if read_code(dtype) is None:
            # If it fails, so do the tests that need kernels, each with the reason; the others still run.
            subprocess.run([sys.executable, "-c", _COMPILE, dtype], check=False, timeout=1200)
        if code := read_code(dtype):
            load_kernels(dtype, code)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every session."""
    return np.random.default_rng(20240229)
