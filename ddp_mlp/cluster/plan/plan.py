"""A plan: this machine measured, the ranks that were asked for predicted, and the placement to take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ddp_mlp.cluster.plan.advice import Advice, advise
from ddp_mlp.cluster.plan.calibration import calibrate
from ddp_mlp.cluster.plan.cost_model import Prediction, Rates, predict
from ddp_mlp.cluster.plan.network_probe import measure_network
from ddp_mlp.cluster.plan.workload import PlannedRun, describe
from ddp_mlp.config import Config
from ddp_mlp.errors import UsageError


@dataclass(frozen=True)
class Plan:
    """The measurements, and the predictions that follow from them.

    Attributes
    ----------
    asked : list of Prediction
        One for each number of ranks that can work.
    left_out : list of int
        Numbers of ranks for which the configured micro-batches are too few.
    network_given : bool
        Latency and bandwidth between nodes were given, not measured here.
    """

    planned: PlannedRun
    rates: Rates
    asked: list[Prediction]
    left_out: list[int]
    advice: Advice
    network_given: bool

    @property
    def update_bytes(self) -> int:
        """Bytes that the update of one worker reads and writes."""
        workload = self.planned.workload
        return (3 + 2 * workload.n_moments + workload.looks_ahead) * workload.n_parameters * workload.itemsize


def placements_of_node(cores: int, micro_batches: int | None) -> list[tuple[int, int]]:
    """Return the ranks and threads that fill a node, or a power-of-two part of it.

    Examples
    --------
    >>> placements_of_node(4, None)
    [(1, 1), (1, 2), (2, 1), (1, 4), (2, 2), (4, 1)]
    """
    workers = [2**i for i in range(cores.bit_length()) if 2**i < cores] + [cores]
    return [
        (ranks, count // ranks)
        for count in workers
        if micro_batches is None or count <= micro_batches
        for ranks in range(1, count + 1)
        if count % ranks == 0
    ]


def make_plan(
    config: Config,
    ranks: Sequence[int],
    threads: int = 1,
    ranks_per_node: int | None = None,
    network: tuple[float | None, float | None] = (None, None),
) -> Plan:
    """Measure this machine and predict.

    Parameters
    ----------
    network : (latency in seconds, bytes a second)
        None where it is to be measured between two ranks of this machine.

    Raises
    ------
    UsageError
        If no number of ranks is left that can work.
    LaunchError
        If the exchange between nodes is needed and cannot be measured.
    """
    planned = describe(config)
    workload, cores = planned.workload, len(os.sched_getaffinity(0))
    per_node = ranks_per_node or max(1, cores // threads)
    possible = [n for n in ranks if workload.micro_batches is None or n * threads <= workload.micro_batches]
    if not possible:
        raise UsageError(
            f"[train] micro_batches = {workload.micro_batches} is too few for {min(ranks) * threads} workers; "
            "ask for fewer ranks or configure more micro-batches"
        )
    here = placements_of_node(cores, workload.micro_batches)
    measured = calibrate(planned, {n * threads for n in possible} | {a * b for a, b in here})
    if max(possible) > per_node:
        measured = _with_network(measured, network, workload.n_parameters * workload.itemsize)
    asked = [predict(workload, measured, n, threads, per_node) for n in possible]
    on_one_node = [predict(workload, measured, n, t, n) for n, t in here]
    left_out = [n for n in ranks if n not in possible]
    return Plan(planned, measured, asked, left_out, advise(on_one_node, asked), None not in network)


def _with_network(rates: Rates, network: tuple[float | None, float | None], n_bytes: int) -> Rates:
    latency, rate = network
    if latency is None or rate is None:
        measured_latency, measured_rate = measure_network(n_bytes)
        latency = measured_latency if latency is None else latency
        rate = measured_rate if rate is None else rate
    return replace(rates, latency_s=latency, bytes_per_s=rate)
