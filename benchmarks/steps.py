"""``python -m benchmarks steps``: step times of S, M, L, XL on both cores, and the limit, as one table.

Each line is a layout of the work on two cores, in microseconds a step: the median of the
rounds, and the ratio to the limit, which is measured in the same run.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.machine import Watch, description
from benchmarks.processes import run_module, run_ranks
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

#: Label, ranks, threads per rank, micro-batches.
LAYOUTS = (
    ("1 rank", 1, 1, 1),
    ("1 rank x 2 threads", 1, 2, 2),
    ("2 ranks", 2, 1, 2),
    ("2 ranks, 8 micro-batches", 2, 1, 8),
)


def run_ours(
    ranks: int, threads: int, micro_batches: int, works: Sequence[str], optimizer: str, *more: str
) -> dict[str, float]:
    """Time the engine in processes of its own: work -> microseconds a step."""
    layout = ["--threads", str(threads), "--micro-batches", str(micro_batches)]
    result = run_ranks(ranks, "benchmarks.ours", *works, "--optimizer", optimizer, *layout, *more)
    return {name: figures["us"] for name, figures in result.items()}


def run_limit(works: Sequence[str]) -> dict[str, float]:
    """Measure the limit: work -> microseconds a step, and "gflops"."""
    return dict(run_module("benchmarks.limit", *works))


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks steps", description=__doc__)
    parser.add_argument("works", nargs="*", default=["S", "M", "L", "XL"], help=f"of {', '.join(WORKS)}")
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--dtype", default="float32", help="or bfloat16; the limit is that of float32")
    parser.add_argument("--rounds", type=int, default=3, help="alternations over all layouts")
    options = parser.parse_args(arguments)
    watch = Watch()
    samples: dict[str, list[dict[str, float]]] = {label: [] for label, *_ in LAYOUTS}
    limits, dtype = [], ("--dtype", options.dtype)
    for _ in range(options.rounds):
        limits.append(run_limit(options.works))
        for label, ranks, threads, micro_batches in LAYOUTS:
            samples[label].append(run_ours(ranks, threads, micro_batches, options.works, options.optimizer, *dtype))
    limit = {name: statistics.median(sample[name] for sample in limits) for name in (*options.works, "gflops")}
    table = {
        label: {name: statistics.median(row[name] for row in rows) for name in options.works}
        for label, rows in samples.items()
    }
    cells = [["limit: matrix products alone", *(f"{limit[name]:.0f}" for name in options.works)]]
    cells += [
        [label, *(f"{us:.0f} ({us / limit[name]:.2f})" for name, us in row.items())] for label, row in table.items()
    ]
    text = [
        description(),
        f"{limit['gflops']:.0f} GFLOP/s on two cores, {options.optimizer}, {options.dtype}; {watch.verdict()}",
        "",
    ]
    text.append(markdown(["microseconds a step (ratio to the limit)", *options.works], cells))
    save(f"steps-{options.optimizer}-{options.dtype}", "\n".join(text), {"limit": limit, **table})
