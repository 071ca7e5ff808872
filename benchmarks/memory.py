"""``python -m benchmarks memory``: memory of the ranks beside the formula.

Measured is the proportional set size (pages that ranks share count once, divided among
them), after some steps, less that of the same ranks before they hold the work. The formula is
that of `ddp-mlp plan`: parameters, moments, gradient sums and data once for each node, the
activations of the micro-batches at work for each of its threads. The bound is what a rank would need at
most if nothing was shared but the data: parameters, gradient, moments, log2(M) + 1 more
gradients, activations.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from benchmarks.machine import description
from benchmarks.processes import run_ranks
from benchmarks.reporting import markdown, save
from benchmarks.works import N_ROWS, WORKS, Work

#: Ranks and threads of each.
LAYOUTS = ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4))
WITHIN = 0.15


def workload_of(work: Work, optimizer: str, micro_batches: int | None):
    """Return the `Workload` of a work."""
    from ddp_mlp.catalog.optimizers import OPTIMIZERS
    from ddp_mlp.cluster.plan.workload import Workload
    from ddp_mlp.core.layer_table import layer_table
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.core.network import Network

    layout = Layout(work.sizes)
    network = Network(layout, (*("relu",) * (len(work.sizes) - 2), "identity"), "cross_entropy", "softmax")
    return Workload(
        n_parameters=layout.n_parameters,
        n_moments=len(OPTIMIZERS[optimizer].moments),
        itemsize=4,
        looks_ahead=OPTIMIZERS[optimizer].looks_ahead_by is not None,
        global_batch_size=work.global_batch_size,
        micro_batches=micro_batches,
        columns=layer_table(network, training=True).columns,
        flops_per_sample=work.flops // work.global_batch_size,
        data_bytes=N_ROWS * (work.sizes[0] + 1) * 4,
        can_defer=network.can_defer,
    )


def bound(work: Work, optimizer: str, ranks: int, threads: int, micro_batches: int | None) -> float:
    """Return the bytes of a rank that shares nothing but the data."""
    workload = workload_of(work, optimizer, micro_batches)
    m = workload.micro_batches_for(ranks * threads)
    vectors = 1 + 1 + workload.n_moments + math.log2(m) + 1
    activations = threads * workload.rows_at_once(ranks * threads) * workload.columns
    return 4 * (vectors * workload.n_parameters + activations) + workload.data_bytes / ranks


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    from ddp_mlp.cluster.plan.cost_model import memory

    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("work", nargs="?", default="XL", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--micro-batches", type=int, help="[the smallest power of two that is enough]")
    options = parser.parse_args(arguments)
    work, rows, figures = WORKS[options.work], [], {}
    run_ranks(1, "benchmarks.rank_memory", "S")  # compiles where the cache is cold, which takes memory too
    for ranks, threads in LAYOUTS:
        workload = workload_of(work, options.optimizer, options.micro_batches)
        m = workload.micro_batches_for(ranks * threads)
        layout = ["--optimizer", options.optimizer, "--threads", str(threads), "--micro-batches", str(m)]
        found = run_ranks(ranks, "benchmarks.rank_memory", work.name, *layout)
        measured = sum(rank["after"] - rank["before"] for rank in found) / ranks
        shared, own = memory(workload, 0, ranks, threads, ranks)
        formula = own + shared / ranks
        process = sum(rank["before"] for rank in found) / ranks
        peak = max(rank["peak_over_after"] for rank in found)
        limit = bound(work, options.optimizer, ranks, threads, options.micro_batches)
        off = measured / formula - 1
        figures[f"{ranks} x {threads}"] = {"measured": measured, "formula": formula, "bound": limit, "ranks": found}
        megabytes = [f"{amount / 1e6:.0f}" for amount in (measured, formula, limit, process, peak)]
        verdict = "yes" if abs(off) <= WITHIN else "NO"
        rows.append([f"{ranks} x {threads}", str(m), *megabytes, f"{off:+.1%}", verdict])
    head = [f"{work.name}, {options.optimizer}, MB a rank: ranks x threads", "M", "measured", "formula", "bound"]
    head += ["process itself", "more at the start", "off by", f"within {WITHIN:.0%}"]
    save(f"memory-{work.name}-{options.optimizer}", "\n".join([description(), "", markdown(head, rows)]), figures)
