"""Time steps of the engine on the ranks that started this process.

mpiexec -n 2 python -m benchmarks.ours M --micro-batches 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from time import perf_counter
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.works import N_ROWS, WORKS, Work
from ddp_mlp.comm import Communicator, connect
from ddp_mlp.config import OPTIMIZER_DEFAULTS, OptimizerConfig
from ddp_mlp.core.network import Network
from ddp_mlp.data.resident import Resident

if TYPE_CHECKING:
    from ddp_mlp.training.engine import Engine

#: Seconds of stepping behind each figure.
SECONDS = 0.4


def make_resident(work: Work, comm: Communicator) -> Resident:
    """Collective. Make random float32 rows, once for each node."""
    n_features = work.sizes[0]
    features = comm.node_shared(N_ROWS * n_features * 4).reshape(N_ROWS, -1)
    targets = comm.node_shared(N_ROWS * 4).view(np.float32).reshape(N_ROWS, 1)
    if comm.local_rank == 0:
        rng = np.random.default_rng(0)
        features.view(np.float32)[...] = rng.random((N_ROWS, n_features), dtype=np.float32)
        targets[:, 0] = rng.integers(0, work.sizes[-1], N_ROWS)
    comm.node_barrier()
    one = np.ones(n_features, np.float32)
    return Resident(features, 0, 0 * one, one, targets, (0, N_ROWS))


def make_engine(work: Work, optimizer: str, comm: Communicator, threads: int, micro_batches: int) -> Engine:
    """Collective. Build the engine that trains a work."""
    from ddp_mlp.core.initializers import initial_parameters
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.training.engine import Engine

    hidden = ("relu",) * (len(work.sizes) - 2)
    network = Network(Layout(work.sizes), (*hidden, "identity"), "cross_entropy", "softmax")
    engine = Engine(
        network,
        optimizer,
        make_resident(work, comm),
        comm,
        micro_batches=micro_batches,
        threads=threads,
        n_train=N_ROWS,
        global_batch_size=work.global_batch_size,
        start=initial_parameters(network, "auto", 0, "float32"),
    )
    engine.order[:] = np.random.default_rng(1).permutation(N_ROWS)
    return engine


def time_steps(
    work: Work,
    optimizer: str,
    comm: Communicator,
    threads: int,
    micro_batches: int,
    rounds: int,
    seconds: float = SECONDS,
) -> dict[str, object]:
    """Collective. Return microseconds a step: the median and all rounds."""
    from ddp_mlp.core.optimizers import OPTIMIZERS
    from ddp_mlp.training.engine import STEPS_AT_ONCE

    engine = make_engine(work, optimizer, comm, threads, micro_batches)
    config = OptimizerConfig(name=optimizer, **OPTIMIZER_DEFAULTS[optimizer])  # type: ignore[arg-type]
    b = work.global_batch_size
    starts = np.arange(STEPS_AT_ONCE) % (N_ROWS // b) * b
    batches = [(s, s + b) for s in starts.tolist()]
    coefficients = [OPTIMIZERS[optimizer].coefficients(config, 1e-3, i) for i in range(STEPS_AT_ONCE)]
    engine.run(batches[:2], coefficients)
    started = perf_counter()
    engine.run(batches[:2], coefficients)
    n = np.array(max(2, min(STEPS_AT_ONCE, int(seconds / (perf_counter() - started) * 2))))
    comm.broadcast(n)
    figures = []
    for _ in range(rounds):
        comm.barrier()
        started = perf_counter()
        repeats = max(1, 2 * STEPS_AT_ONCE // int(n) // 8) if int(n) == STEPS_AT_ONCE else 1
        for _ in range(repeats):
            engine.run(batches[: int(n)], coefficients)
        figures.append((perf_counter() - started) / int(n) / repeats * 1e6)
    engine.close()
    return {"us": statistics.median(figures), "rounds": figures, "communicate_s": engine.clock.communicate_s}


def main() -> None:
    """Print one JSON object: work -> figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("works", nargs="+", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="behind each round")
    options = parser.parse_args()
    with connect() as comm:
        from ddp_mlp.training.compilation import ready_kernels

        ready_kernels("float32", comm, lambda line: print(line, file=sys.stderr))
        how = (options.optimizer, comm, options.threads, options.micro_batches, options.rounds, options.seconds)
        result = {name: time_steps(WORKS[name], *how) for name in options.works}
        if comm.rank == 0:
            print(json.dumps(result))


if __name__ == "__main__":
    main()
