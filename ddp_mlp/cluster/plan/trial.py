"""Steps of a configuration in one placement of ranks and threads, timed.

``python -m ddp_mlp.cluster.plan.trial THREADS CONFIG [SECTION.KEY=VALUE]...`` on any number of ranks
prints the seconds of a step as one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
from ddp_mlp.cluster.launch.launchers import find_launcher
from ddp_mlp.cluster.launch.process import ask_job
from ddp_mlp.comm import Communicator, agreed, connect
from ddp_mlp.comm.launcher import without_rank
from ddp_mlp.errors import DdpMlpError

#: Seconds that a trial may take before something must be wrong.
_DEADLINE_S = 120


def try_placement(ranks: int, threads: int, config: Path, overrides: Sequence[str]) -> float | None:
    """Start so many ranks and return the seconds of a step; None if they cannot be started."""
    arguments = ["-m", __name__, str(threads), str(config), *overrides]
    command, environment = [sys.executable, *arguments], without_rank(os.environ)
    if ranks > 1:
        launcher = find_launcher()
        command = ranks_command(launcher, ranks, arguments)
        environment = launch_environment(launcher, threads, os.environ)
    environment["OPENBLAS_NUM_THREADS"] = "1"  # NumPy's threads would start when it is loaded
    try:
        done = ask_job(command, environment, _DEADLINE_S)
        return float(json.loads(done.stdout)["step_s"]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return None


def time_steps(comm: Communicator, threads: int, config_path: Path, overrides: Sequence[str]) -> float:
    """Collective. Return the seconds of a step on random rows of the shape of the data."""
    import numpy as np

    from ddp_mlp.config import load_config
    from ddp_mlp.engine.compilation import ready_kernels

    with agreed(comm):
        config = load_config(config_path, overrides)
    ready_kernels(config.train.dtype, comm, lambda _line: None)
    from ddp_mlp.cluster.plan.calibration import Bench, rows_for
    from ddp_mlp.cluster.plan.workload import describe

    with agreed(comm):
        planned = describe(config)

    def as_rank_0(number: int) -> int:
        shared = np.array(number, np.int64)
        comm.broadcast(shared)
        return int(shared)

    bench = Bench(planned, planned.network, rows_for(planned), comm)
    micro_batches = planned.workload.micro_batches_for(comm.world_size * threads)
    stepper = bench.runner(-(-planned.workload.global_batch_size // micro_batches), micro_batches, threads)
    comm.barrier()
    seconds = stepper.seconds(agree=as_rank_0)
    stepper.close()
    return seconds


def main() -> None:
    """Measure and print one JSON object on rank 0."""
    threads, config, *overrides = sys.argv[1:]
    try:
        with connect() as comm:
            seconds = time_steps(comm, int(threads), Path(config), overrides)
            if comm.rank == 0:
                sys.stdout.write(json.dumps({"step_s": seconds}))
    except DdpMlpError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
