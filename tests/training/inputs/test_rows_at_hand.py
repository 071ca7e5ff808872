"""Rows that runs of a process keep for each other, and share with other processes."""

from __future__ import annotations

import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.comm import node_memory as module
from ddp_mlp.config import load_config
from ddp_mlp.data import resident
from ddp_mlp.errors import DataError
from ddp_mlp.training.inputs.rows_at_hand import RowsAtHand
from ddp_mlp.training.problem import prepare
from tests.runs import ddp_mlp


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "shm").mkdir()
    monkeypatch.setattr(module, "PLACE", tmp_path / "shm")
    assert ddp_mlp("data", "make", "moons", "--samples", "90", "--out", "moons.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "moons.h5"\n[model]\nhidden = [3]\n')
    return tmp_path


def problem(folder, at_hand, *overrides):
    return prepare(load_config(folder / "c.toml", overrides), SingleProcess(), at_hand=at_hand)


def equal(one, other):
    names = ("features", "targets", "offset", "scale")
    return all((getattr(one, name) == getattr(other, name)).all() for name in names) and one.starts == other.starts


@pytest.mark.parametrize(
    "differs",
    ["data.normalize=minmax", "data.normalize=none", "train.dtype=float64", "data.fold=1", "data.split_seed=7",
     "data.autoencode=true", "data.valid_fraction=0.4"],
)  # fmt: skip
def test_rows_are_those_that_a_run_would_read_itself(folder, differs):
    overrides = ["data.folds=3", "data.fold=0"] if "fold=" in differs else []
    at_hand, other = RowsAtHand(), RowsAtHand()
    for more in ([], [differs], []):
        for store in (at_hand, other):
            kept = problem(folder, store, *overrides, *more).resident
            assert equal(kept, problem(folder, None, *overrides, *more).resident)
    at_hand.close()
    other.close()
    assert list((folder / "shm").iterdir()) == []


def test_the_next_run_reads_nothing(folder, monkeypatch):
    at_hand, other = RowsAtHand(), RowsAtHand()
    first = problem(folder, at_hand).resident
    read = []
    monkeypatch.setattr("ddp_mlp.training.inputs.rows_at_hand.fill_rows", lambda *_: read.append(1))
    assert problem(folder, at_hand, "model.hidden=[9]", "train.seed=4").resident is first
    assert equal(problem(folder, other, "optimizer.name=sgd").resident, first)
    assert read == []


def test_a_changed_file_is_read_again(folder):
    at_hand = RowsAtHand()
    first = problem(folder, at_hand).resident.features.copy()
    (folder / "moons.h5").unlink()
    assert ddp_mlp("data", "make", "moons", "--samples", "90", "--seed", "5", "--out", "moons.h5", cwd=folder).code == 0
    assert (problem(folder, at_hand).resident.features != first).any()


def test_rows_that_are_no_numbers_are_refused_each_time(folder, monkeypatch):
    def bad(*_):
        raise DataError("row 3 is not finite")

    monkeypatch.setattr("ddp_mlp.training.inputs.rows_at_hand.fill_rows", bad)
    for _ in range(2):
        with pytest.raises(DataError):
            problem(folder, RowsAtHand())
    monkeypatch.undo()
    assert resident.fill_rows
