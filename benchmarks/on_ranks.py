"""What every program does that measures the ranks which started it: options, kernels, an engine, one JSON object."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.works import N_ROWS, WORKS, Work
from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import Communicator, connect
from ddp_mlp.config import OptimizerConfig
from ddp_mlp.core.network import Network
from ddp_mlp.core.sharding import AutoBool
from ddp_mlp.data.resident import Resident

if TYPE_CHECKING:
    from ddp_mlp.engine.engine import Engine

#: Seconds of stepping behind each figure.
SECONDS = 0.4

_CHOICES: dict[str, AutoBool] = {"true": True, "false": False, "auto": "auto"}


def main(measure: Callable[[Namespace, Communicator], object]) -> None:
    """Print what `measure` returns, collectively, for the options of the command line."""
    parser = ArgumentParser()
    parser.add_argument("works", nargs="+", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="one that holds numbers in float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--micro-batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="behind each round")
    parser.add_argument("--shard-optimizer", choices=list(_CHOICES), default="auto")
    parser.add_argument("--overlap", choices=list(_CHOICES), default="auto")
    options = parser.parse_args()
    with connect() as comm:
        from ddp_mlp.engine.compilation import ready_kernels

        ready_kernels(options.dtype, comm, lambda line: print(line, file=sys.stderr))
        result = measure(options, comm)
        if comm.rank == 0:
            print(json.dumps(result))


def make_resident(work: Work, comm: Communicator) -> Resident:
    """Collective. Make random float32 rows, once for each node."""
    n_features = work.sizes[0]
    features = comm.node_shared(N_ROWS * n_features * 4).reshape(N_ROWS, -1)
    targets = comm.node_shared(N_ROWS * 4).view(np.float32).reshape(N_ROWS, 1)
    if comm.local_rank == 0:
        rng = np.random.default_rng(0)
        features.view(np.float32)[...] = rng.random((N_ROWS, n_features), dtype=np.float32)
        targets[:, 0] = rng.integers(0, work.sizes[-1], N_ROWS)
    comm.node_barrier()
    one = np.ones(n_features, np.float32)
    return Resident(features, 0, 0 * one, one, targets, (0, N_ROWS))


def make_engine(work: Work, options: Namespace, comm: Communicator) -> Engine:
    """Collective. Build the engine that trains a work."""
    from ddp_mlp.core.initializers import initial_parameters
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.engine.engine import Engine

    hidden = ("relu",) * (len(work.sizes) - 2)
    network = Network(Layout(work.sizes), (*hidden, "identity"), "cross_entropy", "softmax")
    engine = Engine(
        network,
        options.optimizer,
        make_resident(work, comm),
        comm,
        micro_batches=options.micro_batches,
        threads=options.threads,
        n_train=N_ROWS,
        global_batch_size=work.global_batch_size,
        start=initial_parameters(network, "auto", 0, "float32"),
        sharding=_CHOICES[options.shard_optimizer],
        overlap=_CHOICES[options.overlap],
        dtype=options.dtype,
    )
    engine.order[:] = np.random.default_rng(1).permutation(N_ROWS)
    return engine


class Stepper:
    """Takes steps of a work, as many at once as fill the seconds of a round."""

    def __init__(self, work: Work, options: Namespace, comm: Communicator, *, n_steps: int = 0) -> None:
        """Collective. Choose `n_steps` by a short trial, unless it is given."""
        from ddp_mlp.engine.engine import STEPS_AT_ONCE

        self.engine = make_engine(work, options, comm)
        config = OptimizerConfig(name=options.optimizer, **OPTIMIZERS[options.optimizer].defaults)  # type: ignore[arg-type]
        b = work.global_batch_size
        starts = np.arange(STEPS_AT_ONCE) % (N_ROWS // b) * b
        self._batches = [(s, s + b) for s in starts.tolist()]
        self._coefficients = [OPTIMIZERS[options.optimizer].coefficients(config, 1e-3, i) for i in range(STEPS_AT_ONCE)]
        self.n_steps = n_steps or self._fill(options.seconds, STEPS_AT_ONCE, comm)

    def _fill(self, seconds: float, most: int, comm: Communicator) -> int:
        self.take(2)
        started = perf_counter()
        self.take(2)
        n = np.array(max(2, min(most, int(seconds / (perf_counter() - started) * 2))))
        comm.broadcast(n)
        return int(n)

    def take(self, n_steps: int = 0) -> None:
        """Collective. Take so many steps, or those of a round."""
        self.engine.run(self._batches[: n_steps or self.n_steps], self._coefficients)
