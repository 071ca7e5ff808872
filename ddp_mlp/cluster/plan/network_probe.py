"""Latency and bandwidth of the messages between nodes, measured between two ranks.

``python -m ddp_mlp.cluster.plan.network_probe BYTES`` on two ranks prints both as one JSON object. On one
machine the two pretend to be nodes, and MPI goes through memory: no network is faster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from time import perf_counter

from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
from ddp_mlp.cluster.launch.launchers import find_launcher
from ddp_mlp.cluster.launch.process import ask_job
from ddp_mlp.comm import Communicator, connect
from ddp_mlp.errors import LaunchError

#: Bytes of the small message, and times of which the least disturbed one counts.
_SMALL, _ROUNDS = 64, 15
#: Bytes of the large message, at least and at most: a shorter one tells no bandwidth, a longer one is no faster.
_LARGE = 1_000_000, 16_000_000
_DEADLINE_S = 120


def exchange_s(comm: Communicator, n_bytes: int) -> float:
    """Collective. Return the seconds in which two nodes give each other so many bytes."""
    import numpy as np

    table = np.zeros((comm.world_size, n_bytes), np.uint8)
    found = []
    for _ in range(_ROUNDS):
        comm.barrier()
        started = perf_counter()
        for _ in range(10 if n_bytes == _SMALL else 1):
            comm.gather_rows_of_nodes(table, [1] * comm.world_size)
        found.append((perf_counter() - started) / (10 if n_bytes == _SMALL else 1))
    return min(found)


def measure_network(n_bytes: int, environment: Mapping[str, str] = os.environ) -> tuple[float, float]:
    """Start two ranks and return latency (s) and bandwidth (bytes/s) of vectors of so many bytes.

    Raises
    ------
    LaunchError
        If there is no MPI to start them with.
    """
    launcher = find_launcher()
    chosen = {**launch_environment(launcher, 1, environment), "DDP_MLP_RANKS_PER_NODE": "1"}
    command = ranks_command(launcher, 2, ["-m", __name__, str(n_bytes)])
    try:
        done = ask_job(command, chosen, _DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(str(error)) from None
    if done.returncode:
        raise _failed((done.stderr.strip().splitlines() or ["no message"])[-1])
    found = json.loads(done.stdout)
    return float(found["latency_s"]), float(found["bytes_per_s"])


def _failed(reason: str) -> LaunchError:
    return LaunchError(
        f"two ranks for measuring the exchange failed ({reason}); give --latency-us and --bandwidth-gb-s"
    )


def main() -> None:
    """Measure, on two ranks, and print one JSON object on rank 0."""
    n_bytes = min(max(int(sys.argv[1]), _LARGE[0]), _LARGE[1])
    with connect() as comm:
        small, large = exchange_s(comm, _SMALL), exchange_s(comm, n_bytes)
        if comm.rank == 0:
            rate = n_bytes / max(large - small, 0.1 * large)  # on a busy machine the small one may be the slower
            sys.stdout.write(json.dumps({"latency_s": small, "bytes_per_s": rate}))


if __name__ == "__main__":
    main()
