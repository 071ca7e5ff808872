"""The reference of the configuration: it has each key once, and is what the structs say today."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ddp_mlp.config import as_toml, load_config
from ddp_mlp.config.explained import explain, explained_text
from ddp_mlp.config.meanings import MEANINGS, SECTIONS
from ddp_mlp.config.reference import all_keys, json_schema, reference_text

ROOT = Path(__file__).parents[2]


def test_each_key_has_a_meaning_and_nothing_else_has():
    assert sorted(key.path for key in all_keys()) == sorted(MEANINGS)
    assert {key.section for key in all_keys()} == {*SECTIONS}


def test_the_document_is_current():
    assert (ROOT / "docs" / "configuration.md").read_text() == reference_text(), "ddp-mlp config reference > docs/..."


def test_the_document_has_bounds_and_the_defaults_of_each_choice():
    rows = {line.split("|")[1].strip(): line for line in reference_text().splitlines() if line.startswith("| `")}
    assert "| a number from 0 to below 1 | 0.9 of " in rows["`beta1`"]
    assert "0, or a number from 0.1 to 1e+07" in rows["`timeout_s`"]
    assert "must be given" in rows["`train`"]


def test_the_schema_knows_every_key_and_says_what_it_means():
    schema = json.loads(json.dumps(json_schema()))
    defs = schema["$defs"]
    for key in all_keys():
        node = defs["Config"]
        for part in [*key.section.split("."), key.name]:
            inner = node["properties"][part]
            node = defs[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        assert node["description"] == MEANINGS[key.path]
    assert defs["DataConfig"]["required"] == ["train"]
    assert defs["TrainConfig"]["additionalProperties"] is False


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "c.toml"
    text = '[data]\ntrain = "d.h5"\nvalid_fraction = 0.2\n[data.augment]\nnoise = 0.5\n[train]\nseed = 1\nepochs = 2\n'
    path.write_text(text)
    return path


def test_every_key_tells_where_its_value_came_from(file):
    found = {
        key.path: (key.value, key.origin)
        for key in explain(
            file, ["train.seed=3", "data.valid_fraction=none", "optimizer.name=adam"],
            {"DDP_MLP_TRAIN_EPOCHS": "5", "DDP_MLP_TRAIN_SEED": "9"},
        )
    }  # fmt: skip
    assert found["data.train"] == (f"{file.parent}/d.h5", "file")
    assert found["data.augment.noise"] == (0.5, "file")
    assert found["data.augment.shift"] == (0.0, "default")
    assert found["train.epochs"] == (5, "environment")
    assert found["train.seed"] == (3, "--set")
    assert found["data.valid_fraction"] == (None, "--set")
    assert found["optimizer.beta1"] == (0.9, "default")
    assert sorted(found) == sorted(MEANINGS)


def test_what_is_shown_is_a_configuration_of_the_same_values(file, tmp_path):
    overrides = ["optimizer.name=adam", 'data.features=a"b\\c', "model.hidden=[]", "optimizer.eps=1e-30"]
    config = load_config(file, overrides, {})
    text = explained_text(explain(file, overrides, {}), {"data.normalize": "standard"})
    assert "# default; guessed: standard" in text
    assert tomllib.loads(text) == tomllib.loads(as_toml(config))
    again = tmp_path / "again.toml"
    again.write_text(text)
    assert load_config(again, (), {}) == config
