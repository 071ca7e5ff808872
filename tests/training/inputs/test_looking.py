"""A number that stands for a missing value is told of; quantities that are only unusual are not."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.training.inputs.looking import likely_missing

N = 400
RNG = np.random.default_rng(3)


def told(folder: Path, column: np.ndarray, targets: np.ndarray | None = None) -> str:
    path = folder / "d.h5"
    with h5py.File(path, "w") as file:
        file["X"] = np.column_stack([RNG.normal(size=N), column])
        file["X"].attrs["names"] = ["a", "b"]
        file["y"] = RNG.normal(size=N) if targets is None else targets
    with open_dataset(path) as data:
        return likely_missing(data.splits["train"], data.schema)


def in_some_rows(value: float, others: np.ndarray) -> np.ndarray:
    return np.where(np.arange(N) % 20 == 0, value, others)


@pytest.mark.parametrize("value", [-9999.0, 999.0, -1e30, 1e20, -999.9])
def test_a_number_far_from_all_others_in_many_rows_is_told_of(tmp_path, value):
    assert f"b ({value:g} in 20 of {N} rows)" in told(tmp_path, in_some_rows(value, RNG.normal(size=N)))


def test_a_usual_one_need_not_be_so_far(tmp_path):
    ages = RNG.integers(1, 100, N).astype(float)
    assert "b (-99 in 20" in told(tmp_path, in_some_rows(-99.0, ages))
    assert told(tmp_path, in_some_rows(-98.0, ages)) == ""


def test_it_is_told_of_among_targets_too(tmp_path):
    targets = in_some_rows(-9999.0, RNG.normal(size=N))
    assert f"target0 (-9999 in 20 of {N} rows)" in told(tmp_path, RNG.normal(size=N), targets)


@pytest.mark.parametrize(
    "column",
    [
        np.where(np.arange(N) % 3 == 0, 0.0, RNG.uniform(100, 200, N)),  # nothing sold on that day
        np.exp(2 * RNG.normal(size=N)),
        np.where(np.arange(N) == 7, 1e6, RNG.normal(size=N)),  # one row may be so
        (np.arange(N) % 2) * 1000.0,
        np.full(N, 3.0),
        RNG.integers(0, 5, N).astype(float),
        np.clip(RNG.normal(size=N), -1, 1),  # a sensor at its stop
    ],
)
def test_other_columns_are_left_in_peace(tmp_path, column):
    assert told(tmp_path, column) == ""
