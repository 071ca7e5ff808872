"""Whether a machine can hold a network and its rows at all, asked before any of them is allocated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.config import Config
from ddp_mlp.core.network import Network
from ddp_mlp.core.windows import Cut
from ddp_mlp.errors import UsageError

_CGROUPS = Path("/sys/fs/cgroup")


def check_memory(network: Network, config: Config, machine_bytes: int | None = None) -> None:
    """Raise UsageError if a machine cannot hold parameters and gradient.

    It is the least that is needed: rows of data, sums of micro-batches, and the optimizer's
    vectors, which nodes may share out, come on top. `machine_bytes` is for tests; None asks
    the machine.
    """
    n_parameters = network.layout.n_parameters
    needed = 2 * n_parameters * np.dtype(held_dtype(config.train.dtype)).itemsize
    available = machine_bytes or memory_limit()
    if needed > available:
        raise UsageError(
            f"[model] hidden: {n_parameters} parameters and their gradient take "
            f"{needed / 2**30:.3g} GiB at least, but this machine has {available / 2**30:.3g} GiB; use narrower layers"
        )


def check_rows_fit(all_bytes: int, row_bytes: int, cut: Cut | None, machine_bytes: int | None = None) -> None:
    """Raise UsageError if a machine cannot hold its rows.

    Parameters
    ----------
    all_bytes, row_bytes : int
        Memory that all rows take, and one.
    cut : Cut or None
        Of rows that are streamed, of which two windows are held.
    machine_bytes : int, optional
        For tests; None asks the machine.
    """
    needed = all_bytes if cut is None else 2 * cut.window_rows * row_bytes
    available = machine_bytes or memory_limit()
    if needed > available:
        cure = 'set [data] residency = "stream"' if cut is None else "take a smaller [train] global_batch_size"
        raise UsageError(
            f"the rows take {needed / 2**30:.3g} GiB of memory at a time, but this machine, or the limit of this job,"
            f" has {available / 2**30:.3g} GiB; {cure}, or a machine with more"
        )


def memory_limit() -> int:
    """Return the bytes of memory of this machine, or of this process' control group where that has less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits_of_groups()])


def _limits_of_groups() -> Iterator[int]:
    """Yield the limits of the control groups of this process, of both versions, as far as they can be read."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for number, controllers, name in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if number == "0":
            folder, file = _CGROUPS / name.lstrip("/"), "memory.max"
        elif "memory" in controllers.split(","):
            folder, file = _CGROUPS / "memory" / name.lstrip("/"), "memory.limit_in_bytes"
        else:
            continue
        for group in (folder, *folder.parents):
            try:
                yield int((group / file).read_text())
            except (OSError, ValueError):  # none, "max", or a group that is seen from within a container
                continue
