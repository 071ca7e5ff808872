"""Configurations that are begun and looked at."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from ddp_mlp.config import load_config
from tests.runs import ddp_mlp, make_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs")
    make_data(path, "sine", 60)
    make_data(path, "moons", 60)
    random = np.random.default_rng(0)
    with h5py.File(path / "grouped.h5", "w") as file:
        for split in ("train", "valid"):
            file[f"g/{split}/features"] = random.normal(size=(30, 2))
            file[f"g/{split}/targets"] = random.integers(0, 3, 30)
    (path / "t.csv").write_text("x,y\n1,2\n")
    return path


@pytest.mark.parametrize("name", ["sine.h5", "moons.h5", "grouped.h5:/g"])
def test_what_is_begun_with_trains(folder, name):
    out = f"sub/{name.partition('.')[0]}.toml"
    (folder / "sub").mkdir(exist_ok=True)
    begun = ddp_mlp("config", "init", name, "--out", out, cwd=folder)
    assert begun.code == 0, begun.err
    text = (folder / out).read_text()
    assert f'train = "../{name}"' in text
    assert ('normalize_targets = "standard"' in text) == (name == "sine.h5")
    assert ("# valid_fraction" in text) == (name == "grouped.h5:/g")
    done = ddp_mlp("train", out, "--set", "train.epochs=1", "--set", "model.hidden=[3]", "--json", cwd=folder)
    assert done.result["epochs"] == 1
    taken = ddp_mlp("config", "init", name, "--out", out, cwd=folder)
    assert (taken.code, len(taken.error_lines)) == (73, 1)


def test_the_next_command_can_be_typed_as_it_is_told(folder):
    shutil.copy(folder / "sine.h5", folder / "my data.h5")
    told = ddp_mlp("config", "init", "my data.h5", cwd=folder).err
    assert "my data.toml is written; next: ddp-mlp train 'my data.toml'" in told
    assert "# Train: ddp-mlp train 'my data.toml'\n" in (folder / "my data.toml").read_text()
    instead = ddp_mlp("train", "my data.h5", cwd=folder).err
    assert "ddp-mlp config init 'my data.h5' --out 'my data.toml'" in instead


def test_a_table_is_to_be_imported_first_and_no_data_may_come_later(folder):
    table = ddp_mlp("config", "init", "t.csv", "--out", "-", cwd=folder)
    assert "# Import the table first: ddp-mlp data import t.csv --target COLUMN --out t.h5" in table.out
    assert 'train = "t.h5"' in table.out
    empty = ddp_mlp("config", "init", cwd=folder)
    assert "config.toml is written; next: ddp-mlp train config.toml" in empty.err
    assert load_config(folder / "config.toml", (), {}).data.train == f"{folder}/data.h5"
    assert ddp_mlp("config", "init", "no.csv", cwd=folder).code == 66
    assert ddp_mlp("config", "init", "no.h5", cwd=folder).code == 66


def test_every_key_is_shown_and_a_dry_run_shows_the_same(folder):
    (folder / "c.toml").write_text('[data]\ntrain = "moons.h5"\n')
    shown = ddp_mlp("config", "show", "c.toml", "--set", "train.seed=4", cwd=folder)
    assert shown.out == ddp_mlp("train", "c.toml", "--set", "train.seed=4", "--dry-run", cwd=folder).out
    assert "guessed: binary_cross_entropy" in shown.out
    assert "guessed: standard" in shown.out
    found = ddp_mlp("config", "show", "c.toml", "--set", "train.seed=4", "--json", cwd=folder).result
    assert found["train.seed"] == {"value": 4, "origin": "--set"}
    assert found["model.output"] == {"value": "auto", "origin": "default", "guessed": "sigmoid"}
    alone = ddp_mlp("config", "show", "c.toml", "--set", "train.seed=4", cwd=folder, launched=True)
    assert alone.out == shown.out, "a process that has compiled nothing knows as much"
    blind = ddp_mlp("config", "show", "c.toml", "--set", "data.train=no.h5", cwd=folder)
    assert blind.code == 0
    assert blind.out.startswith("# what the data would make of it is not known: ")
    assert ddp_mlp("config", "show", "c.toml", "--set", "train.epoch=4", cwd=folder).code == 2


def test_schema_and_reference_are_printed(folder):
    schema = json.loads(ddp_mlp("config", "schema", cwd=folder).out)
    assert schema["title"] == "ddp-mlp configuration"
    assert ddp_mlp("config", "reference", cwd=folder).out.startswith("# Configuration\n")
