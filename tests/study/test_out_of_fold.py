"""Cross-validation by class, group and time, and the answers of each fold's model for rows that it has not seen."""

from __future__ import annotations

import csv
import math

import h5py
import numpy as np
import pytest

from tests.runs import ddp_mlp

CONFIG = (
    '[data]\ntrain = "d.h5"\n[model]\nhidden = [5]\n[train]\nepochs = 3\nglobal_batch_size = 16\nmicro_batches = 4\n'
)
N = 72


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("folds")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, 3))
    lines = [f"{a:.4f},{b:.4f},{'abc'[i % 3]},p{i % 8},2026-01-{1 + i // 3:02d},r{i}" for i, (a, b, _) in enumerate(x)]
    (path / "t.csv").write_text("\n".join(["u,v,kind,patient,day,name", *lines]) + "\n")
    options = ["--id", "patient", "--id", "day", "--id", "name"]
    for target, out in (("kind", "d.h5"), ("u", "q.h5")):
        done = ddp_mlp("data", "import", "t.csv", "--target", target, *options, "--out", out, cwd=path)
        assert done.code == 0, done.err
    (path / "c.toml").write_text(CONFIG)
    return path


def cross_validate(folder, out, *options, **how):
    command = ["cross-validate", "c.toml", "--folds", "3", *options, "--parallel", "1", "--json", "--out", out]
    return ddp_mlp(*command, cwd=folder, **how)


def rows_of(folder, out):
    with (folder / out / "oof.csv").open() as file:
        return list(csv.DictReader(file))


RULES = {"class": [], "group": ["--group-by", "patient"], "time": ["--by-time", "day"]}


@pytest.mark.parametrize("data", ["d.h5", "q.h5"])
def test_answers_are_those_of_each_folds_model_bit_for_bit(folder, data):
    for rule, options in RULES.items():
        out = f"{rule}-{data}"
        done = cross_validate(folder, out, *options, "--set", f"data.train={data}")
        assert done.code == 0, done.err
        with h5py.File(folder / out / "oof.h5") as file:
            rows, folds, outputs = file["beside/row"][:], file["beside/fold"][:], file["outputs"][:]
            assert [text.decode() for text in file["beside/name"][:]] == [f"r{row}" for row in rows]
        seen = len(rows)
        for fold in range(3):
            name = f"{out}-{fold}.h5"
            said = ddp_mlp(
                "predict", f"{out}/fold-{fold}", data, "--split", "valid", "--with", "row", "--out", name, cwd=folder
            )
            assert said.code == 0, said.err
            with h5py.File(folder / name) as file:
                np.testing.assert_array_equal(file["outputs"][:], outputs[folds == fold])
                np.testing.assert_array_equal(file["beside/row"][:], rows[folds == fold])
        assert rows.tolist() == (list(range(18, N)) if rule == "time" else list(range(N))), "in order, none twice"
        table = rows_of(folder, out)
        assert len(table) == seen
        if rule == "group":
            of = {
                row["patient"]: {other["fold"] for other in table if other["patient"] == row["patient"]}
                for row in table
            }
            assert {len(folds) for folds in of.values()} == {1}
        if rule == "time":
            last = {fold: max(row["day"] for row in table if row["fold"] == fold) for fold in "012"}
            first = {fold: min(row["day"] for row in table if row["fold"] == fold) for fold in "012"}
            assert last["0"] < first["1"] <= last["1"] < first["2"]
        if data == "d.h5":
            right = sum(row["class"] == row["target"] for row in table if row["fold"] == "0")
            n = sum(row["fold"] == "0" for row in table)
            assert done.result["runs"][0]["best_valid_accuracy"] == pytest.approx(right / n, rel=1e-12)


def test_each_score_mean_and_standard_error_are_told(folder):
    result = cross_validate(folder, "told").result
    losses = [run["best_valid_loss"] for run in result["runs"]]
    mean = sum(losses) / 3
    error = math.sqrt(sum((loss - mean) ** 2 for loss in losses) / 2 / 3)
    assert result["metrics"]["best_valid_loss"]["standard_error"] == pytest.approx(error, rel=1e-12)
    shown = ddp_mlp("cross-validate", "c.toml", "--folds", "3", "--resume", "--out", "told", cwd=folder)
    assert shown.code == 0, shown.err
    assert f"fold-1: valid_loss {losses[1]:.5g}" in shown.out
    assert f"(over 3 folds; standard error {error:.3g})" in shown.out
    assert "answers for 72 rows, each by a model that was not trained on it" in shown.err


@pytest.mark.mpi
def test_folds_and_their_answers_are_the_same_on_ranks_and_threads(folder):
    # A rule chooses rows before ranks share them out, so each on one layout will do.
    layouts = [((), {"ranks": 2}), ((), {"ranks": 3}), (("--threads-per-rank", "2"), {})]
    for (rule, options), (more, how) in zip(RULES.items(), layouts, strict=True):
        alone = cross_validate(folder, f"{rule}-1", *options).result
        many = cross_validate(folder, f"{rule}-n", *options, *more, **how).result
        assert [run["model_sha256"] for run in many["runs"]] == [run["model_sha256"] for run in alone["runs"]]
        assert (folder / f"{rule}-n" / "oof.csv").read_bytes() == (folder / f"{rule}-1" / "oof.csv").read_bytes()


def test_folds_that_began_regardless_of_classes_are_not_gone_on_with(folder):
    before = cross_validate(folder, "before", "--set", "data.stratify=false")
    assert before.code == 0
    mixed = cross_validate(folder, "before", "--resume")
    assert (mixed.code, len(mixed.error_lines)) == (78, 1)
    assert "[data] stratify: False in the checkpoint, True now" in mixed.error_lines[0]
    again = cross_validate(folder, "before", "--resume", "--set", "data.stratify=false").result
    assert [run["model_sha256"] for run in again["runs"]] == [run["model_sha256"] for run in before.result["runs"]]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--group-by", "patient", "--folds", "9"], 65, "8 groups cannot make 9 folds"),
        (["--by-time", "day", "--folds", "24"], 65, "24 different times make 23 folds at most"),
        (["--by-time", "name"], 65, "no times"),
        (["--group-by", "kind"], 65, "no column 'kind'"),
        (["--folds", "25"], 65, "class a has 24 rows, too few for each of 25 folds"),
        (["--group-by", "patient", "--set", "data.stratify=true"], 2, "parted by one rule"),
    ],
)
def test_folds_that_cannot_be_end_in_a_line_before_anything_is_trained(folder, options, code, words):
    done = cross_validate(folder, "wrong", *options)
    assert (done.code, len(done.error_lines)) == (code, 1), done.err
    assert words in done.error_lines[0]
    assert not (folder / "wrong").exists()
