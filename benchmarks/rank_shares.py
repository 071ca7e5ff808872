"""Where the time of a step goes, on the ranks that started this process.

mpiexec -n 2 python -m benchmarks.rank_shares M --threads 1 --micro-batches 2
"""

from __future__ import annotations

from argparse import Namespace
from time import perf_counter

import numpy as np

from benchmarks.on_ranks import Stepper, main, make_resident
from benchmarks.works import N_ROWS, WORKS, Work
from ddp_mlp.comm import Communicator


def time_engine(work: Work, options: Namespace, comm: Communicator) -> dict[str, float]:
    """Collective. Return the seconds of a step, those in kernels, and those of messages; the median round."""
    stepper = Stepper(work, options, comm)
    clock, rounds = stepper.engine.clock, []
    for _ in range(options.rounds):
        comm.barrier()
        before = clock.compute_s, clock.communicate_s
        started = perf_counter()
        stepper.take()
        wall = perf_counter() - started
        rounds.append((wall, clock.compute_s - before[0], clock.communicate_s - before[1]))
    stepper.engine.close()
    wall, compute, communicate = (part / stepper.n_steps for part in sorted(rounds)[len(rounds) // 2])
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


def measure(options: Namespace, comm: Communicator) -> dict[str, float]:
    """Collective. Return seconds of a step and of its parts."""
    work = WORKS[options.works[0]]
    empty = time_engine(Work("empty", (1, 1), 2 * options.micro_batches), options, comm)
    whole = time_engine(work, options, comm)
    data = gather_s(work, comm, comm.world_size * options.threads)
    meeting = min(empty["kernels"], whole["kernels"])
    return {
        "step": whole["step"],
        "compute": max(0.0, whole["kernels"] - meeting - data),
        "communicate": meeting + whole["messages"],
        "data": data,
        "python": max(0.0, whole["step"] - whole["kernels"] - whole["messages"]),
    }


if __name__ == "__main__":
    main(measure)
