"""Set-up of the whole suite: one thread for NumPy, compiled kernels, Hypothesis, random numbers."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("suite")

_COMPILE = """
from ddp_mlp.core.kernels.cache import fill_cache
from ddp_mlp.training.compilation import compile_kernels
fill_cache("tests", lambda: [compile_kernels(dtype) for dtype in ("float32", "float64")])
"""
_OWN_CACHE: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests of faults run as long as their figures need."""
    parser.addoption("--long", action="store_true", help="the long form of tests/faults, for its figures")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels of both dtypes once, and let this session use a copy of them.

    Modules that hold kernels are imported while tests are collected, so this comes before.
    A copy, because Numba writes into the directory what a test compiles beside them; the
    environment variable, so that processes that tests start use it too.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    from ddp_mlp.core.kernels.cache import use_cache

    if not use_cache("tests"):
        # If it fails, so do the tests that need kernels, each with the reason; the others still run.
        subprocess.run([sys.executable, "-c", _COMPILE], check=False, timeout=280)
    copy = tempfile.mkdtemp(prefix="ddp-mlp-tests-")
    _OWN_CACHE.append(copy)
    if use_cache("tests"):
        from numba.core import config as numba_config

        shutil.copytree(numba_config.CACHE_DIR, copy, dirs_exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = copy
    from numba.core import config as numba_config

    numba_config.CACHE_DIR = copy


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove this session's copy."""
    for copy in _OWN_CACHE:
        os.environ.pop("NUMBA_CACHE_DIR", None)
        shutil.rmtree(Path(copy), ignore_errors=True)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every session."""
    return np.random.default_rng(20240229)
