"""Memory of the ranks that started this process, before and after they hold a work.

mpiexec -n 2 python -m benchmarks.rank_memory XL --threads 1 --micro-batches 2
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.ours import make_engine
from benchmarks.works import WORKS, Work
from ddp_mlp.comm import Communicator, connect


def peak_over_now() -> int:
    """Return the bytes by which this process has once been larger than it is."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmHWM", "VmRSS"))}
    return max(0, fields["VmHWM"] - fields["VmRSS"])


def step_once(work: Work, optimizer: str, comm: Communicator, threads: int, micro_batches: int) -> object:
    """Collective. Take two steps and return the engine, which holds all there is."""
    from ddp_mlp.config import OPTIMIZER_DEFAULTS, OptimizerConfig
    from ddp_mlp.core.optimizers import OPTIMIZERS

    engine = make_engine(work, optimizer, comm, threads, micro_batches)
    config = OptimizerConfig(name=optimizer, **OPTIMIZER_DEFAULTS[optimizer])  # type: ignore[arg-type]
    batches = [(i * work.global_batch_size, (i + 1) * work.global_batch_size) for i in range(2)]
    engine.run(batches, [OPTIMIZERS[optimizer].coefficients(config, 1e-3, i) for i in range(2)])
    return engine


def main() -> None:
    """Print one JSON object: bytes of each rank before and after, and by how much it was larger in between."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, default=1)
    options = parser.parse_args()
    with connect() as comm:
        from ddp_mlp.training.compilation import ready_kernels

        ready_kernels("float32", comm, lambda line: print(line, file=sys.stderr))
        from ddp_mlp.cluster.calibration import own_memory

        small = Work("small", (1, 1), 2 * options.micro_batches)  # loads the kernels
        step_once(small, options.optimizer, comm, options.threads, options.micro_batches)
        comm.barrier()
        before = own_memory()
        comm.barrier()
        kept = step_once(WORKS[options.work], options.optimizer, comm, options.threads, options.micro_batches)
        comm.barrier()
        figures = {"before": before, "after": own_memory(), "peak_over_after": peak_over_now()}
        comm.barrier()
        kept.close()
        gathered = comm.share_text(json.dumps(figures))
        if comm.rank == 0:
            print(json.dumps([json.loads(text) for text in gathered]))


if __name__ == "__main__":
    main()
