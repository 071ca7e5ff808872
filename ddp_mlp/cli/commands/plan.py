"""``ddp-mlp plan``."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import RANKS, THREADS, Number, ParamType, json_option, print_json, read_config, tell
from ddp_mlp.errors import counted, literal

if TYPE_CHECKING:
    from ddp_mlp.cluster.plan.plan import Plan

#: Up to a hundred million ranks.
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
#: Load average of a machine that does nothing else.
_IDLE = 0.5


class RankCounts(ParamType[list[int]]):
    """Numbers of ranks such as ``1,2,4,...,512``: after dots, powers of two up to the last."""

    name = "ranks"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers, ascending."""
        words = str(value).split(",")
        plain = [word for word in words if word != "..."]
        if not plain or words[-1] == "..." or not all(_COUNT.fullmatch(word) for word in plain):
            self.fail(f"{literal(value)} is no list of ranks; write 1,2,4 or 1,2,...,512", param, ctx)
        counts = {int(word) for word in plain}
        if "..." in words:
            last, before = max(counts), sorted(counts)[-2:][0]
            while before < last:
                counts.add(before)
                before *= 2
        return sorted(counts)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key.")
@click.option("--ranks", type=RankCounts(), default="1,2,...,512", show_default=True, help="What to predict for.")
@click.option("--threads-per-rank", "threads", type=THREADS, default=1, show_default=True, help="Threads of each rank.")
@click.option("--ranks-per-node", type=RANKS, help="[default: cores of this machine / threads]")
@click.option("--latency-us", type=Number(0, 1e9), help="Of the cluster's network; else measured here.")
@click.option(
    "--bandwidth-gb-s",
    type=Number(1e-6, 1e6),
    help="Of the cluster's network, gigabytes a second and node; else measured here.",
)
@json_option
def plan(
    config: Path,
    overrides: tuple[str, ...],
    ranks: list[int],
    threads: int,
    ranks_per_node: int | None,
    latency_us: float | None,
    bandwidth_gb_s: float | None,
    as_json: bool,
) -> None:
    """Measure this machine and predict step time and memory for many ranks.

    Takes some seconds on an idle machine. Nodes are taken to be like this machine.
    """
    from ddp_mlp.comm import SingleProcess

    loaded = read_config(config, overrides)()
    if warning := busy(os.getloadavg()[0]):
        tell(warning)
    from ddp_mlp.engine.compilation import ready_kernels

    ready_kernels(loaded.train.dtype, SingleProcess(), tell)
    from ddp_mlp.cluster.plan.plan import make_plan

    given = (
        None if latency_us is None else latency_us / 1e6,
        None if bandwidth_gb_s is None else bandwidth_gb_s * 1e9,
    )
    made = make_plan(loaded, ranks, threads, ranks_per_node, given)
    if as_json:
        print_json(as_dict(made))
    else:
        click.echo("\n".join(lines(made)))


def busy(load: float) -> str:
    """Return a warning if, by the load average, others are using this machine."""
    if load <= _IDLE:
        return ""
    return f"warning: this machine is busy (load {load:.1f}), so times come out too long; plan on an idle one"


def as_dict(made: Plan) -> dict[str, object]:
    """Return a plan as plain values."""
    return {
        "measured": asdict(made.rates) | {"network": "given" if made.network_given else "between two ranks here"},
        "predictions": [asdict(prediction) for prediction in made.asked],
        "best_on_one_node": asdict(made.advice.here),
        "fastest": asdict(made.advice.fastest),
        "slower_from_ranks": made.advice.slower_from,
        "left_out": made.left_out,
    }


def lines(made: Plan) -> list[str]:
    """Return the plan as lines for a person."""
    rates, workload, advice = made.rates, made.planned.workload, made.advice
    rows = max(rates.first)
    flops, gradient, update = workload.flops_per_sample * rows, rates.first[rows], rates.update
    alone, busy = _giga(flops, gradient.alone_s), _giga(flops, gradient.busy_s)
    gradient_s = (
        f"gradient of {counted(rows, 'row')}: {_us(gradient.alone_s)} alone, {_us(gradient.busy_s)} with all cores busy"
    )
    moved = _giga(made.update_bytes, update.alone_s)
    found = [
        f"{workload.n_parameters:,} parameters, global batch {workload.global_batch_size}, "
        + counted(rates.cores, "core"),
        f"{gradient_s} ({alone} and {busy} GFLOP/s a core)",
        f"update: {_us(update.alone_s)} alone ({moved} GB/s), {_us(update.busy_s)} with all cores busy",
        f"fixed: {_us(rates.fixed_s)} a step, {_us(rates.barrier_s)} for barriers with each further worker",
    ]
    if rates.bytes_per_s:
        source = "given" if made.network_given else "measured between two ranks of this machine"
        between = f"{_us(rates.latency_s)}, {rates.bytes_per_s / 1e9:.1f} GB/s"
        found.append(f"between nodes: {between} ({source})")
    found += [
        "",
        f"{'ranks':>6} {'nodes':>6} {'micro':>6} {'step':>12} {'speed-up':>9} {'efficiency':>11} {'a rank':>10}",
    ]
    for row in made.asked:
        numbers = f"{row.ranks:>6} {row.nodes:>6} {row.micro_batches:>6} {_us(row.step_s):>12} {row.speedup:>9.2f}"
        found.append(f"{numbers} {row.efficiency:>11.0%} {row.rank_bytes / 1e6:>7.0f} MB")
    here, fastest = advice.here, advice.fastest
    found += [
        "",
        f"on one node: {counted(here.ranks, 'rank')} x {counted(here.threads, 'thread')}, {_us(here.step_s)} a step",
    ]
    found.append(f"fastest of these: {counted(fastest.ranks, 'rank')}, {_us(fastest.step_s)} a step")
    if advice.slower_from:
        found.append(f"from {advice.slower_from} ranks on, more of them are slower")
    if made.left_out:
        left_out = ", ".join(map(str, made.left_out))
        found.append(f"[train] micro_batches = {workload.micro_batches} is too few for {left_out} ranks")
    return found


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} us" if seconds < 1e-4 else f"{seconds * 1e3:,.2f} ms"


def _giga(amount: float, seconds: float) -> str:
    return f"{amount / seconds / 1e9:.1f}" if seconds > 0 else "-"
