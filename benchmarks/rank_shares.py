"""Where the time of a step goes, on the ranks that started this process.

mpiexec -n 2 python -m benchmarks.rank_shares M --threads 1 --micro-batches 2
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.ours import SECONDS, make_engine, make_resident
from benchmarks.works import N_ROWS, WORKS, Work
from ddp_mlp.comm import Communicator, connect

ROUNDS = 5


def time_engine(work: Work, optimizer: str, comm: Communicator, threads: int, micro_batches: int) -> dict[str, float]:
    """Collective. Return the seconds of a step, those in kernels, and those of messages; the median round."""
    from ddp_mlp.config import OPTIMIZER_DEFAULTS, OptimizerConfig
    from ddp_mlp.core.optimizers import OPTIMIZERS
    from ddp_mlp.training.engine import STEPS_AT_ONCE

    engine = make_engine(work, optimizer, comm, threads, micro_batches)
    config = OptimizerConfig(name=optimizer, **OPTIMIZER_DEFAULTS[optimizer])  # type: ignore[arg-type]
    b = work.global_batch_size
    batches = [(s, s + b) for s in (np.arange(STEPS_AT_ONCE) % (N_ROWS // b) * b).tolist()]
    coefficients = [OPTIMIZERS[optimizer].coefficients(config, 1e-3, i) for i in range(STEPS_AT_ONCE)]
    engine.run(batches[:2], coefficients)
    started = perf_counter()
    engine.run(batches[:2], coefficients)
    n = np.array(max(2, min(STEPS_AT_ONCE, int(SECONDS / (perf_counter() - started) * 2))))
    comm.broadcast(n)
    rounds = []
    for _ in range(ROUNDS):
        comm.barrier()
        clock = engine.clock
        before = clock.compute_s, clock.communicate_s
        started = perf_counter()
        engine.run(batches[: int(n)], coefficients)
        wall = perf_counter() - started
        rounds.append((wall, clock.compute_s - before[0], clock.communicate_s - before[1]))
    engine.close()
    wall, compute, communicate = (part / int(n) for part in sorted(rounds)[ROUNDS // 2])
    return {"step": wall, "kernels": compute, "messages": communicate}


def gather_s(work: Work, comm: Communicator, workers: int) -> float:
    """Collective. Return the seconds in which a worker copies its random rows of a step, while all do so."""
    resident = make_resident(work, comm)
    share = -(-work.global_batch_size // workers)
    order = np.random.default_rng(comm.rank).permutation(N_ROWS)
    out = np.empty((share, resident.features.shape[1]), np.uint8)
    found = []
    comm.barrier()
    for start in range(0, min(N_ROWS, 64 * share) - share, share):
        started = perf_counter()
        np.take(resident.features, order[start : start + share], axis=0, out=out, mode="clip")
        found.append(perf_counter() - started)
    comm.barrier()
    return float(np.median(found))


def main() -> None:
    """Print one JSON object: seconds of a step and of its parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, default=1)
    options = parser.parse_args()
    with connect() as comm:
        from ddp_mlp.training.compilation import ready_kernels

        ready_kernels("float32", comm, lambda line: print(line, file=sys.stderr))
        layout = (options.optimizer, comm, options.threads, options.micro_batches)
        empty = time_engine(Work("empty", (1, 1), 2 * options.micro_batches), *layout)
        whole = time_engine(WORKS[options.work], *layout)
        data = gather_s(WORKS[options.work], comm, comm.world_size * options.threads)
        if comm.rank == 0:
            meeting = min(empty["kernels"], whole["kernels"])
            parts = {
                "compute": max(0.0, whole["kernels"] - meeting - data),
                "communicate": meeting + whole["messages"],
                "data": data,
                "python": max(0.0, whole["step"] - whole["kernels"] - whole["messages"]),
            }
            print(json.dumps({"step": whole["step"], **parts}))


if __name__ == "__main__":
    main()
