"""Times of this machine for `plan`: the step in parts, alone and with all cores at work.

All of it is measured on the real engine with random rows. Engines of one worker each, without
barriers, run in as many threads as there are cores; the kernels let go of the interpreter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from threading import Barrier
from time import perf_counter
from typing import Any

import numpy as np

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.cluster.plan.cost_model import Pace, Rates, memory
from ddp_mlp.cluster.plan.workload import PlannedRun, Workload
from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.config import Config
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.layout import Layout
from ddp_mlp.core.network import Network
from ddp_mlp.core.sampling import permuted
from ddp_mlp.core.update_rules import update_rules
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine.engine import STEPS_AT_ONCE, Engine

#: Seconds of stepping behind a time, and times of which the least disturbed one counts: many
#: short ones, since what disturbs comes and goes.
_SECONDS, _ROUNDS = 0.02, 8
#: Bytes of random rows, at most; more than most caches, so that a gather costs what it does in earnest.
_ROWS_BYTES = 100_000_000
#: Bytes that engines which run at once may take together; at least two run.
_ENGINES_BYTES = 4_000_000_000


def random_rows(network: Network, n_rows: int, dtype: str, *, as_bytes: bool) -> Resident:
    """Return rows with targets that the loss can take."""
    rng = np.random.default_rng(0)
    n_in, n_out = network.layout.sizes[0], network.layout.sizes[-1]
    if as_bytes:
        features = rng.integers(0, 256, (n_rows, n_in), np.uint8)
    else:
        features = rng.random((n_rows, n_in), np.float32).astype(dtype).view(np.uint8)
    if LOSSES[network.loss].takes_labels:
        targets = rng.integers(0, n_out, (n_rows, 1)).astype(dtype)
    else:
        targets = rng.integers(0, 2, (n_rows, n_out)).astype(dtype)
    offset, scale = np.zeros(n_in, dtype), np.full(n_in, 1 / 255 if as_bytes else 1, dtype)
    return Resident(features, int(as_bytes), offset, scale, targets, (0, n_rows))


def rows_for(planned: PlannedRun) -> Resident:
    """Return as many random rows as the training split has, or as tell cache misses."""
    row_bytes = planned.network.layout.sizes[0] * (1 if planned.stored_as_bytes else planned.workload.itemsize)
    n_rows = max(2 * planned.workload.global_batch_size, min(planned.n_train, _ROWS_BYTES // row_bytes))
    return random_rows(
        planned.network, n_rows, held_dtype(planned.config.train.dtype), as_bytes=planned.stored_as_bytes
    )


class Bench:
    """Engines of one worker each, for one network, on rows that they share."""

    def __init__(
        self, planned: PlannedRun, network: Network, resident: Resident, comm: Communicator | None = None
    ) -> None:
        self._planned = planned
        self._network = network
        self._resident = resident
        self._comm = comm or SingleProcess()
        self._start = initial_parameters(network, "auto", 0, held_dtype(planned.config.train.dtype))
        self._order = permuted(np.arange(resident.starts[-1]), "calibration")

    def engine(self, rows: int, micro_batches: int, threads: int = 1) -> Engine:
        """Return an engine for batches of `micro_batches` times `rows` rows."""
        planned, whole = self._planned, self._network is self._planned.network
        engine = Engine(
            self._network, planned.config.optimizer.name, self._resident, self._comm,
            micro_batches=micro_batches, threads=threads, n_train=len(self._order),
            global_batch_size=rows * micro_batches, start=self._start,
            rules=update_rules(planned.config), augmentation=planned.augmentation if whole else None,
            dtype=planned.config.train.dtype,
        )  # fmt: skip
        engine.order[:] = self._order
        return engine

    def runner(self, rows: int, micro_batches: int, threads: int = 1) -> Stepper:
        """Return a function that steps such an engine."""
        return Stepper(self.engine(rows, micro_batches, threads), self._planned.config, rows * micro_batches)

    def pace(self, rows: int, micro_batches: int, cores: int) -> Pace:
        """Time steps on one core, and on all of them at once."""
        return self._pace(lambda: self.runner(rows, micro_batches), micro_batches, cores)

    def update_pace(self, cores: int) -> Pace:
        """Time updates, and what Python does between them, on one core, and on all of them at once."""
        return self._pace(lambda: Updater(self.engine(1, 1), self._planned.config, 1), 1, cores)

    def _pace(self, make: Callable[[], Stepper], micro_batches: int, cores: int) -> Pace:
        workload = self._planned.workload
        engine_bytes = sum(memory(replace(workload, micro_batches=micro_batches, data_bytes=0), 0, 1, 1, 1))
        together = min(cores, max(2, _ENGINES_BYTES // engine_bytes))
        steppers = [make() for _ in range(together)]
        alone = steppers[0].seconds()
        meeting = Barrier(together)
        with ThreadPoolExecutor(together) as pool:
            rounds = zip(*pool.map(lambda stepper: stepper.rounds(meeting), steppers), strict=True)
        return Pace(alone, max(alone, min(map(fmean, rounds))))


class Stepper:
    """Runs steps of one engine at a rate so small that nothing diverges."""

    def __init__(self, engine: Engine, config: Config, batch_size: int) -> None:
        n_batches = max(1, len(engine.order) // batch_size)
        starts = [i % n_batches * batch_size for i in range(STEPS_AT_ONCE)]
        self._engine = engine
        self._batches = [(start, start + batch_size) for start in starts]
        coefficients = OPTIMIZERS[config.optimizer.name].coefficients
        self._coefficients = [coefficients(config.optimizer, 1e-9, i) for i in range(STEPS_AT_ONCE)]

    def run(self, n: int) -> float:
        """Run steps and return seconds for each."""
        started = perf_counter()
        self._engine.run(self._batches[:n], self._coefficients[:n])
        return (perf_counter() - started) / n

    def seconds(self, agree: Callable[[int], int] = int) -> float:
        """Return seconds a step, the least disturbed of a few times; `agree` as in `rounds`."""
        return min(self.rounds(agree=agree))

    def rounds(self, meeting: Barrier | None = None, agree: Callable[[int], int] = int) -> list[float]:
        """Return seconds a step a few times.

        Each time begins with the others at `meeting`; `agree` makes a number the same on all ranks.
        """
        self.run(1)
        n = max(1, min(STEPS_AT_ONCE, agree(int(_SECONDS / self.run(1)))))
        found = []
        for _ in range(_ROUNDS):
            if meeting:
                meeting.wait()
            found.append(self.run(n))
        return found

    def close(self) -> None:
        """Let the engine's threads go."""
        self._engine.close()


class Updater(Stepper):
    """Repeats the update of a step."""

    def __init__(self, engine: Engine, config: Config, batch_size: int) -> None:
        super().__init__(engine, config, batch_size)
        super().run(1)

    def run(self, n: int) -> float:
        """Run updates and return seconds for each."""
        started = perf_counter()
        self._engine.repeat_update(n)
        return (perf_counter() - started) / n


def calibrate(planned: PlannedRun, workers: Iterable[int]) -> Rates:
    """Measure all that predictions for so many workers need, but for what is between nodes."""
    process_bytes = own_memory()
    workload, cores = planned.workload, len(os.sched_getaffinity(0))
    bench = Bench(planned, planned.network, rows_for(planned))
    fixed, barrier, between = _overheads(planned, cores)
    update = _minus(bench.update_pace(cores), between, 0.0)
    first, following = {}, {}
    for rows, together in _micro_batches(workload, {1, *workers}).items():
        one, all_ = bench.pace(rows, 1, cores), bench.pace(rows, together, cores)
        first[rows], more = _minus(one, update, fixed), _minus(all_, one, 0.0)
        following[rows] = Pace(more.alone_s / (together - 1), more.busy_s / (together - 1))
    return Rates(cores, fixed, first, following, update, barrier, 0.0, 0.0, process_bytes)


def _micro_batches(workload: Workload, workers: Iterable[int]) -> dict[int, int]:
    """Return the sizes of micro-batches in rows, and of how many at once a following one is to be measured."""
    together: dict[int, int] = {}
    for n in workers:
        rows, count = workload.rows_of_micro_batch(n), workload.micro_batches_at_once(n)
        together[rows] = max(2, together.get(rows, 0), 1 << count.bit_length() - 1)
    return dict(sorted(together.items()))


def _minus(whole: Pace, part: Pace, fixed: float) -> Pace:
    """Return the rest of a time; at least 0, since both were measured."""
    return Pace(max(0.0, whole.alone_s - part.alone_s - fixed), max(0.0, whole.busy_s - part.busy_s - fixed))


def _overheads(planned: PlannedRun, cores: int) -> tuple[float, float, Pace]:
    """Return the seconds of a step of one weight, what a second worker adds, and those of its update alone."""
    network = Network(Layout((1, 1)), ("identity",), "mse", "linear")
    bench = Bench(planned, network, random_rows(network, 8, held_dtype(planned.config.train.dtype), as_bytes=False))
    fixed, update = bench.runner(1, 1).seconds(), bench.update_pace(cores)
    if cores == 1:
        return fixed, 0.0, update
    together = bench.runner(1, 2, threads=2)
    both = together.seconds()
    together.close()
    return fixed, max(0.0, both - fixed), update


def own_memory() -> int:
    """Return the bytes of this process, each page divided by the number of processes that share it."""
    fields: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if ":" in line[:20]
    )
    return int(fields["Pss"].split()[0]) * 1024
