from __future__ import annotations

import csv
import json
import math

import h5py
import numpy as np
import pytest

from ddp_mlp.core.sampling import fold_ids
from ddp_mlp.run.run import Run
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
    status = folder / "folds/fold-0/status.json"
    before = status.read_bytes()
    other = ["--set", "optimizer.learning_rate=0.3"]
    refused = ddp_mlp("cross-validate", "c.toml", "--folds", "3", *other, "--out", "folds", "--resume", cwd=folder)
    assert refused.code == 78, refused.err
    assert status.read_bytes() == before  # a start that is refused takes no result away


@pytest.mark.mpi
def test_the_trials_of_a_search_have_the_same_bits_on_two_ranks(folder):
    tries = ["--try", "optimizer.learning_rate=[0.5, 0.01]", "--try", "model.hidden=[[3], []]"]
    alone = ddp_mlp("search", "c.toml", *tries, "--out", "one", "--json", cwd=folder).result
    two = ddp_mlp("search", "c.toml", *tries, "--out", "two", "--json", cwd=folder, ranks=2).result
    assert [t["weights_sha256"] for t in two["trials"]] == [t["weights_sha256"] for t in alone["trials"]]
    losses = [t["best_valid_loss"] for t in alone["trials"]]
    assert losses == sorted(losses)
    with (folder / "one" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [t["name"] for t in alone["trials"]]
    assert {(row["optimizer.learning_rate"], row["model.hidden"]) for row in rows} == {
        (rate, hidden) for rate in ("0.5", "0.01") for hidden in ("[3]", "[]")
    }


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


def test_the_table_has_a_column_for_each_key_and_the_best_epoch_ranks(folder):
    more = ["--set=train.epochs=30", "--set=train.global_batch_size=4", "--set=train.early_stopping_patience=0"]
    tries = ["--try", "optimizer.learning_rate=[0.5, 3.0]", "--try", "optimizer.name=[sgd, adam]"]
    shown = ddp_mlp("search", "c.toml", *tries, *more, "--out", "table", cwd=folder)
    assert shown.code == 0, shown.err
    head, *lines = shown.out.splitlines()
    assert head.split() == [
        "trial",
        "optimizer.learning_rate",
        "optimizer.name",
        "valid_loss",
        "best_epoch",
        "valid_accuracy",
    ]
    assert lines[0].split()[1:3] in (["0.5", "sgd"], ["3", "sgd"])
    found = ddp_mlp("search", "c.toml", *tries, *more, "--out", "table", "--resume", "--json", cwd=folder).result
    assert found["ranked_by"] == "best_valid_loss"
    best = [trial["best_valid_loss"] for trial in found["trials"]]
    assert best == sorted(best)
    assert any(trial["best_valid_loss"] < trial["valid_loss"] for trial in found["trials"]), "the last epoch is not it"
    assert lines[-1].endswith(found["best"]["run_dir"])


def test_folds_within_a_search(folder):
    tries = ["--try", "model.hidden=[3], [4]", "--folds", "2", "--set", "data.valid_fraction=0.2"]
    found = ddp_mlp("search", "c.toml", *tries, "--out", "folded", "--json", cwd=folder).result
    best = found["best"]
    assert [fold["name"] for fold in best["folds"]] == ["fold-0", "fold-1"]
    assert best["best_valid_loss"] == pytest.approx(sum(fold["best_valid_loss"] for fold in best["folds"]) / 2)
    alone = ddp_mlp(
        "cross-validate", "c.toml", "--folds", "2", "--set", f"model.hidden={best['parameters']['model.hidden']}",
        "--out", "alone", "--json", cwd=folder,
    ).result  # fmt: skip
    assert [fold["weights_sha256"] for fold in best["folds"]] == [run["weights_sha256"] for run in alone["runs"]]


def test_a_fraction_that_validates_gives_way_to_the_folds(folder):
    (folder / "readme.toml").write_text(CONFIG.replace("[model]", "valid_fraction = 0.1\n[model]"))
    done = ddp_mlp("cross-validate", "readme.toml", "--folds", "2", "--json", cwd=folder)
    assert done.result["folds_done"] == 2
    assert "directory of the runs: runs/readme-folds" in done.err
    again = ddp_mlp("cross-validate", "readme.toml", "--folds", "2", cwd=folder)
    assert "directory of the runs: runs/readme-folds-2" in again.err
    taken = ddp_mlp("cross-validate", "readme.toml", "--folds", "2", "--out", "runs/readme-folds", cwd=folder)
    assert (taken.code, len(taken.error_lines)) == (2, 1)
    own = ddp_mlp("cross-validate", "readme.toml", "--set", "data.valid=v.h5", cwd=folder)
    assert "--set data.valid=none" in own.error_lines[0]


def test_trials_that_fail_say_why_and_do_not_win(folder):
    tries = ["--try", "optimizer.learning_rate=[1e30, 0.1]", "--set", "loss.name=mse"]
    some = ddp_mlp("search", "c.toml", *tries, "--out", "some", "--json", cwd=folder)
    assert [trial["status"] for trial in some.result["trials"]] == ["finished", "failed"]
    assert "non-finite" in some.result["trials"][1]["reason"]
    assert "warning: 1 of 2 trials failed" in some.err
    none = ddp_mlp("search", "c.toml", *tries[2:], "--try", "optimizer.learning_rate=[1e30]", "--out", "no", cwd=folder)
    assert (none.code, len(none.error_lines), none.out) == (79, 1, "")
    wide = ddp_mlp("cross-validate", "c.toml", "--folds", "70", "--out", "wide", cwd=folder)
    assert (wide.code, len(wide.error_lines)) == (65, 1)
    assert "60 training samples cannot make 70 folds" in wide.error_lines[0]
    assert not (folder / "wide").exists()


@pytest.mark.mpi
def test_trials_that_fail_fail_on_all_ranks(folder):
    tries = ["--try", "optimizer.learning_rate=[1e30, 0.1]", "--set", "loss.name=mse"]
    some = ddp_mlp("search", "c.toml", *tries, "--out", "some2", "--json", cwd=folder, ranks=2)
    assert [trial["status"] for trial in some.result["trials"]] == ["finished", "failed"]
    none = ddp_mlp("search", "c.toml", *tries[2:], "--try", "optimizer.learning_rate=[1e30]", cwd=folder, ranks=2)
    assert (none.code, len(none.error_lines), none.out) == (79, 1, "")


def test_trials_of_different_losses_are_ranked_by_accuracy(folder):
    tries = ["--try", "loss.name=[mse, binary_cross_entropy, hinge]", "--out", "losses", "--json"]
    found = ddp_mlp("search", "c.toml", *tries, cwd=folder).result
    assert found["ranked_by"] == "best_valid_accuracy"
    accuracies = [trial["best_valid_accuracy"] for trial in found["trials"]]
    assert accuracies == sorted(accuracies, reverse=True)
    blind = ddp_mlp("search", "c.toml", *tries[:2], "--set", "data.valid_fraction=0", "--out", "blind", cwd=folder)
    assert (blind.code, len(blind.error_lines)) == (2, 1)


def test_a_stop_ends_the_study_at_once(folder, monkeypatch):
    """As at a signal in the first run, and at one between two runs."""
    from ddp_mlp.study import trials

    monkeypatch.setattr(trials, "pending_stop", iter(["", "SIGTERM"]).__next__)
    stopped = ddp_mlp("search", "c.toml", "--try", "train.seed=[1, 2, 3]", "--out", "stop", "--json", cwd=folder)
    assert stopped.code == 75
    assert json.loads(stopped.out)["status"] == "stopped"
    assert "1 of 3 trials are over; go on with the same command and --resume --out stop" in stopped.err
    assert not (folder / "stop" / "trial-002").exists()
    monkeypatch.setattr(trials, "pending_stop", lambda: "SIGTERM")
    folds = ddp_mlp("cross-validate", "c.toml", "--folds", "2", "--out", "stop2", cwd=folder)
    assert (folds.code, folds.out) == (75, "")
    monkeypatch.undo()
    went_on = ddp_mlp(
        "search", "c.toml", "--try", "train.seed=[1, 2, 3]", "--out", "stop", "--resume", "--json", cwd=folder
    )
    assert len(went_on.result["trials"]) == 3


@pytest.mark.parametrize(
    "command", [("search", "c.toml", "--try", "train.seed=[1, 2, 3]"), ("cross-validate", "c.toml", "--folds", "3")]
)
def test_a_stop_that_comes_when_a_run_is_over_ends_the_study(folder, tmp_path, monkeypatch, command):
    """Its last step is taken, and its signals are still listened to."""
    execute = Run.execute

    def asked_late(run, listen):
        summary = execute(run, listen)
        run.stop.ask("SIGTERM")
        return summary

    monkeypatch.setattr(Run, "execute", asked_late)
    stopped = ddp_mlp(*command, "--out", tmp_path / "study", cwd=folder)
    assert stopped.code == 75, stopped.err
    assert "stopped by SIGTERM before" in stopped.err
    assert len([*tmp_path.glob("study/*/model.h5")]) == 1


def test_a_fold_whose_validation_is_never_finite_has_failed(folder):
    x = np.random.default_rng(0).normal(size=(60, 3))
    with h5py.File(folder / "far.h5", "w") as file:
        file["X"], file["y"] = x, np.where(np.arange(60) == 3, 1e30, x[:, 0])
    far = ["--set", "data.train=far.h5", "--folds", "3"]
    done = ddp_mlp("cross-validate", "c.toml", *far, "--out", "far", "--json", cwd=folder)
    failed = [run for run in done.result["runs"] if run["status"] == "failed"]
    assert [run["exit_code"] for run in failed] == [79]
    assert f"warning: {failed[0]['name']} failed: the validation loss was non-finite after each of 2 epochs" in done.err
    assert math.isfinite(done.result["metrics"]["valid_loss"]["mean"])


@pytest.mark.parametrize("folds", [(), ("--folds", "2")])
def test_a_search_records_what_ranks_its_trials_and_its_report_ranks_by_it(folder, folds):
    out = f"auc{len(folds)}"
    given = ["c.toml", "--try", "optimizer.learning_rate=[0.3, 1e-3, 0.02]", *folds, "--out", out]
    done = ddp_mlp("search", *given, "--metric", "roc_auc", "--json", cwd=folder).result
    assert json.loads((folder / out / "study.json").read_text())["metric"] == "roc_auc"
    listed = ddp_mlp("runs", out, "--json", cwd=folder).result
    assert listed["ranked_by"] == "valid_roc_auc"
    told = {line["run"]: line["valid_roc_auc"] for line in listed["runs"]}
    assert listed["runs"][0]["valid_roc_auc"] == max(told.values())
    for trial in done["trials"]:
        own = [value for run, value in told.items() if run.split("/")[0] == trial["name"]]
        assert sum(own) / len(own) == pytest.approx(trial["best_valid_roc_auc"], rel=1e-12)
    if not folds:
        taken = ddp_mlp("ensemble", out, "--best", "2", "--out", f"{out}-best", "--json", cwd=folder).result
        assert taken["origins"] == [trial["name"] for trial in done["trials"][:2]]
        assert taken["ranked_by"] == "best_valid_roc_auc"
    again = ddp_mlp("search", *given, "--metric", "accuracy", "--resume", "--json", cwd=folder).result
    assert again["ranked_by"] == "best_valid_accuracy"
    assert ddp_mlp("runs", out, "--json", cwd=folder).result["ranked_by"] == "valid_accuracy"


@pytest.mark.mpi
def test_groups_of_ranks_that_run_trials_side_by_side_record_what_they_measure(folder):
    given = ["c.toml", "--try", "optimizer.learning_rate=[0.3, 1e-3, 0.02]", "--parallel", "2", "--out", "beside"]
    done = ddp_mlp("search", *given, "--metric", "macro_f1", "--json", cwd=folder, ranks=2).result
    listed = ddp_mlp("runs", "beside", "--json", cwd=folder).result["runs"]
    own = {line["run"]: line["valid_macro_f1"] for line in listed}
    assert own == {trial["name"]: trial["best_valid_macro_f1"] for trial in done["trials"]}
