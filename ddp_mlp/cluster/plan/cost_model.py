"""How long a step takes, and how much memory it needs, on ranks that are not there yet.

A model of a step in terms of what `calibration` measures on this machine. W workers
(ranks x threads) share M micro-batches, so a worker has m = ceil(M/W) of them:

    step = fixed + first + (m - 1) next + update + barriers + exchange

``first`` and ``next`` are the first and each further micro-batch of a worker: products,
activations, the gather, and for ``next`` the addition to the first. ``update`` is one pass over the
parameters, which the w workers of a node share and in which they read each other's sums;
``exchange`` is what nodes do: each sends its sums to all the others. Where a node is
partly occupied, times lie on the line between those of one worker alone and those of all
cores at work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ddp_mlp.cluster.plan.workload import Workload
from ddp_mlp.core.sharding import plan_reduction


@dataclass(frozen=True)
class Pace:
    """Seconds of one worker: with nobody else at work, and with all cores at work."""

    alone_s: float
    busy_s: float

    def among(self, workers: int, cores: int) -> float:
        """Return the seconds where `workers` of a node's `cores` are at work."""
        share = min(1.0, (workers - 1) / max(1, cores - 1))
        return self.alone_s + share * (self.busy_s - self.alone_s)


@dataclass(frozen=True)
class Rates:
    """The times that were measured.

    Attributes
    ----------
    cores : int
        Of this machine, and so of a node.
    fixed_s : float
        A step of a network of one weight: what is paid whatever the network.
    first, following : dict of int to Pace
        A worker's first micro-batch of those it computes together, and each further one, by its rows.
    update : Pace
        The update of all parameters by one worker from one sum.
    barrier_s : float
        Both barriers of a step, for each worker beyond the first.
    latency_s, bytes_per_s : float
        Of a message between nodes.
    process_bytes : int
        Memory of a rank before anything of the network is there.
    """

    cores: int
    fixed_s: float
    first: Mapping[int, Pace]
    following: Mapping[int, Pace]
    update: Pace
    barrier_s: float
    latency_s: float
    bytes_per_s: float
    process_bytes: int


@dataclass(frozen=True)
class Prediction:
    """A placement of ranks and threads, and the expectations of it; times are seconds a step."""

    ranks: int
    threads: int
    nodes: int
    micro_batches: int
    step_s: float
    gradient_s: float
    update_s: float
    communicate_s: float
    speedup: float
    efficiency: float
    rank_bytes: int
    node_bytes: int


def predict(workload: Workload, rates: Rates, ranks: int, threads: int, ranks_per_node: int) -> Prediction:
    """Return the expectation for `ranks` ranks with `threads` threads each.

    The efficiency is the speed-up over one worker that has the same micro-batches or its own
    choice, whichever is faster, divided by the number of workers.

    Parameters
    ----------
    rates : Rates
        Times of this machine.
    ranks, threads, ranks_per_node : int
        Ranks of the job, threads of each, and the most ranks of a node.
    """
    parts = _parts(workload, rates, ranks, threads, ranks_per_node)
    alone = sum(_parts(workload, rates, 1, 1, 1))
    step = sum(parts)
    workers, nodes = ranks * threads, -(-ranks // ranks_per_node)
    shared, private = memory(workload, rates.process_bytes, ranks, threads, ranks_per_node)
    local = min(ranks, ranks_per_node)
    return Prediction(
        ranks, threads, nodes, workload.micro_batches_for(workers), step, parts[1], parts[2], parts[3],
        alone / step, alone / step / workers, private + shared // local, shared + local * private,
    )  # fmt: skip


def _parts(
    workload: Workload, rates: Rates, ranks: int, threads: int, ranks_per_node: int
) -> tuple[float, float, float, float]:
    """Return the seconds of a step: fixed, gradients, update, communication."""
    local_ranks = min(ranks, ranks_per_node)
    local, workers, nodes = local_ranks * threads, ranks * threads, -(-ranks // ranks_per_node)
    micro_batches, rows = workload.micro_batches_for(workers), workload.rows_of_micro_batch(workers)
    own = workload.run_for(workers)
    first = -(-own // workload.micro_batches_at_once(workers))
    following = rates.following[rows].among(local, rates.cores) if own > first else 0.0
    gradient = first * rates.first[rows].among(local, rates.cores) + (own - first) * following
    plan = plan_reduction(micro_batches, _workers_of_nodes(ranks, threads, ranks_per_node), 0)
    sums = len(plan.rows) if nodes == 1 else sum(plan.sums_of_node)
    if workload.defers_weights(workers, nodes):
        sums = 1  # in cache, as in the update that is measured
    share = 1 / nodes if workload.is_sharded(nodes) else 1.0
    update = _pass(workload, rates, local, (sums + _update_traffic(workload)) * share)
    communicate = rates.barrier_s * (local - 1)
    if nodes > 1:
        communicate += _pass(workload, rates, local, len(plan.rows) + plan.sums_of_node[0])
        communicate += _exchange(workload, rates, nodes, (sums - plan.sums_of_node[0]) * share)
        if workload.is_sharded(nodes):
            communicate += _exchange(workload, rates, nodes, 1 - share)
    return rates.fixed_s, gradient, update, communicate


def _workers_of_nodes(ranks: int, threads: int, ranks_per_node: int) -> list[int]:
    return [min(ranks_per_node, ranks - first) * threads for first in range(0, ranks, ranks_per_node)]


def _update_traffic(workload: Workload) -> int:
    """Return the vectors that an update reads and writes beside the sums."""
    return 2 * (1 + workload.n_moments) + workload.looks_ahead


def _pass(workload: Workload, rates: Rates, workers: int, vectors: float) -> float:
    """Return the seconds of a pass over so many vectors, shared by the workers of a node.

    The measured update reads one sum beside its own traffic.
    """
    return rates.update.among(workers, rates.cores) * vectors / (1 + _update_traffic(workload)) / workers


def _exchange(workload: Workload, rates: Rates, nodes: int, received: float) -> float:
    """Return the seconds in which a node gets `received` vectors of the others, in log2(nodes) rounds."""
    return math.ceil(math.log2(nodes)) * rates.latency_s + received * workload.vector_bytes / rates.bytes_per_s


def memory(workload: Workload, process_bytes: int, ranks: int, threads: int, ranks_per_node: int) -> tuple[int, int]:
    """Return the bytes that the ranks of the fullest node share, and those of each rank alone.

    Shared: the data, parameters, moments, the activations of each worker, and the gradient sums:
    a row for each partial that a worker holds at once, and those of all nodes. Moments
    and the latter can be shared out between the nodes. Sums that are taken in the update are
    never there as a whole. Alone: the process.

    Parameters
    ----------
    process_bytes : int
        Of a rank before anything of the network is there.
    ranks, threads, ranks_per_node : int
        Ranks of the job, threads of each, and the most ranks of a node.
    """
    workers_of_nodes = _workers_of_nodes(ranks, threads, ranks_per_node)
    micro_batches = workload.micro_batches_for(ranks * threads)
    plan = plan_reduction(micro_batches, workers_of_nodes, 0)
    nodes, of_all, own = len(workers_of_nodes), sum(plan.sums_of_node), len(plan.runs) * plan.depth
    if workload.defers_weights(ranks * threads, nodes):
        of_all = own = int(workload.keeps_gradient)
    if workload.is_sharded(nodes):
        vectors = 1 + workload.looks_ahead + own + (workload.n_moments + of_all) / nodes
    else:
        vectors = 1 + workload.looks_ahead + workload.n_moments + max(of_all, own)
    activations = workers_of_nodes[0] * workload.rows_at_once(ranks * threads) * workload.columns * workload.itemsize
    return workload.data_bytes + math.ceil(vectors * workload.vector_bytes) + activations, process_bytes
