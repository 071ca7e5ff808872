"""The engine: the same bits for any number of threads, uneven work, and no update from bad numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.comm import Communicator
from ddp_mlp.config import OptimizerConfig
from ddp_mlp.core import sharding
from ddp_mlp.core.kernels.pointed import Pointed
from ddp_mlp.core.kernels.step.arena import CAPACITY, DEFERS, Arena
from ddp_mlp.core.layout import Layout, digest
from ddp_mlp.core.network import Network
from ddp_mlp.core.sampling import batch_bounds, steps_per_epoch
from ddp_mlp.core.update_rules import UpdateRules
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine import shared_memory as tables
from ddp_mlp.engine.engine import STEPS_AT_ONCE, Engine, StepReport
from ddp_mlp.engine.shared_memory import SumTable, shared_table
from tests import reference
from tests.building import engine_of, gradient_of, network_of, parameters_of, resident_of, targets_for

N_ROWS = 101
#: 2163 parameters: three blocks, the last one short, so that workers fold slices of their own.
SIZES = (20, 40, 30, 3)
KNOWN_OPTIMIZERS = [name for name in OPTIMIZERS if name in reference.RULES]


def problem(rng: np.random.Generator, dtype: str = "float32") -> tuple[Network, Resident, np.ndarray]:
    network = network_of(SIZES, "tanh", "cross_entropy")
    x, t = rng.normal(0, 1, (N_ROWS, SIZES[0])), targets_for(network, N_ROWS, rng)
    return network, resident_of(x, t, dtype), parameters_of(network, rng, dtype)


def train(engine: Engine, optimizer: str, batch: int, epochs: int = 2, rate: float = 0.05) -> None:
    """Run some epochs, with an order of their own each."""
    settings = OptimizerConfig(name=optimizer, **OPTIMIZERS[optimizer].defaults)  # type: ignore[arg-type]
    n_steps = steps_per_epoch(N_ROWS, batch)
    for epoch in range(epochs):
        engine.order[:] = np.random.default_rng(epoch).permutation(N_ROWS)
        steps = range(n_steps)
        reports = engine.run(
            [batch_bounds(N_ROWS, batch, i) for i in steps],
            [OPTIMIZERS[optimizer].coefficients(settings, rate, epoch * n_steps + i) for i in steps],
        )
        assert [report.is_finite for report in reports] == [True] * n_steps
        assert sum(report.n_samples for report in reports) == N_ROWS


def bits(
    parts: tuple[Network, Resident, np.ndarray],
    threads: int,
    micro_batches: int,
    batch: int,
    optimizer: str = "adam",
    dtype: str = "",
) -> tuple[str, str]:
    network, resident, start = parts
    how = {"micro_batches": micro_batches, "threads": threads, "batch": batch, "dtype": dtype}
    with engine_of(network, resident, start, optimizer, **how) as engine:
        train(engine, optimizer, batch)
        return digest(engine.parameters), digest(engine.moments.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
# 16 divides nothing but leaves a last batch of 5; 6 and 3 are below 8; 101 is all rows; 1 leaves one micro-batch.
@pytest.mark.parametrize("batch", [16, 6, 3, 101, 1])
@pytest.mark.parametrize("micro_batches", [4, 8])
def test_threads_do_not_change_a_bit(micro_batches: int, batch: int, dtype: str, rng: np.random.Generator) -> None:
    parts = problem(rng, dtype)
    alone = bits(parts, 1, micro_batches, batch, dtype=dtype)
    for threads in (2, 3, 4):
        assert bits(parts, threads, micro_batches, batch, dtype=dtype) == alone, threads


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_do_not_change_a_bit_of_any_optimizer(optimizer: str, rng: np.random.Generator) -> None:
    parts = problem(rng)
    assert bits(parts, 3, 4, 16, optimizer) == bits(parts, 1, 4, 16, optimizer)


def test_products_in_bfloat16_give_other_bits_and_are_near(rng: np.random.Generator) -> None:
    """Holds the tests above: factors are rounded, and nothing else goes wrong."""
    network, resident, start = problem(rng)
    ends = []
    for dtype in ("float32", "bfloat16"):
        with engine_of(network, resident, start, batch=16, dtype=dtype) as engine:
            train(engine, "sgd", 16)
            ends.append(engine.parameters.copy())
    assert np.any(ends[0] != ends[1])
    assert np.linalg.norm(ends[0] - ends[1]) < 0.05 * np.linalg.norm(ends[0] - start)


def test_micro_batches_do(rng: np.random.Generator) -> None:
    """Holds the tests above: another tree gives other bits, so equal bits mean an equal tree."""
    parts = problem(rng)
    assert bits(parts, 1, 4, 16) != bits(parts, 1, 8, 16)


@pytest.mark.parametrize("rows_at_once", [1, 26, 60])
def test_micro_batches_taken_together_change_no_bit(
    rows_at_once: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """13 rows at a time, some, and all; the first weight is added to in more than one part."""
    network = network_of((500, 200, 3), "tanh", "cross_entropy")
    x, t = rng.normal(0, 1, (N_ROWS, 500)), targets_for(network, N_ROWS, rng)
    parts = network, resident_of(x, t), parameters_of(network, rng)
    together = bits(parts, 1, 8, N_ROWS)
    monkeypatch.setattr(sharding, "_ROWS_AT_ONCE", rows_at_once)
    assert [bits(parts, threads, 8, N_ROWS) for threads in (1, 3)] == [together] * 2


@pytest.fixture(params=[False, True], ids=["in the backward pass", "in the update"])
def where_sums_are_taken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Have the gradient sums of weights taken by those who have the rows, or by those who update the weights."""
    monkeypatch.setattr(sharding, "_WORK_PER_PARAMETER", math.inf if request.param else -1)
    return bool(request.param)


#: Networks whose parts of weights, and blocks, begin and end within rows.
NETWORKS = {
    "narrow": network_of(SIZES, "tanh", "cross_entropy"),
    "wide": network_of((37, 700, 9), "relu", "cross_entropy"),
    "three parts": network_of((500, 401, 3), "tanh", "cross_entropy"),
    "wider than a block": network_of((30, 1500, 3), "relu", "cross_entropy"),
    "one layer": network_of((700, 3), loss="cross_entropy"),
    "maxout": Network(Layout((40, 30, 3), (3, 1)), ("maxout", "identity"), "cross_entropy", "softmax"),
    "dropout": replace(network_of(SIZES, "relu", "cross_entropy"), dropout=(0.3, 0.2, 0.0)),
    "tied": Network(Layout((40, 30, 40), tied=True), ("tanh", "identity"), "cross_entropy", "softmax"),
}


def bits_of_two_steps(
    network: Network, optimizer: str, threads: int, micro_batches: int, dtype: str, rules: UpdateRules
) -> tuple[bool, list[str], list[StepReport]]:
    """Take a step of 101 rows and one of 5; return whether sums were taken in the update, and all that can be seen."""
    rng = np.random.default_rng(1)
    x, t = rng.normal(0, 1, (N_ROWS, network.layout.sizes[0])), targets_for(network, N_ROWS, rng)
    settings = OptimizerConfig(name=optimizer, **OPTIMIZERS[optimizer].defaults)  # type: ignore[arg-type]
    coefficients = [OPTIMIZERS[optimizer].coefficients(settings, 0.05, step) for step in range(2)]
    how = {"micro_batches": micro_batches, "threads": threads, "rules": rules, "dtype": dtype}
    with engine_of(network, resident_of(x, t, dtype), parameters_of(network, rng, dtype), optimizer, **how) as engine:
        engine.draw_for(1, 1)
        reports = engine.run([(0, N_ROWS), (7, 12)], coefficients)
        seen = [digest(engine.parameters), digest(engine.moments.ravel())]
        if optimizer == "line_search":
            seen.append(digest(engine.gradient))
        return bool(engine._arena.choices[DEFERS]), seen, reports


@pytest.mark.parametrize(
    ("name", "optimizer", "micro_batches", "dtype", "rules"),
    [
        *((name, "momentum", 8, dtype, UpdateRules()) for name in NETWORKS for dtype in ("float32", "bfloat16")),
        *(
            ("wide", optimizer, 4, dtype, UpdateRules())
            for optimizer in OPTIMIZERS
            for dtype in ("float32", "bfloat16")
        ),
        ("wide", "adam", 1, "float64", UpdateRules()),
        ("three parts", "sgd", 16, "float64", UpdateRules(clip_norm=0.01, layer_norms=True)),
        ("wide", "sgd", 4, "float32", UpdateRules(l1=0.1, l2=0.2, lq=0.1, q=3.0)),
    ],
)
def test_who_takes_the_sums_of_weights_changes_no_bit(
    name: str, optimizer: str, micro_batches: int, dtype: str, rules: UpdateRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (-1, math.inf):
        monkeypatch.setattr(sharding, "_WORK_PER_PARAMETER", most)
        for threads in (1, 3):
            how = (NETWORKS[name], optimizer, min(threads, micro_batches), micro_batches, dtype, rules)
            defers, *seen = bits_of_two_steps(*how)
            assert defers == (most > 0 and name not in ("dropout", "tied"))
            found.append(seen)
    assert found == found[:1] * 4


@pytest.mark.parametrize("micro_batches", [4, 8, 16, 64])
def test_tied_networks_may_have_empty_micro_batches(
    micro_batches: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few rows leave neighbouring micro-batches empty; their sums stay within the rows of their worker."""
    network = Network(Layout((9, 5, 2, 5, 9), tied=True), ("tanh", "relu", "tanh", "identity"), "mse", "linear")
    x, theta = rng.normal(0, 1, (N_ROWS, 9)), parameters_of(network, rng, "float32")
    steps = [(at, at + n) for at, n in ((0, 1), (7, 2), (9, 3), (20, 5), (99, 2), (0, N_ROWS))]
    behind: list[np.ndarray] = []

    def with_rows_behind(comm: Communicator, n_rows: int, *how: Any) -> SumTable:
        table = shared_table(comm, n_rows + micro_batches, *how)
        table.rows[:] = 0
        behind.append(table.rows[n_rows:])
        return SumTable(table.rows[:n_rows], table.sums[:n_rows], table.tails[:n_rows])

    def run(threads: int) -> str:
        how = {"micro_batches": micro_batches, "threads": threads}
        with engine_of(network, resident_of(x, x, "float32"), theta, "momentum", **how) as engine:
            engine.run(steps, [(0.1, 0.9)] * len(steps))
            return digest(engine.parameters)

    monkeypatch.setattr(tables, "shared_table", with_rows_behind)
    assert len({run(threads) for threads in (1, 2, 3, 4)}) == 1
    assert not any(rows.any() for rows in behind)


def test_sums_are_taken_in_the_update_only_where_all_rows_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharding, "_WORK_PER_PARAMETER", math.inf)
    shape = NETWORKS["narrow"], "sgd", 1, 8, "float32", UpdateRules()
    assert bits_of_two_steps(*shape)[0]
    monkeypatch.setattr(sharding, "_ROWS_AT_ONCE", 60)
    assert not bits_of_two_steps(*shape)[0]


def test_quantities_of_rows_begin_on_cache_lines(rng: np.random.Generator) -> None:
    network, resident, start = problem(rng)
    with engine_of(network, resident, start, "sgd", micro_batches=8, threads=3, batch=N_ROWS) as engine:
        work, capacity = engine._arena.work, engine._arena.choices[CAPACITY]
        assert [row.ctypes.data % 64 for row in work] == [0] * 3
        assert capacity * work.itemsize % 64 == 0


def test_runs_repeat(rng: np.random.Generator) -> None:
    parts = problem(rng)
    assert len({bits(parts, 4, 4, 16) for _ in range(3)}) == 1


@pytest.mark.parametrize("optimizer", KNOWN_OPTIMIZERS)
@pytest.mark.parametrize("batch", [16, 3, 101])
def test_training_is_that_of_the_reference(batch: int, optimizer: str, rng: np.random.Generator) -> None:
    network, resident, theta = problem(rng, "float64")
    x, t = resident.features.view(np.float64), resident.targets
    with engine_of(network, resident, theta, optimizer, batch=batch, threads=2) as engine:
        train(engine, optimizer, batch, epochs=1)
        found = engine.parameters.copy()
    rule = reference.Optimizer(optimizer, len(theta), **OPTIMIZERS[optimizer].defaults)
    rule.lay_out(SIZES)
    order = np.random.default_rng(0).permutation(N_ROWS)
    for i in range(steps_per_epoch(N_ROWS, batch)):
        rows = order[slice(*batch_bounds(N_ROWS, batch, i))]
        gradient = reference.gradient_sum(network, rule.gradient_at(theta), x[rows], t[rows]) / len(rows)
        theta = rule.step(theta, gradient, 0.05)
    # Each of at most 34 steps adds rounding of 1e2 eps; a step's own sensitivity to it is
    # below 1 + rate / (1 - momentum) * curvature < 2, but most of it decays: 1e-9 leaves room
    # for 2^10 times that, and a wrong sample, factor or bias shows at 1e-3.
    np.testing.assert_allclose(found, theta, rtol=0, atol=1e-9)


def test_loss_norm_and_count_of_each_step(rng: np.random.Generator) -> None:
    network, resident, theta = problem(rng, "float64")
    x, t = resident.features.view(np.float64), resident.targets
    with engine_of(network, resident, theta, batch=40) as engine:
        reports = engine.run([(0, 40), (40, 80), (80, 101)], [(0.0,)] * 3)  # the rate 0: parameters stay
        np.testing.assert_array_equal(engine.parameters, theta)
    for report, rows in zip(reports, (slice(0, 40), slice(40, 80), slice(80, 101)), strict=True):
        gradient = reference.gradient_sum(network, theta, x[rows], t[rows]) / report.n_samples
        assert report.n_samples == len(x[rows])
        assert report.loss_sum == pytest.approx(reference.loss_sum(network, theta, x[rows], t[rows]), rel=1e-12)
        assert report.grad_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


def test_as_many_steps_at_once_as_there_is_room_for(rng: np.random.Generator) -> None:
    """Many short calls and one long one are the same steps."""
    network, resident, theta = problem(rng)
    batches, coefficients = [(i % 90, i % 90 + 8) for i in range(STEPS_AT_ONCE)], [(0.01,)] * STEPS_AT_ONCE
    with engine_of(network, resident, theta, threads=2) as engine:
        assert len(engine.run(batches, coefficients)) == STEPS_AT_ONCE
        at_once = digest(engine.parameters)
    with engine_of(network, resident, theta) as engine:
        for batch in batches:
            engine.run([batch], coefficients[:1])
        assert digest(engine.parameters) == at_once


@pytest.mark.usefixtures("where_sums_are_taken")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["features", "targets", "parameters"])
def test_bad_number_stops_before_the_update(where: str, bad: float, threads: int, rng: np.random.Generator) -> None:
    network = network_of((4, 5, 2), "tanh", "mse")
    x, t, theta = rng.normal(size=(12, 4)), rng.normal(size=(12, 2)), parameters_of(network, rng)
    if where == "features":
        x[6, 2] = bad
    elif where == "targets":
        t[6, 1] = bad
    first = 1
    if where == "parameters":
        theta[-1], first = bad, 0
    with engine_of(network, resident_of(x, t), theta, "momentum", threads=threads, batch=4) as engine:
        reports = engine.run([(0, 4), (4, 8), (8, 12)], [(0.1, 0.9)] * 3)
        stopped, velocity = engine.parameters.copy(), engine.moments.copy()
    assert [report.is_finite for report in reports] == [True] * first + [False]
    if where == "features" and math.isinf(bad):
        # tanh makes 1 of infinity, so the loss is finite: the gradient alone tells.
        assert math.isfinite(reports[-1].loss_sum)
    with engine_of(network, resident_of(x, t), theta, "momentum", threads=threads, batch=4) as engine:
        if first:
            engine.run([(0, 4)], [(0.1, 0.9)])
        np.testing.assert_array_equal(engine.parameters, stopped)
        np.testing.assert_array_equal(engine.moments, velocity)


def overflowing(n_rows: int) -> tuple[Network, Resident, np.ndarray]:
    """Rows whose gradients are finite, and whose sum is not: 1/2 * 3e38 each."""
    network = network_of((1, 1), loss="binary_cross_entropy")
    return network, resident_of(np.full((n_rows, 1), 3e38), np.zeros((n_rows, 1)), "float32"), np.zeros(2, np.float32)


@pytest.mark.usefixtures("where_sums_are_taken")
def test_overflow_within_a_micro_batch_stops(rng: np.random.Generator) -> None:
    network, resident, theta = overflowing(8)
    with engine_of(network, resident, theta, micro_batches=2) as engine:
        (report,) = engine.run([(0, 8)], [(1e-38,)])
        assert not report.is_finite
        np.testing.assert_array_equal(engine.parameters, theta)


@pytest.mark.usefixtures("where_sums_are_taken")
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_overflow_between_micro_batches_stops(threads: int) -> None:
    network, resident, theta = overflowing(4)
    with engine_of(network, resident, theta, micro_batches=4, threads=threads) as engine:
        (report,) = engine.run([(0, 4)], [(1e-38,)])
        assert not report.is_finite
        np.testing.assert_array_equal(engine.parameters, theta)


@pytest.mark.usefixtures("where_sums_are_taken")
def test_large_but_finite_gradients_pass() -> None:
    """A suspicion alone stops nothing: 1/2 * 3e38 fits into float32."""
    network, resident, theta = overflowing(1)
    gradient, report = gradient_of(network, resident, theta, micro_batches=2)
    assert report.is_finite
    np.testing.assert_array_equal(gradient, np.array([1.5e38, 0.5], np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("micro_batches", "threads", "n_rows"), [(1, 1, 1), (1, 1, 9), (4, 1, 1), (2, 2, 9), (8, 3, 9)]
)
def test_one_compiled_version_serves_all(micro_batches: int, threads: int, n_rows: int, dtype: str) -> None:
    """Kernels believe that arrays lie as they are compiled for, also where one row makes them "contiguous"."""
    compiled = Pointed(Arena, dtype).fields
    for sizes in [(1, 1), (3, 2), SIZES]:
        network = network_of(sizes)
        resident = resident_of(np.zeros((n_rows, sizes[0])), np.zeros((n_rows, sizes[-1])), dtype)
        start = np.zeros(network.layout.n_parameters, dtype)
        for optimizer in OPTIMIZERS:
            how = {"micro_batches": micro_batches, "threads": threads}
            with engine_of(network, resident, start, optimizer, **how) as engine:
                arena = {name: numba.typeof(array) for name, array in engine._arena._asdict().items()}
            assert arena == compiled, (sizes, optimizer)


def test_close_ends_the_helpers(rng: np.random.Generator) -> None:
    network, resident, theta = problem(rng)
    with engine_of(network, resident, theta, threads=3) as engine:
        helpers = engine._helpers
        assert [helper.is_alive() for helper in helpers] == [True, True]
    assert [helper.is_alive() for helper in helpers] == [False, False]


def test_clock_runs_while_computing(rng: np.random.Generator) -> None:
    network, resident, theta = problem(rng)
    with engine_of(network, resident, theta) as engine:
        train(engine, "sgd", 16, epochs=1)
        assert engine.clock.compute_s > 0
        assert engine.clock.communicate_s == 0, "alone there is nobody to talk to"
