"""The file of results, read as somebody does who has nothing but HDF5."""

from __future__ import annotations

import csv
import math

import h5py
import numpy as np
import pytest

from ddp_mlp.errors import OutputError
from ddp_mlp.study import results
from ddp_mlp.study.results import Bookkeeper, write_results
from tests.runs import ddp_mlp

CONFIG = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [6]\n[train]\nepochs = 2\n'


def texts(dataset):
    return [value.decode() for value in dataset[:]]


@pytest.mark.parametrize("at_once", ["1", "2"])
def test_all_trials_are_in_one_file(tmp_path, at_once):
    assert ddp_mlp("data", "make", "moons", "--samples", "60", "--out", "moons.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text(CONFIG)
    tries = ["--try", "optimizer.learning_rate=[1e30, 0.1]", "--try", "model.activation=[relu, tanh]"]
    found = ddp_mlp("search", "c.toml", *tries, "--set", "loss.name=mse", "--parallel", at_once, "--out", "s", "--json",
                    cwd=tmp_path).result  # fmt: skip
    trials = {trial["name"]: trial for trial in found["trials"]}
    with h5py.File(tmp_path / "s" / "study.h5") as file:
        assert dict(file.attrs) == {"format": "ddp-mlp-study", "format_version": 1}
        names = texts(file["name"])
        assert names == sorted(trials)
        assert texts(file["status"]) == [trials[name]["status"] for name in names]
        assert texts(file["model_sha256"]) == [trials[name].get("model_sha256", "") for name in names]
        for key in ("optimizer.learning_rate", "model.activation"):
            assert texts(file[f"parameters/{key}"]) == [trials[name]["parameters"][key] for name in names]
        losses = [trials[name].get("best_valid_loss", math.nan) for name in names]
        np.testing.assert_array_equal(file["results/best_valid_loss"][:], losses)
    with (tmp_path / "s" / "trials.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [trial["name"] for trial in found["trials"]]


def test_a_study_of_no_trial_yet_has_a_file_too(tmp_path):
    write_results(tmp_path / "study.h5", [])
    with h5py.File(tmp_path / "study.h5") as file:
        assert file["name"].shape == (0,)


def test_many_results_are_written_now_and_then_and_the_last_ones_at_the_end(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(results, "write_results", lambda path, summaries: written.append(len(summaries)))
    books = Bookkeeper(tmp_path, lambda summaries: None)
    summaries = []
    for number in range(50):
        summaries.append({"name": f"t-{number}", "parameters": {}})
        books([*summaries])
    assert len(written) < 50
    books.catch_up()
    books.catch_up()
    assert (written[0], written[-1], written.count(50)) == (1, 50, 1)


def test_results_that_cannot_be_written_are_an_error(tmp_path):
    def full(_):
        raise OutputError("no room")

    with pytest.raises(OutputError):
        Bookkeeper(tmp_path, full)([])
