"""Where runs go that were given no directory, and which one is gone on with."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ddp_mlp.run.files.naming import newest, next_free
from tests.runs import ddp_mlp, make_data

CONFIG = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [4]\n[train]\nepochs = {}\nmicro_batches = 2\n'


def holds(path: Path) -> bool:
    return (path / "run").exists()


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "run").touch()
    return folder / "c"


def test_a_new_run_comes_after_the_newest(tmp_path):
    base = make(tmp_path)
    assert next_free(base, holds) == base
    make(tmp_path, "c")
    assert next_free(base, holds).name == "c-2"
    make(tmp_path, "c-9", "c-10", "c-01", "c-1", "c-x", "cc-77", "c-99.old")
    (tmp_path / "c-12").mkdir()  # a start that came to nothing
    (tmp_path / "c-500").touch()
    assert next_free(base, holds).name == "c-11"
    assert next_free(tmp_path / "nowhere" / "c", holds).name == "c"


def test_the_newest_that_fits_is_gone_on_with(tmp_path):
    base = make(tmp_path)
    assert newest(base, holds, holds) == base
    make(tmp_path, "c", "c-2", "c-10")
    assert newest(base, holds, holds).name == "c-10"
    assert newest(base, holds, lambda path: path.name == "c-2").name == "c-2"
    assert newest(base, holds, lambda _: False).name == "c-10", "the checkpoint says what does not fit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("named")
    make_data(path, "moons", 60)
    (path / "c.toml").write_text(CONFIG.format(2))
    return path


def test_each_training_has_a_directory_of_its_own_and_says_which(folder):
    for name in ("runs/c", "runs/c-2"):
        done = ddp_mlp("train", "c.toml", "--json", cwd=folder)
        assert done.result["run_dir"] == name
        assert f"run directory: {name}" in done.err.splitlines()
    longer = ddp_mlp("train", "c.toml", "--resume", "--set", "train.epochs=3", "--json", cwd=folder)
    assert (longer.result["run_dir"], longer.result["epochs"]) == ("runs/c-2", 3)
    other = ddp_mlp("train", "c.toml", "--set", "model.hidden=[5]", "--json", cwd=folder)
    assert other.result["run_dir"] == "runs/c-3"
    back = ddp_mlp("train", "c.toml", "--resume", "--json", "--set", "train.epochs=3", cwd=folder)
    assert back.result["weights_sha256"] == longer.result["weights_sha256"], "that of this configuration"
    unknown = ddp_mlp("train", "c.toml", "--resume", "--set", "model.hidden=[6]", cwd=folder)
    assert unknown.code == 78
    fresh = ddp_mlp("train", "c.toml", "--resume", "--out", "fresh", cwd=folder)
    assert "starting from the beginning" in fresh.err


@pytest.mark.mpi
def test_ranks_and_launcher_agree_on_the_directory(folder):
    (folder / "l.toml").write_text(CONFIG.format(1))
    assert ddp_mlp("train", "l.toml", "--json", cwd=folder, ranks=2).result["run_dir"] == "runs/l"
    second = ddp_mlp("train", "l.toml", "--json", cwd=folder, ranks=2, launched=True)
    assert second.result["run_dir"] == "runs/l-2"
    assert second.err.count("run directory: runs/l-2") == 1
    assert ddp_mlp("train", "l.toml", "--json", "--resume", cwd=folder, ranks=2).result["run_dir"] == "runs/l-2"


def test_a_run_gives_way_only_on_request_and_when_the_data_are_there(folder):
    first = ddp_mlp("train", "c.toml", "--out", "mine", "--json", cwd=folder).result
    (folder / "mine" / "notes.txt").write_text("mine")
    refused = ddp_mlp("train", "c.toml", "--out", "mine", cwd=folder)
    assert (refused.code, len(refused.error_lines)) == (2, 1)
    assert "--resume, choose another --out, or give --overwrite" in refused.error_lines[0]
    lost = ddp_mlp("train", "c.toml", "--out", "mine", "--overwrite", "--set", "data.train=no.h5", cwd=folder)
    assert lost.code == 66
    assert ddp_mlp("evaluate", "mine", "moons.h5", cwd=folder).code == 0, "the old run is there"
    both = ddp_mlp("train", "c.toml", "--out", "mine", "--overwrite", "--resume", cwd=folder)
    assert (both.code, len(both.error_lines)) == (2, 1)
    done = ddp_mlp(
        "train", "c.toml", "--out", "mine", "--overwrite", "--set", "train.seed=1", "--json", cwd=folder
    ).result
    assert done["weights_sha256"] != first["weights_sha256"]
    with (folder / "mine" / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert json.loads((folder / "mine" / "status.json").read_text())["weights_sha256"] == done["weights_sha256"]
    assert (folder / "mine" / "notes.txt").read_text() == "mine"
    again = ddp_mlp(
        "train", "c.toml", "--out", "mine", "--resume", "--set", "train.seed=1", "--json", cwd=folder
    ).result
    assert again["model_sha256"] == done["model_sha256"]
