"""``python -m benchmarks peers``: step times beside PyTorch, JAX and scikit-learn, and the targets.

Ours, every peer that is installed, and the limit (the matrix products alone, at the highest
rate measured in the same round) take turns, each in processes of its own; given are the
median of the rounds and, in brackets, the lowest and the highest. A step gathers a random
batch out of 16,384 rows, and does forward, loss, backward, reduction and optimiser.
How each peer is made fast stands in its file in ``benchmarks/rivals/``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import Watch, description, installed
from benchmarks.processes import run_module, run_torch_world
from benchmarks.reporting import markdown, save
from benchmarks.steps import run_limit, run_ours
from benchmarks.targets import ADAM, DDP, EIGHT, IN_BFLOAT16, OURS, target_rows
from benchmarks.works import WORKS

#: Works that a peer is spared, since they would take minutes.
_SKIPPED = {"scikit-learn": ("XL",)}


@dataclass(frozen=True)
class Entrant:
    """One line of the table: what runs it, and the package it needs."""

    label: str
    package: str
    measure: Callable[..., dict[str, Any]]


def ours(
    ranks: int, threads: int, micro_batches: int, optimizer: str = "", dtype: str = "float32"
) -> Callable[..., dict[str, Any]]:
    """Return what times our engine; `optimizer` instead of the one that is compared."""

    def measure(works: Sequence[str], compared: str, forms: dict[str, str]) -> dict[str, Any]:  # noqa: ARG001
        layout = ["--rounds", "5", "--dtype", dtype]
        times = run_ours(ranks, threads, micro_batches, works, optimizer or compared, *layout)
        return {name: {"us": us} for name, us in times.items()}

    return measure


def peer(run: Callable[..., Any], *more: str, **environment: str) -> Callable[..., dict[str, Any]]:
    """Return what times a peer, in the forms that an earlier round has found to be the fastest."""

    def measure(works: Sequence[str], optimizer: str, forms: dict[str, str]) -> dict[str, Any]:
        arguments = [*works, "--optimizer", optimizer, "--forms", json.dumps(forms), *more]
        return dict(run(*arguments, **environment))

    return measure


def torch_with(threads: int, *more: str) -> Callable[..., dict[str, Any]]:
    """Return what times PyTorch in one process."""
    n = str(threads)
    return peer(partial(run_module, "benchmarks.rivals.torch_steps"), "--threads", n, *more, OMP_NUM_THREADS=n)


def entrants(optimizer: str) -> list[Entrant]:
    """Return all lines of the table, in their order."""
    other = "adam" if optimizer == "momentum" else "momentum"
    first, second = OURS
    return [
        Entrant(first, "ddp-mlp", ours(2, 1, 2)),
        Entrant(second, "ddp-mlp", ours(1, 2, 2)),
        Entrant(EIGHT, "ddp-mlp", ours(2, 1, 8)),
        Entrant(f"{ADAM}{other}", "ddp-mlp", ours(2, 1, 2, other)),
        Entrant(first + IN_BFLOAT16, "ddp-mlp", ours(2, 1, 2, dtype="bfloat16")),
        Entrant(second + IN_BFLOAT16, "ddp-mlp", ours(1, 2, 2, dtype="bfloat16")),
        Entrant(DDP, "torch", peer(partial(run_torch_world, 2, "benchmarks.rivals.torch_steps"))),
        Entrant("PyTorch, 1 process x 2 threads", "torch", torch_with(2)),
        Entrant("PyTorch, 1 process x 1 thread", "torch", torch_with(1)),
        Entrant(f"PyTorch autocast, 2 threads{IN_BFLOAT16}", "torch", torch_with(2, "--dtype", "bfloat16")),
        Entrant("JAX jit, both cores", "jax", peer(partial(run_module, "benchmarks.rivals.jax_steps"))),
        Entrant("scikit-learn", "scikit-learn", peer(partial(run_module, "benchmarks.rivals.sklearn_steps"))),
    ]


Samples = dict[str, dict[str, list[float]]]


def measure_all(
    field: Sequence[Entrant], works: Sequence[str], optimizer: str, rounds: int
) -> tuple[Samples, dict[str, dict[str, str]], list[dict[str, float]]]:
    """Let all take turns; return microseconds (label -> work -> rounds), forms, and the limits."""
    samples: Samples = {entrant.label: {work: [] for work in works} for entrant in field}
    forms: dict[str, dict[str, str]] = {entrant.label: {} for entrant in field}
    limits = []
    for number in range(rounds):
        limits.append(run_limit(works))
        for entrant in field:
            print(f"round {number + 1} of {rounds}: {entrant.label}", file=sys.stderr)
            fit = [work for work in works if work not in _SKIPPED.get(entrant.label, ())]
            if not fit:
                continue
            for work, figures in _try(entrant, fit, optimizer, forms[entrant.label]).items():
                samples[entrant.label][work].append(figures["us"])
                if "form" in figures:
                    forms[entrant.label][work] = figures["form"]
    return samples, forms, limits


def _try(entrant: Entrant, works: Sequence[str], optimizer: str, forms: dict[str, str]) -> dict[str, Any]:
    """Measure one entrant; one that fails is left out of this round, in public."""
    try:
        return entrant.measure(works, optimizer, forms)
    except (RuntimeError, subprocess.SubprocessError) as error:
        print(f"warning: {entrant.label} failed and is left out of this round: {error}", file=sys.stderr)
        return {}


def step_rows(samples: Samples, limit: dict[str, float], works: Sequence[str]) -> list[list[str]]:
    """Return the lines of the table of step times: the median, its ratio to our best, the range."""
    best = {work: min(statistics.median(samples[label][work]) for label in OURS) for work in works}
    lines = [["limit: matrix products alone", *(f"{limit[work]:.0f}" for work in works)]]
    for label, row in samples.items():
        cells = []
        for work in works:
            if us := row[work]:
                median = statistics.median(us)
                cells.append(f"{median:.0f} ({median / best[work]:.2f}x) [{min(us):.0f}..{max(us):.0f}]")
            else:
                cells.append("-")
        lines.append([label, *cells])
    return lines


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("works", nargs="*", default=["S", "M", "L", "P"], help=f"of {', '.join(WORKS)} [S M L P]")
    parser.add_argument("--optimizer", default="momentum", choices=["momentum", "adam"])
    parser.add_argument("--rounds", type=int, default=5, help="alternations over all [%(default)s]")
    parser.add_argument("--json", type=Path, help="where the figures go [benchmarks/results/]")
    options = parser.parse_args(arguments)
    works, field = options.works, entrants(options.optimizer)
    missing = [entrant.label for entrant in field if not installed(entrant.package)]
    watch = Watch()
    running = [entrant for entrant in field if entrant.label not in missing]
    samples, forms, limits = measure_all(running, works, options.optimizer, options.rounds)
    limit = {name: statistics.median(found[name] for found in limits) for name in (*works, "gflops")}
    head = f"{options.optimizer}, {options.rounds} rounds; load at the end {os.getloadavg()[0]:.1f}; {watch.verdict()}"
    times = markdown(["microseconds a step (times our best) [range]", *works], step_rows(samples, limit, works))
    reached = markdown(["targets: reached (wanted)", *works], target_rows(samples, limit, works, options.optimizer))
    notes = [f"not installed: {label}" for label in missing]
    notes += [
        f"{label}: " + ", ".join(f"{w} {form}" for w, form in found.items()) for label, found in forms.items() if found
    ]
    text = [description(), f"{limit['gflops']:.0f} GFLOP/s on all cores; {head}", "", times, "", reached, "", *notes]
    figures = {"machine": description(), "optimizer": options.optimizer, "limit": limit, "us": samples, "forms": forms}
    save(f"peers-{options.optimizer}", "\n".join(text), {**figures, "notes": head}, options.json)
