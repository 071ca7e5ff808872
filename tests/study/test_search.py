from __future__ import annotations

import csv
import json
import math

import pytest

from ddp_mlp.core.sampling import fold_ids
from tests.runs import ddp_mlp


def test_the_folds_part_the_rows():
    seen = []
    for fold in range(3):
        train, valid = fold_ids(10, fold, 3, seed=5)
        assert sorted([*train, *valid]) == list(range(10))
        assert len(valid) in (3, 4)
        seen += valid.tolist()
    assert sorted(seen) == list(range(10))


CONFIG = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [6]\n[train]\nepochs = 2\nmicro_batches = 2\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("search")
    assert ddp_mlp("data", "make", "moons", "--samples", "60", "--out", "moons.h5", cwd=path).code == 0
    (path / "c.toml").write_text(CONFIG)
    return path


def test_each_fold_is_a_run_and_the_spread_is_over_them(folder):
    done = ddp_mlp("cross-validate", "c.toml", "--folds", "3", "--out", "folds", "--json", cwd=folder).result
    losses = [run["valid_loss"] for run in done["runs"]]
    mean = sum(losses) / 3
    assert done["metrics"]["valid_loss"]["mean"] == pytest.approx(mean, rel=1e-12)
    deviation = math.sqrt(sum((loss - mean) ** 2 for loss in losses) / 2)
    assert done["metrics"]["valid_loss"]["std"] == pytest.approx(deviation, rel=1e-12)
    assert len({run["weights_sha256"] for run in done["runs"]}) == 3
    again = ddp_mlp(
        "cross-validate", "c.toml", "--folds", "3", "--out", "folds", "--resume", "--json", cwd=folder
    ).result
    assert [r["weights_sha256"] for r in again["runs"]] == [r["weights_sha256"] for r in done["runs"]]


@pytest.mark.mpi
def test_the_trials_of_a_search_have_the_same_bits_on_two_ranks(folder):
    tries = ["--try", "optimizer.learning_rate=[0.5, 0.01]", "--try", "model.hidden=[[3], []]"]
    alone = ddp_mlp("search", "c.toml", *tries, "--out", "one", "--json", cwd=folder).result
    two = ddp_mlp("search", "c.toml", *tries, "--out", "two", "--json", cwd=folder, ranks=2).result
    assert [t["weights_sha256"] for t in two["trials"]] == [t["weights_sha256"] for t in alone["trials"]]
    losses = [t["valid_loss"] for t in alone["trials"]]
    assert losses == sorted(losses)
    with (folder / "one" / "trials.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [t["name"] for t in alone["trials"]]


def test_an_impossible_value_ends_the_search_before_it_begins(folder):
    done = ddp_mlp("search", "c.toml", "--try", "optimizer.learning_rate=[0.1, -1.0]", "--out", "none", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1), done.err
    assert not (folder / "none").exists()


def test_a_fold_alone_is_configured_like_any_key(folder):
    wrong = ddp_mlp("train", "c.toml", "--set", "data.folds=3", "--set", "data.fold=3", cwd=folder)
    assert wrong.code == 2
    assert "it must be 0 to 2" in wrong.error_lines[0]
    alone = ddp_mlp(
        "train", "c.toml", "--set", "data.folds=3", "--set", "data.fold=1", "--out", "fold", "--json", cwd=folder
    ).result
    stored = json.loads((folder / "fold" / "status.json").read_text())
    assert stored["weights_sha256"] == alone["weights_sha256"]
