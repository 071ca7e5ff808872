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

from ddp_mlp.core.sharding import (
    Choice,
    default_micro_batches,
    defers_weights,
    is_sharded,
    micro_batches_at_once,
    plan_reduction,
    rows_at_once,
)


@dataclass(frozen=True)
class Job:
    """What is trained, as far as time and memory depend on it.

    Attributes
    ----------
    n_parameters, n_moments : int
    itemsize : int
        Bytes of a value of the dtype of training.
    looks_ahead : bool
        Whether gradients are taken at a point of their own, which is another vector.
    global_batch_size : int
    micro_batches : int or None
        None where they follow from the number of workers.
    columns : int
        Values of work space for each row of a micro-batch.
    flops_per_sample : int
        Of the products of forward and backward pass.
    data_bytes : int
        Of the rows in memory, once for each node.
    sharding : bool or "auto"
        Whether nodes share out the update.
    can_defer, keeps_gradient : bool
        Whether gradient sums of weights can be taken in the update, and whether that keeps them.
    """

    n_parameters: int
    n_moments: int
    itemsize: int
    looks_ahead: bool
    global_batch_size: int
    micro_batches: int | None
    columns: int
    flops_per_sample: int
    data_bytes: int
    sharding: Choice = False
    can_defer: bool = False
    keeps_gradient: bool = False

    def is_sharded(self, nodes: int) -> bool:
        """Tell whether so many nodes share out the update."""
        return is_sharded(self.sharding, nodes, self.n_parameters * self.itemsize)

    def defers_weights(self, workers: int, nodes: int) -> bool:
        """Tell whether so many workers take the gradient sums of just the weights that they update."""
        return (nodes == 1 and self.can_defer) and defers_weights(
            self.global_batch_size,
            self.micro_batches_for(workers),
            self.run_for(workers),
            self.columns,
            self.n_parameters,
        )

    def micro_batches_for(self, workers: int) -> int:
        """Return M for so many workers."""
        return self.micro_batches or default_micro_batches(workers)

    def rows_of_micro_batch(self, workers: int) -> int:
        """Return the rows of the largest micro-batch for so many workers."""
        return -(-self.global_batch_size // self.micro_batches_for(workers))

    def run_for(self, workers: int) -> int:
        """Return the micro-batches of the busiest worker."""
        return -(-self.micro_batches_for(workers) // workers)

    def micro_batches_at_once(self, workers: int) -> int:
        """Return how many of them it takes through the layers together."""
        return micro_batches_at_once(self.global_batch_size, self.micro_batches_for(workers), self.run_for(workers))

    def rows_at_once(self, workers: int) -> int:
        """Return room for the rows of those."""
        return rows_at_once(self.global_batch_size, self.micro_batches_for(workers), self.run_for(workers))


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
    """What was measured.

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
    """A layout of ranks and threads and what is expected of it; times are seconds a step."""

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


def predict(job: Job, rates: Rates, ranks: int, threads: int, ranks_per_node: int) -> Prediction:
    """Return what is expected of `ranks` ranks with `threads` threads each.

    The efficiency is the speed-up over one worker that has the same micro-batches or its own
    choice, whichever is faster, divided by the number of workers.
    """
    parts = _parts(job, rates, ranks, threads, ranks_per_node)
    alone = sum(_parts(job, rates, 1, 1, 1))
    step = sum(parts)
    workers, nodes = ranks * threads, -(-ranks // ranks_per_node)
    shared, private = memory(job, rates.process_bytes, ranks, threads, ranks_per_node)
    local = min(ranks, ranks_per_node)
    return Prediction(
        ranks, threads, nodes, job.micro_batches_for(workers), step, parts[1], parts[2], parts[3],
        alone / step, alone / step / workers, private + shared // local, shared + local * private,
    )  # fmt: skip


def _parts(job: Job, rates: Rates, ranks: int, threads: int, ranks_per_node: int) -> tuple[float, float, float, float]:
    """Return the seconds of a step: fixed, gradients, update, communication."""
    local_ranks = min(ranks, ranks_per_node)
    local, workers, nodes = local_ranks * threads, ranks * threads, -(-ranks // ranks_per_node)
    micro_batches, rows = job.micro_batches_for(workers), job.rows_of_micro_batch(workers)
    own = job.run_for(workers)
    first = -(-own // job.micro_batches_at_once(workers))
    following = rates.following[rows].among(local, rates.cores) if own > first else 0.0
    gradient = first * rates.first[rows].among(local, rates.cores) + (own - first) * following
    plan = plan_reduction(micro_batches, _workers_of_nodes(ranks, threads, ranks_per_node), 0)
    sums = len(plan.rows) if nodes == 1 else sum(plan.sums_of_node)
    if job.defers_weights(workers, nodes):
        sums = 1  # in cache, as in the update that is measured
    share = 1 / nodes if job.is_sharded(nodes) else 1.0
    update = _pass(job, rates, local, (sums + _update_traffic(job)) * share)
    communicate = rates.barrier_s * (local - 1)
    if nodes > 1:
        communicate += _pass(job, rates, local, len(plan.rows) + plan.sums_of_node[0])
        communicate += _exchange(job, rates, nodes, (sums - plan.sums_of_node[0]) * share)
        if job.is_sharded(nodes):
            communicate += _exchange(job, rates, nodes, 1 - share)
    return rates.fixed_s, gradient, update, communicate


def _workers_of_nodes(ranks: int, threads: int, ranks_per_node: int) -> list[int]:
    return [min(ranks_per_node, ranks - first) * threads for first in range(0, ranks, ranks_per_node)]


def _update_traffic(job: Job) -> int:
    """Return the vectors that an update reads and writes beside the sums."""
    return 2 * (1 + job.n_moments) + job.looks_ahead


def _pass(job: Job, rates: Rates, workers: int, vectors: float) -> float:
    """Return the seconds of a pass over so many vectors, shared by the workers of a node.

    The measured update reads one sum beside its own traffic.
    """
    return rates.update.among(workers, rates.cores) * vectors / (1 + _update_traffic(job)) / workers


def _exchange(job: Job, rates: Rates, nodes: int, received: float) -> float:
    """Return the seconds in which a node gets `received` vectors of the others, in log2(nodes) rounds."""
    return math.ceil(math.log2(nodes)) * rates.latency_s + received * _vector_bytes(job) / rates.bytes_per_s


def _vector_bytes(job: Job) -> int:
    return job.n_parameters * job.itemsize


def memory(job: Job, process_bytes: int, ranks: int, threads: int, ranks_per_node: int) -> tuple[int, int]:
    """Return the bytes that the ranks of the fullest node share, and those of each rank alone.

    Shared: the data, parameters, moments, the activations of each worker, and the gradient sums:
    a row for each node of the tree that a worker holds at once, and those of all nodes. Moments
    and the latter can be shared out between the nodes. Sums that are taken in the update are
    never there as a whole. Alone: the process.
    """
    workers_of_nodes = _workers_of_nodes(ranks, threads, ranks_per_node)
    micro_batches = job.micro_batches_for(ranks * threads)
    plan = plan_reduction(micro_batches, workers_of_nodes, 0)
    nodes, of_all, own = len(workers_of_nodes), sum(plan.sums_of_node), len(plan.runs) * plan.depth
    if job.defers_weights(ranks * threads, nodes):
        of_all = own = int(job.keeps_gradient)
    if job.is_sharded(nodes):
        vectors = 1 + job.looks_ahead + own + (job.n_moments + of_all) / nodes
    else:
        vectors = 1 + job.looks_ahead + job.n_moments + max(of_all, own)
    activations = workers_of_nodes[0] * job.rows_at_once(ranks * threads) * job.columns * job.itemsize
    return job.data_bytes + math.ceil(vectors * _vector_bytes(job)) + activations, process_bytes
