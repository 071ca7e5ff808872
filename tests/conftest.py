"""Set-up of the whole suite: one thread for NumPy, compiled kernels, Hypothesis, random numbers."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported

import functools
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("suite")

#: Folders of tests that start ranks, or look into what they leave, and words of other files that start them.
_OF_RANKS = tuple(f"tests/{name}/" for name in ("cluster", "comm", "faults", "mpi", "slurm"))
_STARTS_RANKS = re.compile(r'mark\.mpi|"launch"|mpiexec|"demo"')
_COMPILE = """
import sys
from ddp_mlp.comm import SingleProcess
from ddp_mlp.engine.compilation import ready_kernels
ready_kernels(sys.argv[1], SingleProcess(), print)
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let all tests run, or tests of faults as long as their figures need."""
    parser.addoption("--all", action="store_true", help="every test, not only those of the first few minutes")
    parser.addoption("--long", action="store_true", help="the long form of tests/faults, for its figures; means --all")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless all is wanted."""
    if config.getoption("--all") or config.getoption("--long"):
        return
    later = pytest.mark.skip(reason="one of the longer tests, which run with: pytest --all")
    for item in items:
        if item.get_closest_marker("thorough") or item.get_closest_marker("slurm"):
            item.add_marker(later)


class _Lanes(LoadScopeScheduling):
    """Tests in two processes: those of a file one after the other, and so all that start ranks.

    Ranks want all cores, and what other jobs leave behind is looked for.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "ranks" if _starts_ranks(self.config.rootpath, path) else path


@functools.cache
def _starts_ranks(root: Path, path: str) -> bool:
    is_of_folder = path.startswith(_OF_RANKS)
    return is_of_folder or (path.startswith("tests/") and bool(_STARTS_RANKS.search((root / path).read_text())))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Lanes:
    """Return the scheduler of these lanes."""
    return _Lanes(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Have the kernels of all dtypes compiled, for this process and for those that tests start."""
    from ddp_mlp.catalog.dtypes import DTYPES
    from ddp_mlp.core.kernels.machine_code import load_kernels
    from ddp_mlp.core.kernels.numba_ext.cache import read_code

    # One process for each that is not there yet. If it fails, so do the tests that need kernels, each with the
    # reason; the others still run.
    missing = [dtype for dtype in DTYPES if read_code(dtype) is None]
    compilers = [subprocess.Popen([sys.executable, "-c", _COMPILE, dtype]) for dtype in missing]
    for compiler in compilers:
        compiler.wait(timeout=1200)
    for dtype in DTYPES:
        if code := read_code(dtype):
            load_kernels(dtype, code)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the ranks that stay."""
    from tests.world import end_the_world

    end_the_world()


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """See that a test leaves signals as it found them: processes that later tests start inherit what is blocked."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()), [signal.getsignal(number) for number in numbers]
    yield
    after = signal.pthread_sigmask(signal.SIG_BLOCK, ()), [signal.getsignal(number) for number in numbers]
    if after != before:
        signal.pthread_sigmask(signal.SIG_SETMASK, before[0])
    assert after == before, "a test has left signals blocked, or handled by somebody else"


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every session."""
    return np.random.default_rng(20240229)
