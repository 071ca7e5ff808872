"""Whether a machine can hold a network at all, asked before any of it is allocated."""

from __future__ import annotations

import os

import numpy as np

from ddp_mlp.config import Config
from ddp_mlp.core.network import Network
from ddp_mlp.errors import UsageError


def check_memory(network: Network, config: Config, machine_bytes: int | None = None) -> None:
    """Raise UsageError if a machine cannot hold parameters and gradient.

    It is the least that is needed: rows of data, sums of micro-batches, and the optimizer's
    vectors, which nodes may share out, come on top. `machine_bytes` is for tests; None asks
    the machine.
    """
    n_parameters = network.layout.n_parameters
    needed = 2 * n_parameters * np.dtype(config.train.dtype).itemsize
    available = machine_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise UsageError(
            f"[model] hidden: {n_parameters} parameters and their gradient take "
            f"{needed / 2**30:.3g} GiB at least, but this machine has {available / 2**30:.3g} GiB; use narrower layers"
        )
