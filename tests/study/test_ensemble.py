"""Ensembles: members are runs, the mean is a mean, and nothing is ever averaged that should not be."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest
from pyarrow import parquet

from ddp_mlp.checkpoint.ensemble import Listed, load_ensemble, misfit, write_list
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.engine import evaluated_rows
from ddp_mlp.errors import DataError
from ddp_mlp.study.ensembles.best_runs import other_rows
from ddp_mlp.study.ensembles.members import ListKeeper, failure_of, same_members
from tests.runs import ddp_mlp, make_data

CONFIG = '[data]\ntrain = "{data}.h5"\n[model]\nhidden = [6]\n[train]\nepochs = {epochs}\nmicro_batches = 4\n'
K = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an ensemble of classifiers, and one of regressions of two targets."""
    path = tmp_path_factory.mktemp("ensemble")
    make_data(path, "spirals", 400)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    y = np.column_stack([np.sin(x[:, 0]) * 50 + 1000, x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=600)])
    with h5py.File(path / "two.h5", "w") as file:
        for name, rows in (("train", slice(0, 450)), ("test", slice(450, 600))):
            file[f"{name}/features"], file[f"{name}/targets"] = x[rows], y[rows]
            file[f"{name}/targets"].attrs["names"] = ["height", "width"]
    for name, data, epochs in (("c", "spirals", 8), ("r", "two", 4)):
        (path / f"{name}.toml").write_text(CONFIG.format(data=data, epochs=epochs))
        made = ddp_mlp("ensemble", f"{name}.toml", "--members", K, "--out", name, "--json", cwd=path)
        assert made.code == 0, made.err
        (path / f"{name}.json").write_text(made.out)
    return path


def copied(folder: Path, name: str, to: Path) -> Path:
    return Path(shutil.copytree(folder / name, to / name))


def outputs(folder: Path, model: str, data: str, split: str = "test") -> np.ndarray[Any, Any]:
    out = folder / "outputs.npy"
    done = ddp_mlp("predict", model, data, "--split", split, "--out", out, "--force", cwd=folder)
    assert done.code == 0, done.err
    return np.load(out)


@pytest.mark.mpi
def test_a_member_has_the_bits_of_its_solo_run_on_ranks_and_threads(folder: Path) -> None:
    known = json.loads((folder / "r.json").read_text())
    hashes = [run["model_sha256"] for run in known["runs"]]
    assert len(set(hashes)) == K
    for seed, expected in enumerate(hashes):
        alone = ddp_mlp("train", "r.toml", "--set", f"train.seed={seed}", "--out", f"solo-{seed}", "--json", cwd=folder)
        assert alone.result["model_sha256"] == expected
    for ranks, threads in ((1, 2), (2, 1), (3, 1)):
        out = f"r-{ranks}-{threads}"
        found = ddp_mlp("ensemble", "r.toml", "--members", K, "--out", out, "--json", cwd=folder, ranks=ranks,
                        threads=threads).result  # fmt: skip
        assert [run["model_sha256"] for run in found["runs"]] == hashes
        first, other = ((folder / name / "ensemble.json").read_bytes() for name in ("r", out))
        assert first == other


@pytest.mark.mpi
def test_answers_and_metrics_are_the_same_bits_on_any_ranks(folder: Path) -> None:
    for name, data in (("c", "spirals.h5"), ("r", "two.h5")):
        measured = ddp_mlp("evaluate", name, data, "--json", cwd=folder).out
        answers = outputs(folder, name, data)
        for ranks in (2, 3):
            assert ddp_mlp("evaluate", name, data, "--json", cwd=folder, ranks=ranks).out == measured
            done = ddp_mlp("predict", name, data, "--out", "ranks.npy", "--force", cwd=folder, ranks=ranks)
            assert done.code == 0, done.err
            assert (np.load(folder / "ranks.npy") == answers).all()


def test_quantities_are_a_mean_and_a_deviation_in_every_kind_of_file(folder: Path) -> None:
    members = np.stack([outputs(folder, f"r/member-{i + 1}", "two.h5") for i in range(K)])
    mean, std = members.mean(axis=0), members.std(axis=0, ddof=1)
    found = outputs(folder, "r", "two.h5")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.hstack([mean, std]), rtol=1e-12)
    for suffix in ("csv", "parquet", "h5"):
        done = ddp_mlp("predict", "r", "two.h5", "--out", f"a.{suffix}", "--with", "target", cwd=folder)
        assert done.code == 0, done.err
    names = ["height", "width", "std(height)", "std(width)"]
    with (folder / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (np.array([[float(row[name]) for name in names] for row in rows]) == found).all()
    table = parquet.read_table(folder / "a.parquet")
    assert (np.column_stack([table[name].to_numpy() for name in names]) == found).all()
    with h5py.File(folder / "a.h5") as file:
        assert (np.hstack([file["outputs"][:], file["std"][:]]) == found).all()


def test_classes_are_a_mean_probability_its_entropy_and_who_disagrees(folder: Path) -> None:
    members = np.stack([outputs(folder, f"c/member-{i + 1}", "spirals.h5") for i in range(K)]).astype(float)
    mean = members.mean(axis=0)
    entropy = -(mean * np.log(mean)).sum(axis=1)
    disagreement = (members.argmax(axis=2) != mean.argmax(axis=1)).mean(axis=0)
    assert disagreement.any()
    found = outputs(folder, "c", "spirals.h5")
    np.testing.assert_allclose(found, np.column_stack([mean, entropy, disagreement]), rtol=1e-12)
    done = ddp_mlp("predict", "c", "spirals.h5", "--out", "c.csv", cwd=folder)
    assert done.code == 0, done.err
    with (folder / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["class", "p(0)", "p(1)", "p(2)", "entropy", "disagreement"]
    assert [int(row["class"]) for row in rows] == mean.argmax(axis=1).tolist()


def test_the_metrics_of_quantities_are_those_of_a_naive_reference(folder: Path) -> None:
    found = ddp_mlp("evaluate", "r", "two.h5", "--json", cwd=folder).result
    answers = outputs(folder, "r", "two.h5")
    mean, std = answers[:, :2], answers[:, 2:]
    with h5py.File(folder / "two.h5") as file:
        y = file["test/targets"][:]
    error = mean - y
    assert found["n_members"] == K
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert found["spread"] == pytest.approx(np.sqrt((std**2).mean()), rel=1e-6)
    for k, each in enumerate(found["targets"]):
        assert each["target"] == ("height", "width")[k]
        assert each["within_1_std"] == pytest.approx((abs(error[:, k]) <= std[:, k]).mean())
        assert each["within_2_std"] == pytest.approx((abs(error[:, k]) <= 2 * std[:, k]).mean())
        expected = np.corrcoef(std[:, k], abs(error[:, k]))[0, 1]
        assert each["spread_error_correlation"] == pytest.approx(expected, rel=1e-5)
    alone = [ddp_mlp("evaluate", f"r/member-{i + 1}", "two.h5", "--json", cwd=folder).result for i in range(K)]
    for name in ("loss", "rmse", "mae", "r2"):
        assert found[f"member_{name}"] == pytest.approx(np.mean([each[name] for each in alone]), rel=1e-12)
        assert [each[name] for each in found["members"]] == [each[name] for each in alone]
    with h5py.File(folder / "r/member-1/model.h5") as file:
        scale = file["target_normalization/scale"][:]
    assert found["loss"] == pytest.approx(((error * scale) ** 2).sum(axis=1).mean() / 2, rel=1e-6)


def test_the_metrics_of_classes_are_those_of_a_naive_reference(folder: Path) -> None:
    found = ddp_mlp("evaluate", "c", "spirals.h5", "--top-k", "2", "--json", cwd=folder).result
    answers = outputs(folder, "c", "spirals.h5")
    p, disagreement = answers[:, :3], answers[:, 4]
    with h5py.File(folder / "spirals.h5") as file:
        y = file["test/targets"][:].astype(int)
    right, confidence = p.argmax(axis=1) == y, p.max(axis=1)
    assert found["accuracy"] == right.mean()
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-9)
    place = (confidence * 15).astype(int)
    ece = sum(abs((confidence[place == b] - right[place == b]).sum()) for b in range(16)) / len(y)
    assert found["calibration_error"] == pytest.approx(ece, rel=1e-9)
    assert found["disagreement"] == pytest.approx(disagreement.mean())
    assert found["agreed_accuracy"] == pytest.approx(right[disagreement == 0].mean())
    assert found["top_k_accuracy"] == pytest.approx((np.argsort(-p, axis=1)[:, :2] == y[:, None]).any(axis=1).mean())
    assert sum(map(sum, found["confusion"])) == len(y)
    assert sum(found["confusion"][i][i] for i in range(3)) == right.sum()


def test_the_command_ends_with_the_metrics_on_the_rows_that_validated(folder: Path) -> None:
    for name, data in (("c", "spirals.h5"), ("r", "two.h5")):
        told = json.loads((folder / f"{name}.json").read_text())["valid"]
        found = ddp_mlp("evaluate", name, data, "--split", "valid", "--json", cwd=folder).result
        assert found.pop("split") == "valid"
        assert told == found
    shutil.copy(folder / "two.h5", folder / "other.h5")
    more = ["--set", "data.valid=other.h5", "--set", "train.epochs=1"]
    done = ddp_mlp("ensemble", "r.toml", "--members", "2", *more, "--out", "beside", cwd=folder)
    assert done.code == 0, done.err
    assert "the mean of them, on the 450 rows that validated:" in done.out
    none = ["--set", "data.valid_fraction=0", "--set", "train.epochs=1", "--json"]
    assert ddp_mlp("ensemble", "r.toml", "--members", "2", *none, "--out", "all", cwd=folder).result["valid"] is None


def swap_member(path: Path) -> None:
    shutil.copy(path / "member-1" / "model.h5", path / "member-2" / "model.h5")


def flip_a_bit(path: Path) -> None:
    content = bytearray((path / "member-3" / "model.h5").read_bytes())
    content[-20] ^= 1
    (path / "member-3" / "model.h5").write_bytes(content)


def edit_list(path: Path, **changes: Any) -> None:
    told = json.loads((path / "ensemble.json").read_text())
    told["members"][1] |= changes
    (path / "ensemble.json").write_text(json.dumps(told))


def drop_all_but_one(path: Path) -> None:
    told = json.loads((path / "ensemble.json").read_text())
    (path / "ensemble.json").write_text(json.dumps(told | {"members": told["members"][:1]}))


#: What somebody may do to an ensemble, the exit code, and words of the one line.
HARM = {
    "model gone": (lambda path: (path / "member-2/model.h5").unlink(), 66, "the model of member-2 is missing"),
    "member gone": (lambda path: shutil.rmtree(path / "member-2"), 66, "the model of member-2 is missing"),
    "another model": (swap_member, 65, "not the model that this ensemble was made with"),
    "damaged model": (flip_a_bit, 65, "damaged"),
    "half trained": (lambda path: edit_list(path, sha256="", status="stopped"), 65, "2 of 3 members are done"),
    "failed": (lambda path: edit_list(path, sha256="", status="failed", reason="loss is nan"), 65, "loss is nan"),
    "outside": (lambda path: edit_list(path, name="../r/member-1"), 65, "no name of a member"),
    "twice": (lambda path: edit_list(path, name="member-1"), 65, "member-1' is no name of a member, or of two"),
    "one member": (drop_all_but_one, 65, "1 members"),
    "no list": (lambda path: (path / "ensemble.json").write_text("[]"), 65, "not the list of members"),
    "a link": (lambda path: ((path / "ensemble.json").unlink(), (path / "ensemble.json").symlink_to("/etc/passwd")),
               65, "symbolic link"),
    "a later format": (lambda path: (path / "ensemble.json").write_text(
        (path / "ensemble.json").read_text().replace('"format_version": 1', '"format_version": 9')), 65, "update"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_there_is_no_mean_over_other_or_fewer_models(folder: Path, tmp_path: Path, harm: str) -> None:
    do, code, words = HARM[harm]
    path = copied(folder, "c", tmp_path)
    do(path)
    for command in (
        ["evaluate", path, "spirals.h5"],
        ["predict", path, "spirals.h5", "--out", tmp_path / "a.csv"],
        ["export", path, "--out", tmp_path / "a.onnx"],
    ):
        done = ddp_mlp(*command, cwd=folder)
        assert (done.code, len(done.error_lines)) == (code, 1), done.err
        assert words in done.err
    assert not (tmp_path / "a.csv").exists()


def test_members_of_other_data_do_not_fit(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, "c", tmp_path)
    told = json.loads((path / "ensemble.json").read_text())
    other = json.loads((folder / "r" / "ensemble.json").read_text())
    shutil.rmtree(path / "member-2")
    shutil.copytree(folder / "r" / "member-2", path / "member-2")
    told["members"][1] = other["members"][1]
    (path / "ensemble.json").write_text(json.dumps(told))
    done = ddp_mlp("evaluate", path, "spirals.h5", cwd=folder)
    assert (done.code, len(done.error_lines)) == (65, 1)
    assert "member-2 does not fit member-1" in done.err
    assert "its task are 'regression', not 'multiclass'" in done.err


def test_members_whose_tables_were_written_otherwise_fit(tmp_path: Path) -> None:
    rows = [("a", "y"), *((f"{i / 8:.3f}", f"{i / 4:.3f}") for i in range(40))]
    for name, separator, sign in (("point", ",", "."), ("comma", ";", ",")):
        text = "\n".join(separator.join(row).replace(".", sign) for row in rows)
        (tmp_path / f"{name}.csv").write_text(text)
        made = ddp_mlp("data", "import", f"{name}.csv", "--target", "y", "--out", f"{name}.h5", cwd=tmp_path)
        assert made.code == 0, made.err
        (tmp_path / f"{name}.toml").write_text(CONFIG.format(data=name, epochs=1))
        assert ddp_mlp("train", f"{name}.toml", "--out", name, cwd=tmp_path).code == 0
    point, comma = (load_model(tmp_path / name) for name in ("point", "comma"))
    assert point.schema != comma.schema
    assert misfit(point, comma) == ""
    other = msgspec.structs.replace(comma.schema, target_units=("kg",))
    assert "target units" in misfit(point, dataclasses.replace(comma, schema=other))


def test_where_one_network_is_needed_an_ensemble_says_so(folder: Path) -> None:
    for command in (
        ["train", "c.toml", "--set", "model.start=c", "--out", "none"],
        ["compare", "c", "r"],
        ["checkpoint", "list", "c"],
        ["checkpoint", "verify", "c"],
        ["log-to", "mlflow", "c"],
    ):
        done = ddp_mlp(*command, cwd=folder)
        assert (done.code, len(done.error_lines)) == (2, 1), done.err
        assert "c is an ensemble" in done.err
        assert "c/member-1" in done.err
    for out in ("c", "c/member-1"):
        done = ddp_mlp("ensemble", "c.toml", "--members", K, "--out", out, cwd=folder)
        assert (done.code, len(done.error_lines)) == (2, 1), done.err
    done = ddp_mlp("train", "c.toml", "--out", "c", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1), done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--members", "1"], "1 is not in the range"),
        ([], "--members K"),
        (["--members", "3", "--best", "2"], "leave them out"),
        (["--members", "3", "--metric", "r2"], "--metric"),
        (["--members", "3", "--set", "train.seed=9223372036854775806"], "[train] seed"),
        (["--members", "3", "--set", "train.sed=1"], "[train] sed"),
        (["--members", "3", "--set", "loss.name=hinge"], "gives scores, no probabilities"),
        (["--members", "3", "--set", "data.train=none.h5"], "none.h5"),
    ],
)
def test_what_cannot_be_an_ensemble_ends_before_anything_is_trained(folder: Path, options: Any, words: str) -> None:
    done = ddp_mlp("ensemble", "c.toml", *options, "--out", "nothing", cwd=folder)
    assert (done.code in (2, 66), len(done.error_lines)) == (True, 1), done.err
    assert words in done.err
    assert not list((folder / "nothing").glob("member-*/model.h5"))


def test_a_failed_member_leaves_no_ensemble_and_the_others_can_be_one(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, "r", tmp_path)
    status = json.loads((path / "member-2" / "status.json").read_text())
    (path / "member-2" / "status.json").write_text(json.dumps(status | {"state": "failed"}))
    runs = json.loads((folder / "r.json").read_text())["runs"]
    runs[1] |= {"status": "failed", "exit_code": 79, "reason": "loss is nan at step 3"}
    keeper = ListKeeper(path, K)
    for known in (runs[:1], runs[:2], runs):
        keeper(known)
    error = failure_of(path, runs)
    assert error is not None
    assert error.exit_code == 79
    assert "1 of 3 members failed" in str(error)
    assert f"ddp-mlp ensemble {path} --best 2" in str(error)
    refused = ddp_mlp("predict", path, "two.h5", "--out", "a.npy", cwd=folder)
    assert (refused.code, len(refused.error_lines)) == (65, 1)
    assert "member-2 failed (loss is nan at step 3)" in refused.err
    made = ddp_mlp("ensemble", path, "--best", "2", "--out", tmp_path / "others", "--json", cwd=folder).result
    assert sorted(made["origins"]) == ["member-1", "member-3"]
    assert ddp_mlp("evaluate", tmp_path / "others", "two.h5", "--json", cwd=folder).result["n_members"] == 2


def test_all_members_that_diverge_are_one_error(folder: Path) -> None:
    wild = ["--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e30"]
    done = ddp_mlp("ensemble", "r.toml", "--members", "2", *wild, "--out", "wild", "--parallel", "1", cwd=folder)
    assert (done.code, len(done.error_lines)) == (79, 1), done.err
    assert "2 of 2 members failed" in done.err
    half = ddp_mlp("evaluate", "wild", "two.h5", cwd=folder)
    assert (half.code, len(half.error_lines)) == (65, 1)


def test_the_best_of_a_study_are_copied_and_fit(folder: Path) -> None:
    tries = ["--try", "optimizer.learning_rate=[0.1, 0.01, 0.001]"]
    found = ddp_mlp("search", "r.toml", *tries, "--out", "search", "--json", cwd=folder).result
    made = ddp_mlp("ensemble", "search", "--best", "2", "--out", "best", "--json", cwd=folder).result
    assert made["origins"] == [trial["name"] for trial in found["trials"][:2]]
    for i, trial in enumerate(found["trials"][:2]):
        assert (folder / "best" / f"member-{i + 1}" / "model.h5").read_bytes() == (
            folder / "search" / trial["name"] / "model.h5"
        ).read_bytes()
    shutil.rmtree(folder / "search")
    assert ddp_mlp("evaluate", "best", "two.h5", "--json", cwd=folder).result["n_members"] == 2
    for words, code in ((["best", "--best", "3"], 2), (["none", "--best", "2"], 66), (["c.toml", "--best", "2"], 66)):
        done = ddp_mlp("ensemble", *words, cwd=folder)
        assert (done.code, len(done.error_lines)) == (code, 1), done.err
    again = ddp_mlp("ensemble", "r.toml", "--members", "2", "--resume", "--out", "best", cwd=folder)
    assert (again.code, len(again.error_lines)) == (2, 1)


@pytest.mark.parametrize(
    ("own", "differ"),
    [
        ({}, False),
        ({"normalize": '"minmax"'}, False),
        ({"valid_fraction": "0.1"}, False),  # the default
        ({"valid_fraction": "0.3"}, True),
        ({"split_seed": "1"}, True),
        ({"stratify": "true"}, True),
        ({"folds": "5", "fold": "2"}, True),
        ({"valid": '"b.h5"'}, True),
        ({"train": '"/b.h5"'}, True),
    ],
)
def test_the_best_of_runs_that_other_rows_validated_come_with_a_warning(
    tmp_path: Path, own: dict[str, str], *, differ: bool
) -> None:
    for name, keys in (("one", {}), ("other", own)):
        (tmp_path / name).mkdir()
        lines = [f"{key} = {value}" for key, value in ({"train": '"/a.h5"'} | keys).items()]
        (tmp_path / name / "config.toml").write_text("[data]\n" + "\n".join(lines) + "\n")
    assert ("easiest rows" in other_rows(tmp_path, [{"name": "one"}, {"name": "other"}])) is differ


def test_tables_with_text_are_answered_and_imported_as_those_of_training(folder: Path) -> None:
    colours = ["red", "green", "blue"]
    rows = [f"{i},{colours[i % 3]},{i % 2},{'yes' if i % 3 else 'no'}" for i in range(90)]
    (folder / "t.csv").write_text("\n".join(["size,colour,entropy,answer", *rows]) + "\n")
    made = ddp_mlp("data", "import", "t.csv", "--target", "answer", "--out", "t.h5", cwd=folder)
    assert made.code == 0, made.err
    (folder / "t.toml").write_text(CONFIG.format(data="t", epochs=1))
    assert ddp_mlp("ensemble", "t.toml", "--members", "2", "--out", "t", cwd=folder).code == 0
    like = ddp_mlp("data", "import", "t.csv", "--like", "t", "--out", "like.h5", cwd=folder)
    assert like.code == 0, like.err
    by_table = ddp_mlp("predict", "t", "t.csv", "--out", "t-answers.csv", "--with", "colour", cwd=folder)
    assert by_table.code == 0, by_table.err
    with (folder / "t-answers.csv").open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["class", "row", "colour", "p(yes)", "entropy", "disagreement"]
    assert [float(row["p(yes)"]) for row in found] == outputs(folder, "t", "like.h5", "train")[:, 0].tolist()
    twice = ddp_mlp("predict", "t", "t.csv", "--out", "twice.csv", "--with", "entropy", cwd=folder)
    assert (twice.code, len(twice.error_lines)) == (2, 1), "a column of the table has the name of one of the answers"
    assert "'entropy'" in twice.err
    assert not (folder / "twice.csv").exists()


def test_an_ensemble_grows_and_never_shrinks(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, "c", tmp_path)
    assert ddp_mlp("ensemble", "c.toml", "--members", "4", "--out", path, "--resume", cwd=folder).code == 0
    assert ddp_mlp("evaluate", path, "spirals.h5", "--json", cwd=folder).result["n_members"] == 4
    for code, *options in ((2, "--members", "3"), (78, "--members", "5", "--set", "train.seed=7")):
        refused = ddp_mlp("ensemble", "c.toml", *options, "--out", path, "--resume", cwd=folder)
        assert (refused.code, len(refused.error_lines)) == (code, 1)
    assert ddp_mlp("evaluate", path, "spirals.h5", "--json", cwd=folder).result["n_members"] == 4


def test_members_that_are_the_same_network_are_said_to_be() -> None:
    summaries = [{"name": f"member-{i}", "model_sha256": sha} for i, sha in enumerate("abcb")]
    assert "member-1 and member-3 have the same weights" in same_members(summaries)
    assert not same_members(summaries[:3])


@pytest.mark.mpi
def test_after_a_kill_and_a_stop_it_goes_on_to_the_same_bits(folder: Path) -> None:
    (folder / "long.toml").write_text(CONFIG.format(data="two", epochs=400) + "early_stopping_patience = 0\n")
    command = ["ensemble", "long.toml", "--members", str(K), "--out"]
    known = ddp_mlp(*command, "whole", "--json", cwd=folder).result
    out = folder / "killed"
    for number, (name, sent, code) in enumerate(
        (("member-2", signal.SIGKILL, -signal.SIGKILL), ("member-3", signal.SIGTERM, 75))
    ):
        words = [sys.executable, "-m", "ddp_mlp", *command, str(out), *["--resume"] * number]
        job = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, start_new_session=True)
        until = time.monotonic() + 60
        while not (out / name / "metrics.csv").exists() and job.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        job.send_signal(sent)
        _, told = job.communicate(timeout=60)
        assert job.returncode == code, told.decode()
        half = ddp_mlp("predict", out, "two.h5", "--out", "half.npy", cwd=folder)
        assert (half.code, len(half.error_lines)) == (65, 1), half.err
        assert "--resume --out" in half.err
    found = ddp_mlp(*command, out, "--resume", "--json", cwd=folder, ranks=2).result
    assert [run["model_sha256"] for run in found["runs"]] == [run["model_sha256"] for run in known["runs"]]
    assert (out / "ensemble.json").read_bytes() == (folder / "whole" / "ensemble.json").read_bytes()
    assert (outputs(folder, str(out), "two.h5") == outputs(folder, "whole", "two.h5")).all()


def test_rows_come_from_the_file_once_for_all_members_and_in_pieces_to_the_same_bits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, answers = ddp_mlp("evaluate", "r", "two.h5", "--split", "train", "--json", cwd=folder).out, None
    for piece_bytes in (evaluated_rows.PIECE_BYTES, 1):
        monkeypatch.setattr(evaluated_rows, "PIECE_BYTES", piece_bytes)
        n_read: list[int] = []
        read = RowReader.read_ids

        def counted(self: Any, ids: Any, *rest: Any, n_read: Any = n_read, read: Any = read) -> None:
            n_read.append(len(ids))
            read(self, ids, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(RowReader, "read_ids", counted)
            found = outputs(folder, "r", "two.h5", "train")
        assert 450 <= sum(n_read) <= 450 + 3
        assert answers is None or (found == answers).all()
        answers = found
        assert ddp_mlp("evaluate", "r", "two.h5", "--split", "train", "--json", cwd=folder).out == measured


def test_an_ensemble_of_which_all_but_one_failed_advises_none_of_fewer_than_two(tmp_path):
    for n_done in (0, 1, 2):
        done = [Listed(f"member-{i + 1}", "finished", "0" * 64) for i in range(n_done)]
        write_list(tmp_path, [*done, *(Listed(f"member-{i + 1}", "failed", reason="nan") for i in range(n_done, 3))])
        with pytest.raises(DataError, match="nan") as caught:
            load_ensemble(tmp_path)
        assert ("--best" in str(caught.value)) == (n_done == 2)
