"""Time steps of the engine on the ranks that started this process.

mpiexec -n 2 python -m benchmarks.ours M --micro-batches 2
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from time import perf_counter

from benchmarks.on_ranks import Stepper, main
from benchmarks.works import WORKS
from ddp_mlp.comm import Communicator


def time_steps(name: str, options: Namespace, comm: Communicator) -> dict[str, object]:
    """Collective. Return microseconds a step: the median and all rounds."""
    from ddp_mlp.engine.engine import STEPS_AT_ONCE

    stepper = Stepper(WORKS[name], options, comm)
    if len(comm.node_sizes) > 1:  # what has to be tried is tried before
        stepper.take(min(32, STEPS_AT_ONCE))
        stepper.take(min(32, STEPS_AT_ONCE))
    repeats = STEPS_AT_ONCE // 128 if stepper.n_steps == STEPS_AT_ONCE else 1
    figures = []
    for _ in range(options.rounds):
        comm.barrier()
        started = perf_counter()
        for _ in range(repeats):
            stepper.take()
        figures.append((perf_counter() - started) / stepper.n_steps / repeats * 1e6)
    stepper.engine.close()
    return {"us": statistics.median(figures), "rounds": figures, "communicate_s": stepper.engine.clock.communicate_s}


def measure(options: Namespace, comm: Communicator) -> dict[str, object]:
    """Collective. Return work -> figures."""
    return {name: time_steps(name, options, comm) for name in options.works}


if __name__ == "__main__":
    main(measure)
