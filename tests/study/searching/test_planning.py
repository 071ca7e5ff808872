"""Whole searches: bits on ranks and threads, metrics of one's choice, the best on all rows, and mistakes of users."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from functools import partial

import h5py
import numpy as np
import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.errors import UsageError
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.place import held
from ddp_mlp.study.samplers.choosing import Wish
from ddp_mlp.study.searching.planning import plan_search
from ddp_mlp.training.problem import ignore
from tests.runs import ddp_mlp

CONFIG = (
    '[data]\ntrain = "d.h5"\n[model]\nhidden = [6]\n[train]\nepochs = 4\nglobal_batch_size = 16\nmicro_batches = 4\n'
)
RATES = ["--try", "optimizer.learning_rate=1e-3..0.3"]
BITS = ("name", "values", "status", "weights_sha256", "model_sha256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("searches")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(90, 3))
    with h5py.File(path / "d.h5", "w") as file:
        file["X"], file["y"] = x, (x[:, 0] + 0.3 * rng.normal(size=90) > 0.4).astype(int)
        file["site"] = np.arange(90) % 9
    with h5py.File(path / "r.h5", "w") as file:
        for split, rows in (("train", slice(0, 60)), ("valid", slice(60, 90))):
            file[f"{split}/X"], file[f"{split}/y"] = x[rows], x[rows, 0] ** 2
    (path / "c.toml").write_text(CONFIG)
    (path / "r.toml").write_text(CONFIG.replace("d.h5", "r.h5"))
    return path


def search(folder, out, *options, config="c.toml", **how):
    command = ["search", config, *options, "--parallel", "1", "--json", "--out", out]
    return ddp_mlp(*command, cwd=folder, **how)


def bits(result):
    trials = [run for trial in result["trials"] for run in trial.get("folds", [trial])]
    return [[run.get(name) for name in BITS] for run in [*trials, *result.get("top", [])]]


KINDS = {
    "random": [*RATES, "--trials", "3", "--top", "1"],
    "tpe": [*RATES, "--sampler", "tpe", "--trials", "13", "--set", "train.epochs=1"],
    "halving": [*RATES, "--trials", "4", "--halving", "--eta", "2"],
    "folds": [*RATES, "--trials", "2", "--folds", "2", "--group-by", "site", "--metric", "macro_f1"],
}


@pytest.mark.mpi
def test_trials_have_the_same_bits_on_ranks_and_threads(folder):
    for number, (kind, options) in enumerate(KINDS.items()):
        alone, ranks = search(folder, kind, *options).result, 2 + number % 2
        assert bits(search(folder, f"{kind}-{ranks}", *options, ranks=ranks).result) == bits(alone), kind
        assert bits(search(folder, f"{kind}-threads", *options, "--threads-per-rank", "2").result) == bits(alone), kind


def test_every_trial_has_the_bits_of_its_solo_run(folder):
    for kind, options in KINDS.items():
        result = search(folder, f"{kind}-s", *options).result
        sets = [options[i + 1] for i, option in enumerate(options) if option == "--set"]
        runs = []
        for trial in result["trials"]:
            folds = trial.get("folds", [])
            own = [*trial["values"], *sets, *(["data.group_by=site"] if folds else [])]
            runs += [(fold, [*own, "data.folds=2", f"data.fold={n}"]) for n, fold in enumerate(folds)] or [(trial, own)]
        runs += [(run, run["values"]) for run in result.get("top", [])]
        for number, (run, assignments) in enumerate(runs):
            given = [part for text in assignments for part in ("--set", text)]
            alone = ddp_mlp("train", "c.toml", *given, "--out", f"{kind}-solo{number}", "--json", cwd=folder).result
            if run["status"] == "finished":
                assert run["model_sha256"] == alone["model_sha256"], (kind, assignments)
                assert run["weights_sha256"] == alone["weights_sha256"]


def test_tpe_gives_the_same_trials_again_and_after_a_stop(folder, monkeypatch):
    from ddp_mlp.study import trials

    first = search(folder, "t1", *KINDS["tpe"]).result
    assert bits(search(folder, "t2", *KINDS["tpe"]).result) == bits(first)
    calls = iter([""] * 11 + ["SIGTERM"] * 9)
    monkeypatch.setattr(trials, "pending_stop", calls.__next__)
    assert search(folder, "t3", *KINDS["tpe"]).code == 75
    monkeypatch.undo()
    assert bits(search(folder, "t3", *KINDS["tpe"], "--resume").result) == bits(first)
    monkeypatch.setitem(sys.modules, "optuna", None)
    without = search(folder, "t4", *KINDS["tpe"])
    assert (without.code, len(without.error_lines)) == (2, 1)
    assert "pip install 'ddp-mlp[search]'" in without.error_lines[0]


def test_any_metric_of_the_task_ranks_and_is_that_of_evaluate(folder):
    for config, data, metric, higher in (("c.toml", "d.h5", "roc_auc", True), ("r.toml", "r.h5", "mae", False)):
        result = search(folder, metric, *RATES, "--trials", "4", "--metric", metric, config=config).result
        values = [trial[f"best_valid_{metric}"] for trial in result["trials"]]
        assert values == sorted(values, reverse=higher)
        best = result["best"]["run_dir"]
        measured = ddp_mlp("evaluate", best, data, "--split", "valid", "--json", cwd=folder).result
        assert measured[metric] == values[0]


def test_the_best_are_trained_on_all_rows_for_as_long_as_their_best_was(folder):
    result = search(folder, "top", *RATES, "--trials", "3", "--top", "2", config="r.toml").result
    assert [run["of"] for run in result["top"]] == [trial["name"] for trial in result["trials"][:2]]
    for place, (run, trial) in enumerate(zip(result["top"], result["trials"], strict=False), 1):
        assert run["status"] == "finished"
        assert run["epochs"] == trial["best_epoch"]
        assert run["understood"]["train_rows" if "train_rows" in run["understood"] else "rows"] is not None
        with h5py.File(folder / "r.h5") as file:
            every = np.concatenate([file["train/X"][:], file["valid/X"][:]])
        from ddp_mlp.checkpoint.model import load_model

        model = load_model(folder / "top" / f"top-{place}")
        np.testing.assert_array_equal(model.normalization.low, every.min(axis=0))
        np.testing.assert_array_equal(model.normalization.high, every.max(axis=0))
    answers = ddp_mlp("predict", "top/top-1", "r.h5", "--split", "train", "--out", "a.csv", cwd=folder)
    assert answers.code == 0
    assert "all of these 60 rows trained the model" in answers.err
    asked = ddp_mlp("evaluate", "top/top-1", "r.h5", "--split", "valid", cwd=folder)
    assert "trained the model" in asked.err, "rows that it was trained on are not taken for others"
    again = search(folder, "top", *RATES, "--trials", "9", "--top", "1", "--resume", config="r.toml")
    more = again.result
    assert [run["of"] for run in more["top"]] == [trial["name"] for trial in more["trials"][:1]]
    assert more["top"] != result["top"][:1], "better ones take their place"
    assert more["trials"][1]["name"] != result["top"][1]["of"], "or the next line tests nothing"
    assert not (folder / "top" / "top-2").exists()
    assert "top-2 of an earlier start is removed" in again.err
    best = ddp_mlp("ensemble", "top", "--best", "2", "--out", "both", cwd=folder)
    assert best.code == 0, best.err


def test_a_model_of_all_rows_is_that_of_its_last_epoch_though_another_had_a_lower_loss(folder):
    rate = "optimizer.learning_rate=0.8"
    sets = ["--set", "data.all_rows=true", "--set", "train.epochs=20", "--set", rate]
    run = ddp_mlp("train", "r.toml", *sets, "--set", "train.early_stopping_patience=0", "--out", "last", "--json",
                  cwd=folder)  # fmt: skip
    with (folder / "last/metrics.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert min(losses) < losses[-1], "or this tests nothing"
    assert (run.result["best_epoch"], run.result["model_sha256"]) == (20, run.result["weights_sha256"])
    assert "more [train] epochs" not in run.err


def test_groups_do_not_matter_where_all_rows_train(folder):
    with h5py.File(folder / "r.h5") as file, h5py.File(folder / "g.h5", "w") as grouped:
        file.copy("train", grouped)
        file.copy("valid", grouped)
        grouped["train/site"] = np.arange(60) % 6
    options = [*RATES, "--trials", "2", "--folds", "2", "--group-by", "site", "--top", "1", "--set", "data.train=g.h5"]
    result = search(folder, "grouped", *options, config="r.toml").result
    assert result["top"][0]["status"] == "finished"
    again = search(folder, "grouped", *options, "--resume", config="r.toml").result
    assert bits(again) == bits(result)


WRONG = [
    (["--try", "optimizer.learning_rat=[0.1]"], 2, "did you mean 'learning_rate'"),
    (["--try", "optimiser.learning_rate=[0.1]"], 2, "unknown section"),
    (["--try", "train.epochs=[1, a]"], 2, "[train] epochs = 'a'"),
    (["--try", "train.epochs=[1.5]"], 2, "whole number"),
    (["--try", "model.dropout=0..1.5", "--trials", "9"], 2, "[model] dropout = 1.5"),
    (["--try", "model.dropout=0..1.5", "--trials", "9", "--sampler", "tpe"], 2, "[model] dropout = 1.5"),
    (["--try", "optimizer.name=1..2", "--trials", "2"], 2, "[optimizer] name = 1"),
    (["--try", "model.dropout=0.5..0.1", "--trials", "2"], 2, "LOW < HIGH"),
    (["--try", "model.dropout=0.5..0.5", "--trials", "2"], 2, "LOW < HIGH"),
    (["--try", "train.isa=[native, haswell]"], 2, "search for each with --set"),
    (["--try", "model.dropout=[]"], 2, "give KEY=[VALUE, ...]"),
    (["--try", "optimizer.name=[adam, sgd]", "--try", "optimizer.momentum=[0.9] if optimizer.name=sgd"], 2, "momentum"),
    (["--try", "optimizer.momentum=[0.9] if optimizer.name=momentum"], 2, "optimizer.name is not tried"),
    ([*RATES, "--sampler", "grid"], 2, "--trials N"),
    ([*RATES, "--sampler", "tpe"], 2, "--trials N"),
    (["--try", "train.seed=[1]", "--sampler", "grid", "--trials", "3"], 2, "a grid has as many trials"),
    (["--try", "loss.name=[mse, hinge]", "--sampler", "tpe", "--trials", "3"], 2, "measured differently"),
    ([*RATES, "--trials", "2", "--metric", "rmse"], 2, "--metric rmse is for regression, but the data set is binary"),
    ([*RATES, "--trials", "2", "--metric", "mae"], 2, "it has loss, accuracy, macro_f1, roc_auc"),
    ([*RATES, "--trials", "2", "--metric", "roc_auc", "--set", "data.valid_fraction=0"], 2, "none do"),
    ([*RATES, "--trials", "2", "--metric", "roc_auc", "--folds", "9", "--by-time", "y"], 65, "different times"),
    (
        [*RATES, "--trials", "2", "--metric", "roc_auc", "--folds", "30", "--set", "data.stratify=false"],
        2,
        "of one; take",
    ),
    ([*RATES, "--trials", "2", "--eta", "2"], 2, "--eta is of successive halving"),
    ([*RATES, "--trials", "2", "--folds", "10", "--group-by", "site"], 65, "9 groups cannot make 10 folds"),
    ([*RATES, "--trials", "2", "--folds", "91"], 65, "90 training samples cannot make 91 folds"),
    ([*RATES, "--trials", "2", "--folds", "60"], 65, "too few for each of 60 folds"),
    ([*RATES, "--trials", "2", "--folds", "2", "--by-time", "y2"], 65, "no column 'y2'"),
    ([*RATES, "--trials", "2", "--folds", "2", "--by-time", "site", "--group-by", "site"], 2, "parted by one rule"),
    ([*RATES, "--trials", "2", "--set", "data.train=none.h5"], 66, "none.h5"),
]


@pytest.mark.parametrize(("options", "code", "words"), WRONG, ids=[f"{i}" for i in range(len(WRONG))])
def test_mistakes_end_a_search_before_it_begins(folder, options, code, words):
    done = search(folder, "wrong", *options)
    assert done.code == code, done.err
    assert len(done.error_lines) == 1
    assert words in done.error_lines[0]
    assert not (folder / "wrong").exists()


def test_it_is_said_where_trials_are_not_validated_by_the_same_rows(folder, monkeypatch):
    monkeypatch.chdir(folder)
    said = {"data.split_seed=[0, 1]": True, "data.valid_fraction=0.1..0.3": True, 'data.train=["d.h5", "e.h5"]': True}
    said |= {"data.normalize=[none, standard]": False, "optimizer.learning_rate=[0.1, 0.2]": False}
    said |= {"data.weights=[none, auto]": False}
    shutil.copy(folder / "d.h5", folder / "e.h5")
    for key, is_said in said.items():
        for folds in (0, 2) if "fraction" not in key else (0,):
            told, alone = [], SingleProcess()
            wish = Wish((key,), None, 2 if ".." in key else None, 0, None)
            plan_search(wish, None, Configurations(folder / "c.toml", (), alone), folds, alone, told.append)
            assert any("other rows validate" in line for line in told) == is_said, (key, folds)


NO_ORDER = [
    ("c.toml", "data.valid_fraction=[0, 0.2]", Wish),
    ("c.toml", "data.all_rows=[true, false]", Wish),
    ("c.toml", "loss.name=[mse, hinge]", partial(Wish, metric="loss")),
    ("c.toml", "model.output=[sigmoid, linear]", partial(Wish, kind="tpe", n_trials=2)),
    ("v.toml", "data.split_seed=[0, 1]", partial(Wish, metric="loss")),
    ("all.toml", "data.weights=[none, auto]", Wish),
]


@pytest.mark.parametrize(("config", "tried", "wish"), NO_ORDER, ids=[tried for _, tried, _ in NO_ORDER])
def test_trials_that_would_have_no_order_are_refused_before_one_is_trained(folder, config, tried, wish):
    with h5py.File(folder / "r.h5") as whole, h5py.File(folder / "v.h5", "w") as file:
        whole.copy("train", file)
        file["train/weights"] = np.arange(1.0, 61)
    (folder / "v.toml").write_text(CONFIG.replace("d.h5", "v.h5"))
    (folder / "all.toml").write_text(CONFIG.replace("d.h5", "v.h5").replace("[model]", "valid_fraction = 0\n[model]"))
    configure = Configurations(folder / config, (), SingleProcess())
    with pytest.raises(UsageError, match="measured differently"):
        plan_search(wish((tried,)), None, configure, 0, SingleProcess(), ignore)


def test_a_directory_is_held_before_anything_is_written_into_it(folder):
    with held(folder / "held", SingleProcess(), ignore, resume=False):
        other = search(folder, "held", *RATES, "--trials", "2")
        assert (other.code, len(other.error_lines)) == (73, 1)
        assert "in use by" in other.error_lines[0]
        assert [path.name for path in (folder / "held").iterdir()] == [".lock"]


def test_another_search_does_not_go_on_in_a_directory(folder):
    assert search(folder, "mine", *RATES, "--trials", "2").code == 0
    more = search(folder, "mine", *RATES, "--trials", "3", "--resume")
    assert len(more.result["trials"]) == 3, "more draws of the same search go on"
    for options in (
        ["--try", "optimizer.learning_rate=1e-3..0.2", "--trials", "2"], [*RATES, "--trials", "2", "--seed", "1"],
        [*RATES, "--trials", "2", "--sampler", "tpe"], [*RATES, "--trials", "2", "--folds", "2"],
        [*RATES, "--trials", "4", "--halving", "--eta", "2"],
    ):  # fmt: skip
        other = search(folder, "mine", *options, "--resume")
        assert other.code == 78, other.err
        assert len(other.error_lines) == 1
        assert "is the directory of another search" in other.error_lines[0]
    crossed = ddp_mlp("cross-validate", "c.toml", "--out", "mine", "--resume", cwd=folder)
    assert (crossed.code, len(crossed.error_lines)) == (78, 1)


def test_a_search_says_when_all_combinations_are_tried(folder):
    tries = ["--try", "train.seed=1..3 linear", "--try", "model.dropout=[0, 0.1] if train.seed=1"]
    refused = search(folder, "few", *tries, "--trials", "9")
    assert "drawn from a range" in refused.error_lines[0]
    done = search(folder, "few", "--try", "train.seed=1..3 linear", "--trials", "9", "--set", "train.epochs=1")
    assert "these keys have only 3 combinations of values: as many trials, not 9" in done.err
    assert len({json.dumps(trial["values"]) for trial in done.result["trials"]}) == 3
