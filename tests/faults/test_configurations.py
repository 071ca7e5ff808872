"""Random configurations under guards: a fixed set of them, and that the harness finds what is wrong on purpose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.core.sharding import plan_reduction
from ddp_mlp.engine import engine
from tests.faults import case_runs
from tests.faults.cases import ACTIVATIONS, Case, Data, Layout, case_from, random_case
from tests.faults.configurations import Found, fails, run_cases, smallest
from tests.faults.guarded_memory import guarded_arrays
from tests.faults.shrinking import shrink
from tests.inside import clean_environment
from tests.tiers import THOROUGH

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def allocator() -> None:
    """Compile it here, once, and not in each child."""
    with guarded_arrays():
        pass


def run(*options: str) -> str:
    command = [sys.executable, "-m", "tests.faults.configurations", *options]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_configurations_stay_within_their_arrays_and_have_equal_bits() -> None:
    """All arrays of Python at guarded pages; with ``--all``, `test_harness` has those of kernels there too."""
    found = Found()
    run_cases(map(random_case, range(100_000, 100_050)), 1, found)
    assert (found.n_cases, found.failures) == (50, [])


def test_so_do_short_batches_of_tied_networks() -> None:
    """Most micro-batches of the last batch are empty."""
    found, layouts = Found(), (Layout(), Layout(threads=4), Layout((2, 1), 2, side=1), Layout((4,), 1))
    rows = Data(rows=33, features=5, outputs=5)
    model = {"hidden": [4, 2, 4], "activation": ["relu", "tanh", "relu"], "tied": True}
    tables = random_case(0).tables | {
        "data": {"train": "rows.h5", "autoencode": True}, "loss": {}, "model": model, "optimizer": {"name": "momentum"},
        "schedule": {}, "train": {"epochs": 2, "global_batch_size": 32, "micro_batches": 16},
    }  # fmt: skip
    run_cases(iter([Case(0, rows, tables, layouts)]), 1, found)
    assert found.failures == []


@THOROUGH
@pytest.mark.mpi
def test_so_do_ranks_of_a_launcher() -> None:
    assert "processes of a launcher: 2 nodes, threads" in run("--count", "40", "--seed", "200000", "--launched", "40")


@THOROUGH
@pytest.mark.timeout(1800)
def test_no_index_is_out_of_bounds() -> None:
    """Numba's own checks see each index, but not what tiles do; all kernels are compiled anew for them."""
    run("--count", "200", "--seed", "300000", "--bounds")


def test_a_seed_is_always_the_same_case_also_by_way_of_json() -> None:
    for seed in range(20):
        assert case_from(to_builtins(random_case(seed))) == random_case(seed)


def test_cases_have_all_there_is() -> None:
    cases = [random_case(seed) for seed in range(600)]
    tables = [case.tables for case in cases]
    assert {name for t in tables for name in t["model"]["activation"]} == set(ACTIVATIONS)
    assert {t["optimizer"]["name"] for t in tables} == set(OPTIMIZERS)
    assert {t["train"]["micro_batches"] for t in tables} == {1, 2, 4, 8, 16, 32, 64}
    assert {len(t["model"]["hidden"]) for t in tables} >= {0, 1, 2, 3, 4}
    sizes = {t["train"]["global_batch_size"] for t in tables}
    assert {1, "full"} < sizes
    assert max(size for size in sizes if size != "full") > 250
    layouts = [layout for case in cases for layout in case.layouts]
    assert {(layout.shards, layout.overlaps) for layout in layouts} == {(False, False), (True, False), (True, True)}
    assert any(len(layout.node_sizes) > 2 and layout.threads > 1 for layout in layouts)
    for name in ("tied", "dropout", "augment", "weighted", "as_bytes", "label_smoothing", "class_weights", "clip_norm"):
        assert any(_says(case, name) for case in cases), name


def _says(case: Case, name: str) -> bool:
    tables = [*case.tables.values(), to_builtins(case.data)]
    return any(table.get(name) and (not isinstance(table[name], list) or any(table[name])) for table in tables)


def too_few_rows(micro_batches: int, workers: list[int], node: int) -> Any:
    """Plan the reduction with a row less for each worker than it needs, where it has several micro-batches."""
    plan = plan_reduction(micro_batches, workers, node)
    return replace(plan, depth=max(1, plan.depth - 1))


@THOROUGH
def test_a_write_behind_an_array_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "plan_reduction", too_few_rows)
    case = next(case for seed in range(99) if "SIGSEGV" in fails(case := random_case(seed)))
    small, how = smallest(case, "")
    assert "SIGSEGV" in how
    assert small.layouts == (Layout(),)
    assert small.tables["model"]["hidden"] == []
    assert (small.data.rows, small.data.features, small.data.outputs) == (1, 1, 1)


def test_other_bits_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that has other weights where there are two workers."""
    state = case_runs._state

    def other(case: Case, *parts: Any) -> Any:
        found = state(case, *parts)
        found.parameters[-1] += len(workers)
        return found

    workers: list[int] = []
    case = random_case(3)
    monkeypatch.setattr(case_runs, "_state", other)
    train = case_runs.train

    def noted(case: Case, layout: Layout, comm: Any) -> Any:
        workers[:] = range(layout.workers - 1)
        return train(case, layout, comm)

    monkeypatch.setattr(case_runs, "train", noted)
    assert case.layouts[1].workers > 1
    assert fails(case).startswith("parameters")


@pytest.mark.parametrize(
    ("part", "least"),
    [
        (lambda case: case.data.rows, 5),
        (lambda case: case.tables["train"]["micro_batches"], 4),
        (lambda case: max([0, *case.tables["model"]["hidden"]]), 3),
        (lambda case: max(layout.threads for layout in case.layouts), 2),
    ],
)
def test_the_smallest_has_nothing_else(part: Callable[[Case], int], least: int) -> None:
    case = next(case for seed in range(99) if part(case := random_case(seed)) > least)
    small = shrink(case, lambda candidate: part(candidate) >= least, tries=2000)
    assert part(small) == least
    assert len(small.layouts) == 1
    assert small.tables["optimizer"] == {"name": "sgd"}
    assert len(small.tables["model"]["hidden"]) <= 1
