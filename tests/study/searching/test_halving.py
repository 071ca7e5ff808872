"""Successive halving: the rule, the bits of what goes on and of what does not, and a study that goes on."""

from __future__ import annotations

import csv
import json

import h5py
import pytest

from ddp_mlp.errors import UsageError
from ddp_mlp.study.searching import halving
from ddp_mlp.study.searching.halving import halving_of
from tests.runs import ddp_mlp

CONFIG = (
    '[data]\ntrain = "moons.h5"\n[model]\nhidden = [6]\n[schedule]\nname = "cosine"\n'
    "[train]\nepochs = 9\nglobal_batch_size = 16\nmicro_batches = 4\n"
)
TRIES = ["--try", "optimizer.learning_rate=[1e-5, 3e-2, 1e-4, 1e-2, 3e-5, 1e-3, 2e-5, 4e-5, 3e-3]"]


@pytest.fixture
def folder(tmp_path):
    assert ddp_mlp("data", "make", "moons", "--samples", "80", "--out", "moons.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def search(folder, out, *more, **environment):
    options = ["--halving", "--parallel", "1", "--json", "--out", out, *more]
    return ddp_mlp("search", "c.toml", *TRIES, *options, cwd=folder, **environment)


def solo(folder, name, trial, *more):
    sets = [part for text in trial["values"] for part in ("--set", text)]
    return ddp_mlp("train", "c.toml", *sets, *more, "--out", name, "--json", cwd=folder)


def test_the_rule_is_known_before_anything_is_trained():
    rule = halving_of(27, [200] * 27, 3, None)
    assert rule.rungs == (8, 23, 67)
    assert [rule.survivors(n) for n in (27, 9, 3, 1)] == [9, 3, 1, 1]
    assert "9 go on after 8, 3 go on after 23, 1 goes on after 67" in rule.line()
    assert halving_of(27, [200] * 27, 3, 20).rungs == (23, 67)
    assert halving_of(1000, [5] * 1000, 2, None).rungs == (1, 2, 3)
    for n_trials, epochs, eta, least in (
        (1, [9], 3, None),
        (2, [9, 9], 3, None),
        (9, [1] * 9, 3, None),
        (9, [9] * 9, 3, 9),
    ):
        with pytest.raises(UsageError, match="nothing to halve"):
            halving_of(n_trials, epochs, eta, least)
    with pytest.raises(UsageError, match=r"leave train\.epochs out"):
        halving_of(2, [5, 6], 2, None)


def test_what_goes_on_has_the_bits_of_its_solo_run_and_what_does_not_those_of_one_that_stopped(folder):
    done = search(folder, "h")
    assert "halving: 9 trials of 9 epochs begin" in done.err
    trials = {trial["name"]: trial for trial in done.result["trials"]}
    ends = sorted((trial["status"], trial["epochs"]) for trial in trials.values())
    assert ends == [("finished", 9), ("pruned", 1), ("pruned", 1), *[("pruned", 1)] * 4, ("pruned", 3), ("pruned", 3)]
    best = done.result["best"]
    assert best["status"] == "finished"
    whole = solo(folder, "solo", best).result
    assert (best["model_sha256"], best["weights_sha256"]) == (whole["model_sha256"], whole["weights_sha256"])
    for name, trial in trials.items():
        if trial["status"] == "pruned":
            solo(folder, f"s-{name}", trial)
            with (folder / f"s-{name}" / "hashes.csv").open() as file:
                hashes = {int(row["epoch"]): row["weights_sha256"] for row in csv.DictReader(file)}
            assert hashes[trial["epochs"]] == trial["weights_sha256"], "of the whole schedule, at that epoch"
            status = json.loads((folder / "h" / name / "status.json").read_text())
            assert (status["state"], status["exit_code"]) == ("paused", 0)
    with (folder / "h" / "trials.csv").open() as file:
        table = [(row["name"], row["status"]) for row in csv.DictReader(file)]
    assert table == [(trial["name"], trial["status"]) for trial in done.result["trials"]], "the last word is on disk"
    with h5py.File(folder / "h" / "study.h5") as file:
        table = list(zip(file["name"].asstr(), file["status"].asstr(), strict=True))
    assert table == [(name, trials[name]["status"]) for name in sorted(trials)], "of every trial, those that ended too"
    later = ddp_mlp("train", "h/trial-001/config.toml", "--resume", "--out", "h/trial-001", "--json", cwd=folder).result
    assert later["weights_sha256"] == solo(folder, "solo-1", trials["trial-001"]).result["weights_sha256"]


def test_a_study_that_is_interrupted_comes_to_the_same(folder, monkeypatch):
    whole = search(folder, "whole").result
    for stop_after in (3, 10, 12):
        calls = iter(range(10**6))
        from ddp_mlp.study import trials

        limit = stop_after
        monkeypatch.setattr(
            trials, "pending_stop", lambda calls=calls, limit=limit: "SIGTERM" if next(calls) >= limit else ""
        )
        assert search(folder, f"cut{stop_after}").code == 75
        monkeypatch.undo()
        again = search(folder, f"cut{stop_after}", "--resume").result
        facts = ("name", "status", "epochs", "weights_sha256", "model_sha256")
        assert [[t[f] for f in facts] for t in again["trials"]] == [[t[f] for f in facts] for t in whole["trials"]]


def test_rules_that_cannot_be_are_refused(folder):
    for more, reason in (
        (["--eta", "20"], "nothing to halve"),
        (["--sampler", "tpe", "--trials", "9"], "--halving goes with --sampler grid and random"),
        (["--metric", "roc_auc"], "is measured at the end only"),
        (["--try", "loss.name=[mse, hinge]"], "are measured differently"),
        (["--try", "train.epochs=[3, 9]"], "leave train.epochs out"),
    ):
        refused = search(folder, "none", *more)
        assert refused.code == 2, refused.err
        assert len(refused.error_lines) == 1
        assert reason in refused.error_lines[0]
        assert not (folder / "none").exists()


def test_folds_are_halved_together(folder):
    done = search(folder, "folds", "--folds", "2", "--set", "train.epochs=3")
    ends = sorted((trial["status"], len(trial["folds"])) for trial in done.result["trials"])
    assert ends == [("finished", 2), ("finished", 2), ("finished", 2), *[("pruned", 2)] * 6]
    best = done.result["best"]
    for fold, run in enumerate(best["folds"]):
        more = [
            "--set",
            "train.epochs=3",
            "--set",
            "data.stratify=true",
            "--set",
            "data.folds=2",
            "--set",
            f"data.fold={fold}",
        ]
        assert solo(folder, f"f{fold}", best, *more).result["model_sha256"] == run["model_sha256"]


def test_values_come_from_the_tables_of_runs(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,train_loss,valid_loss,valid_accuracy\n1,2,0.5,0.4,0.6\n2,4,0.4,0.5,0.9\n3,6,0.3,0.1,0.7\n"
    )
    summary = {"status": "paused", "run_dir": str(tmp_path)}
    assert halving.value_after(summary, 2, None) == 0.4
    assert halving.value_after(summary, 2, "accuracy") == 0.6, "of the best epoch, not the best of all"
    assert halving.value_after(summary, 3, "accuracy") == 0.7
    assert halving.value_after({**summary, "status": "failed"}, 3, None) is None
    assert halving.value_after({**summary, "run_dir": "none"}, 3, None) is None
