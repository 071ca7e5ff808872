"""``python -m benchmarks plan``: what `ddp-mlp plan` predicts beside what is measured.

For each work, with one worker, two ranks, and two threads: `plan` measures its parts of a step
on engines of one worker; the engine is then timed in the placement itself. Both take the
least disturbed of their rounds. Predictions should be within 20 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.machine import Watch, description
from benchmarks.memory import workload_of
from benchmarks.processes import run_module, run_ranks
from benchmarks.reporting import markdown, save
from benchmarks.works import N_ROWS, WORKS, Work

#: Ranks, threads per rank, micro-batches.
LAYOUTS = ((1, 1, 1), (2, 1, 2), (1, 2, 2), (2, 1, 8))
WITHIN = 0.20


def predictions(work: Work, optimizer: str) -> list[float]:
    """Return the predicted microseconds a step of each placement."""
    from dataclasses import replace

    from ddp_mlp.cluster.plan.calibration import calibrate
    from ddp_mlp.cluster.plan.cost_model import predict
    from ddp_mlp.cluster.plan.workload import PlannedRun
    from ddp_mlp.config import from_builtins
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.core.network import Network

    tables = {"data": {"train": "none"}, "optimizer": {"name": optimizer}}
    config = from_builtins(tables, work.name)
    network = Network(Layout(work.sizes), (*("relu",) * (len(work.sizes) - 2), "identity"), "cross_entropy", "softmax")
    workload = workload_of(work, optimizer, None)
    planned = PlannedRun(config, network, np.zeros(0), False, N_ROWS, workload)
    rates = calibrate(planned, [1, 2])
    eight = calibrate(replace(planned, workload=replace(workload, micro_batches=8)), [1, 2])
    found = []
    for ranks, threads, micro_batches in LAYOUTS:
        chosen = (eight, replace(workload, micro_batches=8)) if micro_batches == 8 else (rates, workload)
        found.append(predict(chosen[1], chosen[0], ranks, threads, ranks).step_s * 1e6)
    return found


def measured(work: str, optimizer: str) -> list[float]:
    """Return the microseconds a step of each placement, the least disturbed of the rounds."""
    found = []
    for ranks, threads, micro_batches in LAYOUTS:
        placement = ["--threads", str(threads), "--micro-batches", str(micro_batches)]
        shortly = ["--rounds", "40", "--seconds", "0.02"]  # as `plan` does
        figures = run_ranks(ranks, "benchmarks.ours", work, "--optimizer", optimizer, *placement, *shortly)
        found.append(min(figures[work]["rounds"]))
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks plan", description=__doc__)
    parser.add_argument("works", nargs="*", default=["S", "M", "L"], help=f"of {', '.join(WORKS)} [S M L]")
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--predict", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.predict:  # in a process of its own, as `ddp-mlp plan` would be
        from ddp_mlp.comm import SingleProcess
        from ddp_mlp.engine.compilation import ready_kernels

        ready_kernels("float32", SingleProcess(), lambda line: print(line, file=sys.stderr))
        print(json.dumps({name: predictions(WORKS[name], options.optimizer) for name in options.works}))
        return
    watch = Watch()
    predicted = run_module("benchmarks", "plan", *options.works, "--optimizer", options.optimizer, "--predict")
    rows, figures = [], {}
    for name in options.works:
        found = measured(name, options.optimizer)
        figures[name] = {"predicted_us": predicted[name], "measured_us": found}
        for (ranks, threads, micro_batches), guess, us in zip(LAYOUTS, predicted[name], found, strict=True):
            off = guess / us - 1
            placement = f"{name}: {ranks} x {threads}, {micro_batches} micro-batches"
            rows.append([placement, f"{guess:.0f}", f"{us:.0f}", f"{off:+.0%}", "yes" if abs(off) <= WITHIN else "NO"])
    head = ["work: ranks x threads", "predicted us", "measured us", "off by", f"within {WITHIN:.0%}"]
    text = [description(), f"{options.optimizer}; {watch.verdict()}", "", markdown(head, rows)]
    save(f"plan-{options.optimizer}", "\n".join(text), figures)
