"""Memory of the ranks that started this process, before and after they hold a work.

mpiexec -n 2 python -m benchmarks.rank_memory XL --threads 1 --micro-batches 2
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from benchmarks.on_ranks import Stepper, main
from benchmarks.works import WORKS, Work
from ddp_mlp.comm import Communicator


def peak_over_now() -> int:
    """Return the bytes by which this process has once been larger than it is."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmHWM", "VmRSS"))}
    return max(0, fields["VmHWM"] - fields["VmRSS"])


def step_twice(work: Work, options: Namespace, comm: Communicator) -> Stepper:
    """Collective. Take two steps and return what holds all there is."""
    stepper = Stepper(work, options, comm, n_steps=2)
    stepper.take()
    return stepper


def measure(options: Namespace, comm: Communicator) -> list[dict[str, int]]:
    """Collective. Return the bytes of each rank before and after, and by how much it was larger in between."""
    from ddp_mlp.cluster.plan.calibration import own_memory

    step_twice(Work("small", (1, 1), 2 * options.micro_batches), options, comm)  # loads the kernels
    comm.barrier()
    before = own_memory()
    comm.barrier()
    kept = step_twice(WORKS[options.works[0]], options, comm)
    comm.barrier()
    figures = {"before": before, "after": own_memory(), "peak_over_after": peak_over_now()}
    comm.barrier()
    kept.engine.close()
    return [json.loads(text) for text in comm.share_text(json.dumps(figures))]


if __name__ == "__main__":
    main(measure)
