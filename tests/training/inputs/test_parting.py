"""Rows that validate by class, group and time: of files, tables and models, with nothing of them in the training."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.config import load_config
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.row_labels import row_labels
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.inputs.parting import parting_line, who_validates
from tests.runs import ddp_mlp, train_here

CONFIG = (
    '[data]\ntrain = "d.h5"\n[model]\nhidden = [4]\n'
    "[train]\nepochs = 2\nglobal_batch_size = 16\nearly_stopping_patience = 0\n"
)
N = 90


@pytest.fixture
def folder(tmp_path, rng):
    """A file of three unequal classes, eleven groups, and times that are not in order."""
    x = rng.normal(size=(N, 3))
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"], file["y"] = x, np.repeat([0, 1, 2], [45, 30, 15])
        file["patient"] = np.array([f"p{i % 11}" for i in range(N)], dtype=h5py.string_dtype())
        file["day"] = rng.permutation(N) // 2
        file["when"] = np.array([f"2026-{1 + i % 12:02d}-03" for i in range(N)], dtype=h5py.string_dtype())
        file["few"] = np.arange(N) % 3
        file["gaps"] = np.where(np.arange(N) == 7, np.nan, 1.0)
        file["short"] = np.arange(5)
        file["records"] = np.array([(i // 9, i) for i in range(N)], [("site", "i4"), ("n", "f8")])
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def parted(folder, *assignments):
    config = load_config(folder / "c.toml", [f"data.{text}" for text in assignments], {})
    with ExitStack() as stack:
        files, splits = open_splits(config.data, stack)
        return who_validates(config, files[0], splits)


def column(folder, name):
    with h5py.File(folder / "d.h5") as file:
        return file[name][:]


def test_folds_go_by_class_group_and_time(folder):
    y, patient, day = (column(folder, name) for name in ("y", "patient", "day"))
    for fold in range(5):
        of = ("folds=5", f"fold={fold}")
        assert np.bincount(y[parted(folder, *of, "stratify=true")[1]]).tolist() == [9, 6, 3]
        for train, valid in (parted(folder, *of, "group_by=patient"), parted(folder, "group_by=/patient")):
            assert not {*patient[train]} & {*patient[valid]}
        train, valid = parted(folder, *of, "time_by=day")
        assert day[train].max() < day[valid].min()
        train, valid = parted(folder, *of, "time_by=when")
        assert max(column(folder, "when")[train]) < min(column(folder, "when")[valid])
        train, valid = parted(folder, *of, "time_by=row")
        assert train.max() < valid.min()
    train, valid = parted(folder, "folds=5", "fold=0", "group_by=records:site")
    assert not {*(train // 9)} & {*(valid // 9)}
    train, valid = parted(folder, "time_by=day", "valid_fraction=0.2")
    assert len(valid) == 18
    assert day[train].max() < day[valid].min()


@pytest.mark.parametrize(
    ("assignments", "error", "reason"),
    [
        (("folds=4", "fold=0", "group_by=few"), DataError, "3 groups cannot make 4 folds"),
        (("folds=16", "fold=0", "stratify=true"), DataError, "class 2 has 15 rows, too few for each of 16 folds"),
        (("folds=91", "fold=0", "stratify=true"), DataError, "90 training samples cannot make 91 folds"),
        (("folds=3", "fold=0", "time_by=few"), DataError, "3 different times make 2 folds at most"),
        (
            ("folds=2", "fold=0", "group_by=patien"),
            DataError,
            "no column 'patien' with a value for each of the 90 rows",
        ),
        (("folds=2", "fold=0", "group_by=short"), DataError, "no column 'short'"),
        (("folds=2", "fold=0", "group_by=gaps"), DataError, "row 7 has no value, and 1 in all"),
        (("folds=2", "fold=0", "time_by=patient"), DataError, "no times"),
        (("folds=2", "fold=0", "group_by=records"), DataError, "its fields are site, n; name one as PATH:FIELD"),
        (("folds=2", "fold=0", "group_by=records:no"), DataError, "its fields are site, n"),
        (("folds=2", "fold=0", "group_by=patient:no"), DataError, "patient"),
        (("folds=2", "fold=0", "group_by=far"), DataError, "external links are not allowed"),
        (("folds=2", "fold=0", "group_by=X"), DataError, "no column 'X'"),
        (("group_by=patient", "time_by=day"), UsageError, "rows are parted by one rule"),
        (("folds=2", "fold=0", "stratify=true", "time_by=day"), UsageError, "rows are parted by one rule"),
        (("group_by=patient", "valid=d.h5"), UsageError, "valid names others that validate"),
    ],
)
def test_what_cannot_be_parted_is_refused(folder, assignments, error, reason):
    with h5py.File(folder / "d.h5", "r+") as file:
        file["far"] = h5py.ExternalLink("other.h5", "/patient")
    with pytest.raises(error) as caught:
        parted(folder, *assignments)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_that_validates_by_itself_is_not_parted(folder):
    with h5py.File(folder / "own.h5", "w") as file:
        for split in ("train", "valid"):
            file[f"{split}/X"], file[f"{split}/y"], file[f"{split}/g"] = np.eye(8), np.arange(8) % 2, np.arange(8) % 4
    (folder / "c.toml").write_text(CONFIG.replace("d.h5", "own.h5"))
    with pytest.raises(UsageError, match="set valid_fraction or folds"):
        parted(folder, "group_by=g")
    assert len(parted(folder, "group_by=g", "folds=4", "fold=1")[1]) == 2


def test_a_table_keeps_a_column_that_is_no_feature(folder):
    lines = [f"{i},{'' if i == 3 else i % 3},p{i % 7},{i % 7},{1990 + i}" for i in range(40)]
    (folder / "t.csv").write_text("\n".join(["x,y,patient,site,year", *lines]) + "\n")
    options = ["--target", "y", "--task", "regression", "--id", "patient", "--id", "year", "--test-fraction", "0.25"]
    done = ddp_mlp("data", "import", "t.csv", *options, "--out", "t.h5", cwd=folder)
    assert done.code == 0, done.err
    with open_dataset(folder / "t.h5") as file:
        assert file.schema.feature_names == ("x", "site")
        patients = row_labels(file, file.splits["train"], "patient")
        x = file.splits["train"].read(0, file.splits["train"].n_samples).features[:, 0].astype(int)
        assert patients.codes.tolist() == (x % 7).tolist(), "beside its own row, though some rows were left out"
        assert not patients.is_feature
        assert row_labels(file, file.splits["train"], "site").is_feature
        assert row_labels(file, file.splits["train"], "year", as_times=True).is_ordered
        test = row_labels(file, file.splits["test"], "patient")
        assert len(test.codes) == file.splits["test"].n_samples
        with pytest.raises(DataError, match="did you mean 'patient'"):
            row_labels(file, file.splits["train"], "pateint")
    told = ddp_mlp("train", "c.toml", "--set", "data.train=t.h5", "--set", "data.group_by=site", cwd=folder)
    assert "warning: rows are grouped by 'site', which is a feature too" in told.err
    said = {"group_by=site": "grouped by 'site'", "time_by=site": "parted by time at 'site'", "time_by=row": ""}
    said |= {"group_by=patient": "", "time_by=year": ""}
    for assignment, words in said.items():
        config = load_config(folder / "c.toml", [f"data.train={folder / 't.h5'}", f"data.{assignment}"], {})
        with ExitStack() as stack:
            files, splits = open_splits(config.data, stack)
            line = parting_line(config, files[0], splits)
        assert (words in line and "which is a feature too" in line) if words else not line


RULES = ("data.stratify=true", "data.group_by=patient", "data.time_by=day", "data.stratify=false")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_nothing_of_the_rows_that_validate_is_in_the_training(folder, task):
    """Rows that validate may be anything: weights, normalisation, filling and class weights stay bit for bit."""
    more = ["loss.class_weights=balanced"] if task == "multiclass" else ["data.normalize_targets=standard"]
    more += [f"data.task={task}", "data.missing=impute", "data.folds=3", "data.fold=1"]
    for number, rule in enumerate(RULES):
        own = [*more, rule]
        with ExitStack() as stack:
            config = load_config(folder / "c.toml", own, {})
            files, splits = open_splits(config.data, stack)
            valid = who_validates(config, files[0], splits)[1]
        with h5py.File(folder / "d.h5") as file, h5py.File(folder / f"e{number}.h5", "w") as other:
            for name in file:
                file.copy(name, other)
            other["X"][valid] = np.where(np.arange(len(valid))[:, None] % 4 == 0, np.nan, 1e3 + 7 * file["X"][valid])
            if task == "regression":
                other["y"][valid] = 1000 + file["y"][valid]
        found = []
        for data in ("d.h5", f"e{number}.h5"):
            sets = [part for text in [*own, f"data.train={data}"] for part in ("--set", text)]
            run = f"{task}-{number}-{data}"
            done = ddp_mlp("train", "c.toml", *sets, "--out", run, "--json", cwd=folder)
            assert done.code == 0, done.err
            model = load_model(folder / run)
            targets = model.target_normalization
            found.append(
                (
                    done.result["weights_sha256"], model.normalization.offset.tobytes(),
                    model.normalization.scale.tobytes(), model.normalization.fill.tobytes(),
                    targets and (targets.offset.tobytes(), targets.scale.tobytes()),
                )
            )  # fmt: skip
        assert found[0] == found[1], rule
        status = json.loads((folder / run / "status.json").read_text())
        assert status["valid_loss"] is not None


def test_a_model_finds_the_rows_that_validated_again(folder):
    for number, rule in enumerate(RULES[:3]):
        own = ["data.folds=3", "data.fold=2", rule]
        sets = [part for text in own for part in ("--set", text)]
        done = ddp_mlp("train", "c.toml", *sets, "--out", f"own{number}", "--json", cwd=folder)
        assert done.code == 0, done.err
        _, valid = parted(folder, *(text.removeprefix("data.") for text in own))
        out = f"answers{number}.h5"
        said = ddp_mlp("predict", f"own{number}", "d.h5", "--split", "valid", "--out", out, "--with", "row", cwd=folder)
        assert said.code == 0, said.err
        with h5py.File(folder / out) as file:
            assert file["beside/row"][:].tolist() == valid.tolist()
        measured = ddp_mlp("evaluate", f"own{number}", "d.h5", "--split", "valid", "--json", cwd=folder).result
        assert measured["loss"] == done.result["best_valid_loss"]


def test_another_group_column_is_another_data_set_to_a_run_that_goes_on(folder):
    sets = ["--set", "data.group_by=patient", "--out", "run"]
    assert ddp_mlp("train", "c.toml", *sets, cwd=folder).code == 0
    assert ddp_mlp("train", "c.toml", *sets, "--resume", "--set", "train.epochs=3", cwd=folder).code == 0
    with h5py.File(folder / "d.h5", "r+") as file:
        file["patient"][:] = file["patient"][:][::-1]
    changed = ddp_mlp("train", "c.toml", *sets, "--resume", "--set", "train.epochs=4", cwd=folder)
    assert changed.code == 78, changed.err
    assert "the content of the data files" in changed.error_lines[0]


def test_columns_that_were_kept_stand_beside_the_answers_of_their_rows(tmp_path):
    lines = [f"r{i:02},{i % 7},{i / 10},{3 * i}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["the/name,day,x,y", *lines]) + "\n")
    words = ["--target", "y", "--id", "the/name", "--id", "day", "--test-fraction", "0.2", "--out", "t.h5"]
    assert ddp_mlp("data", "import", "t.csv", *words, cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "t.h5"\n[model]\nhidden = [2]\n[train]\nepochs = 1\n')
    train_here(tmp_path, "run")
    whole, beside = (
        dict(line.split(",", 1) for line in lines),
        ["--with", "day", "--with", "the/name", "--with", "target"],
    )
    for split, n_rows in (("train", 48), ("valid", 5), ("test", 12)):
        out = tmp_path / f"{split}.csv"
        assert ddp_mlp("predict", "run", "t.h5", "--split", split, *beside, "--out", out, cwd=tmp_path).code == 0
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert len(rows) == n_rows
        for row in rows:
            day, _, target = whole[row["the/name"]].split(",")
            assert (row["day"], float(row["target(y)"])) == (day, float(target))
    strange = ddp_mlp("predict", "run", "t.h5", "--with", "nmae", "--out", "no.csv", cwd=tmp_path)
    assert (strange.code, len(strange.error_lines)) == (2, 1)
    assert "day" in strange.err
