"""The memory that a job will take, from the facts of its data set: in a process of its own, which reads that file.

``python -m ddp_mlp.service.running.estimate CONFIG RANKS THREADS`` prints bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ddp_mlp.service.orders.commands import config_of
from ddp_mlp.service.orders.submission import write_config
from ddp_mlp.service.running.local import job_environment
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job

#: Bytes of a rank before anything of its network is there, and seconds for a look at the data.
_PROCESS_BYTES, _LOOK_S = 250 * 2**20, 60.0


def memory_of(job: Job, settings: Settings) -> int:
    """Return the bytes that a job will take; where its data cannot be read, which it will say itself, the least."""
    with suppress(Exception):
        write_config(job, settings)
        numbers = [str(job.ranks), str(job.threads)]
        command = [sys.executable, "-m", "ddp_mlp.service.running.estimate", str(config_of(job, settings)), *numbers]
        done = subprocess.run(
            command, cwd=settings.directory, env=job_environment(os.environ), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_LOOK_S, check=True,
        )  # fmt: skip
        return int(done.stdout)
    return job.ranks * _PROCESS_BYTES


def main(config: Path, ranks: int, threads: int) -> None:
    """Print the bytes that the ranks of a configuration take together."""
    from ddp_mlp.cluster.plan.cost_model import memory
    from ddp_mlp.cluster.plan.workload import describe
    from ddp_mlp.config import load_config

    shared, alone = memory(describe(load_config(config, ())).workload, _PROCESS_BYTES, ranks, threads, ranks)
    sys.stdout.write(f"{shared + ranks * alone}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
