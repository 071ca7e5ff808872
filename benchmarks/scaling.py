"""``python -m benchmarks scaling [WORK]``: ranks x threads x micro-batches, and where the time goes.

`communicate` is what an empty step takes in the same layout (barriers, and with `--nodes` the
messages between ranks that pretend to be nodes); `data` is a copy of random rows, measured by
itself; `python` is what a step takes outside of kernels and messages; `compute` is the rest, with
the fold of the gradients and waiting for slower workers. More workers than cores are shown
because they must work, not because they could be fast.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks.machine import Watch, description
from benchmarks.processes import run_ranks
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

PARTS = ("compute", "communicate", "data", "python")


def layouts(cores: int, micro_batches: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return ranks, threads and micro-batches: up to twice as many workers as cores.

    Examples
    --------
    >>> layouts(1, [8])
    [(1, 1, 1), (1, 1, 8), (1, 2, 2), (1, 2, 8), (2, 1, 2), (2, 1, 8)]
    """
    found = []
    workers = 1
    while workers <= 2 * cores:
        for ranks in [2**i for i in range(workers.bit_length())]:
            for m in sorted({workers, *micro_batches}):
                if m >= workers:
                    found.append((ranks, workers // ranks, m))  # noqa: PERF401
        workers *= 2
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__)
    parser.add_argument("work", nargs="?", default="M", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--micro-batches", type=int, nargs="*", default=[8], help="beside as many as workers [8]")
    parser.add_argument("--nodes", action="store_true", help="let every rank pretend to be a node of its own")
    options = parser.parse_args(arguments)
    watch = Watch()
    if options.nodes:
        os.environ["DDP_MLP_RANKS_PER_NODE"] = "1"
    rows, figures, first = [], {}, 0.0
    for ranks, threads, m in layouts(os.cpu_count() or 1, options.micro_batches):
        layout = ["--optimizer", options.optimizer, "--threads", str(threads), "--micro-batches", str(m)]
        found = run_ranks(ranks, "benchmarks.rank_shares", options.work, *layout)
        first = first or found["step"]
        figures[f"{ranks} x {threads}, {m}"] = found
        shares = [f"{found[part] / found['step']:.1%}" for part in PARTS]
        rows.append(
            [f"{ranks} x {threads}", str(m), f"{found['step'] * 1e6:.0f}", f"{first / found['step']:.2f}", *shares]
        )
    head = [f"{options.work}, {options.optimizer}: ranks x threads", "micro-batches", "us a step", "speed-up", *PARTS]
    where = "every rank a node of its own" if options.nodes else "one node"
    text = [description(), f"{where}; {watch.verdict()}", "", markdown(head, rows)]
    save(f"scaling-{options.work}-{options.optimizer}{'-nodes' if options.nodes else ''}", "\n".join(text), figures)
