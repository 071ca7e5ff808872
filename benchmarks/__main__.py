"""``python -m benchmarks``: step times of S, M, L, XL on both cores, and the limit, as one table.

Each line is a layout of the work on two cores, in microseconds a step: the median of the
rounds, and the ratio to the limit, which is measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.works import WORKS

#: Label, ranks, threads per rank, micro-batches.
LAYOUTS = (
    ("1 rank", 1, 1, 1),
    ("1 rank x 2 threads", 1, 2, 2),
    ("2 ranks", 2, 1, 2),
    ("2 ranks, 8 micro-batches", 2, 1, 8),
)


def run_ours(ranks: int, threads: int, micro_batches: int, works: list[str], optimizer: str) -> dict[str, float]:
    """Time the engine in processes of its own."""
    command = [sys.executable, "-m", "benchmarks.ours", *works, "--optimizer", optimizer]
    command += ["--threads", str(threads), "--micro-batches", str(micro_batches)]
    if ranks > 1:
        from ddp_mlp.cluster.launch import find_launcher

        command = [find_launcher().path, "-n", str(ranks), *command]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name: figures["us"] for name, figures in json.loads(output).items()}


def run_limit(works: list[str]) -> dict[str, float]:
    """Measure the limit."""
    command = [sys.executable, "-m", "benchmarks.limit", *works]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))


def main() -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", default=["S", "M", "L", "XL"], help=f"of {', '.join(WORKS)}")
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--rounds", type=int, default=3, help="alternations over all layouts")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the machine is busy (load {load:.1f}); figures will be too high", file=sys.stderr)
    samples: dict[str, list[dict[str, float]]] = {label: [] for label, *_ in LAYOUTS}
    limits = []
    for _ in range(options.rounds):
        limits.append(run_limit(options.works))
        for label, ranks, threads, micro_batches in LAYOUTS:
            samples[label].append(run_ours(ranks, threads, micro_batches, options.works, options.optimizer))
    limit = {name: statistics.median(sample[name] for sample in limits) for name in (*options.works, "gflops")}
    print(
        f"{platform.processor() or platform.machine()}, {limit['gflops']:.0f} GFLOP/s on two cores, {options.optimizer}"
    )
    print(", ".join(f"{name} {version(name)}" for name in ("ddp-mlp", "numba", "scipy", "numpy", "mpi4py")))
    print(f"{'microseconds a step (ratio to the limit)':<42}" + "".join(f"{name:>18}" for name in options.works))
    print(f"{'limit: matrix products alone':<42}" + "".join(f"{limit[name]:>18.0f}" for name in options.works))
    table = {}
    for label, rows in samples.items():
        table[label] = {name: statistics.median(row[name] for row in rows) for name in options.works}
        cells = "".join(f"{us:>10.0f} ({us / limit[name]:.2f})" for name, us in table[label].items())
        print(f"{label:<42}{cells}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / f"steps-{options.optimizer}.json").write_text(json.dumps({"limit": limit, **table}, indent=1))


if __name__ == "__main__":
    main()
