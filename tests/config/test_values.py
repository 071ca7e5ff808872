"""Values as people write them: taken, or answered with how to write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ddp_mlp.config import Config, load_config
from ddp_mlp.errors import UsageError

DATA = '[data]\ntrain = "train.h5"\n'


def load(folder: Path, text: str = DATA, *overrides: str, **environment: str) -> Config:
    path = folder / "c.toml"
    path.write_text(text)
    return load_config(path, overrides, environment)


def said(folder: Path, text: str = DATA, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, text, *overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("train.epochs=10.0", 10), ("train.epochs=1e1", 10), ("train.epochs=1_0", 10), ("train.seed=1e18", 10**18),
        ("model.hidden=[16.0, 8]", [16, 8]), ("optimizer.learning_rate=.001", 0.001),
        ("optimizer.learning_rate=1.", 1.0),
        ("optimizer.learning_rate=+.5e-1", 0.05), ("train.global_batch_size=64.0", 64), ("checkpoint.keep=2.0", 2),
        ("train.early_stopping_patience=5e0", 5), ("model.dropout=.5", 0.5),
    ],
)  # fmt: skip
def test_a_number_of_one_meaning_is_taken(tmp_path: Path, assignment: str, value: Any) -> None:
    section, _, key = assignment.partition("=")[0].partition(".")
    found = getattr(getattr(load(tmp_path, DATA, assignment), section), key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("assignment", "advice"),
    [
        ("optimizer.learning_rate=1,5", "write 1.5"), ("train.seed=007", "write 7"), ("model.tied=True", "write true"),
        ("model.tied=yes", "write true"), ("model.hidden=32", "write [32]"), ("model.hidden=32,16", "write [32, 16]"),
        ("model.hidden=(64, 32)", "write [64, 32]"), ("model.hidden=64 32", "write [64, 32]"),
        ("train.global_batch_size=1,024", "write 1024"), ("data.valid_fraction=10%", "write 0.1"),
        ('train.epochs="5"', "write 5"), ("data.valid_fraction=None", 'write "none"'),
        ("model.dropout=0,1", "write 0.1"),
        ("model.activation=relu, tanh", 'write ["relu", "tanh"]'), ("train.epochs=[5]", "write 5"),
        ("train.log_layer_norms=1", ""), ("train.epochs=2.5", ""), ("optimizer.learning_rate=fast", ""),
    ],
)  # fmt: skip
def test_what_else_a_person_can_have_meant_is_said(tmp_path: Path, assignment: str, advice: str) -> None:
    message = said(tmp_path, DATA, assignment)
    assert message.endswith(advice) if advice else "; write" not in message, message


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("[model]\ntied = True", "write true"), ("[optimizer]\nlearning_rate = .001", "write 0.001"),
        ("[optimizer]\nname = adam", 'write "adam"'), ("[model]\nhidden = 32, 16", "write [32, 16]"),
        ("[train]\nseed = 007 # bond", "write 7"), ("[data.augment]\nnoise = 0,1", "write 0.1"),
        ("[optimizer]\nname: adam", 'write name = "adam"'), ("[train]\nepochs: 5", "write epochs = 5"),
        ("[optimizer]\nname = \u201cadam\u201d", 'write "adam"'),
        ("[optimizer]\nname = \u201eadam\u201d", 'write "adam"'),
        ("[model]\nwhatever = .001", ""), ("[data", ""),
    ],
)  # fmt: skip
def test_a_line_that_is_no_toml_is_answered_likewise(tmp_path: Path, line: str, advice: str) -> None:
    message = said(tmp_path, f"{DATA}{line}\n")
    assert "not valid TOML" in message
    assert message.endswith(advice) if advice else "write" not in message, message


def test_none_takes_a_value_back(tmp_path: Path) -> None:
    text = DATA + 'valid_fraction = 0.1\nfeatures = "x"\nvalid = "v.h5"\nnormalize = "standard"\n'
    data = load(tmp_path, text, "data.valid_fraction=none", "data.valid=none", "data.normalize=none").data
    assert (data.valid_fraction, data.valid, data.normalize, data.features) == (None, None, "none", "x")
    assert load(tmp_path, text, DDP_MLP_DATA_FEATURES="none").data.features is None
    assert load(tmp_path, text, "data.features=z", DDP_MLP_DATA_FEATURES="none").data.features == "z"
    adam = load(tmp_path, DATA + '[optimizer]\nname = "adam"\nbeta1 = 0.5\n', "optimizer.beta1=none").optimizer
    assert adam.beta1 == 0.9
    assert "epochs = 'none'" in said(tmp_path, DATA, "train.epochs=none")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[optimizer]\nlr = 1", "[optimizer] lr: unknown key, did you mean 'learning_rate'?"),
        ("[train]\nbatch_size = 1", "did you mean 'global_batch_size'?"),
        ("[train]\nlearning_rate = 1", "did you mean learning_rate of [optimizer]?"),
        ("[train]\nlr = 1", "did you mean learning_rate of [optimizer]?"),
        ("[model]\nhidden_layer_sizes = [1]", "did you mean 'hidden'?"),
        ("[model]\nepochs = 1", "did you mean epochs of [train]?"),
        ("[data.augment]\nnoize = 1", "did you mean 'noise'?"),
        ("[network]\nhidden = [1]", "unknown section [network], did you mean 'model'?"),
        ("[Train]\nepochs = 1", "unknown section [Train], did you mean 'train'?"),
        ("[train]\nzzz = 1", "[train] zzz: unknown key"),
    ],
)
def test_a_key_by_another_name_is_recognised(tmp_path: Path, text: str, advice: str) -> None:
    assert said(tmp_path, f"{DATA}{text}\n").endswith(advice)


def test_a_link_reads_data_beside_itself(tmp_path: Path) -> None:
    for name in ("common", "one"):
        (tmp_path / name).mkdir()
    load(tmp_path / "common", DATA + 'valid = "v.h5"\n')
    (tmp_path / "one" / "c.toml").symlink_to("../common/c.toml")
    data = load_config(tmp_path / "one" / "c.toml", (), {}).data
    assert (data.train, data.valid) == (f"{tmp_path}/one/train.h5", f"{tmp_path}/one/v.h5")
    (tmp_path / "two").symlink_to("common")  # a linked directory is the directory
    assert load_config(tmp_path / "two" / "c.toml", (), {}).data.train == f"{tmp_path}/two/train.h5"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("wine.csv", "data import {path} --target COLUMN --out wine.h5, then ddp-mlp config init wine.h5 --out "),
        ("wine.TSV", "data import "), ("wine.parquet", "data import "),
        ("wine.h5", "this is an HDF5 file, not a configuration; write one that fits it: ddp-mlp config init {path}"),
    ],
)  # fmt: skip
def test_data_in_place_of_a_configuration_are_answered_with_what_to_do(tmp_path: Path, name: str, advice: str) -> None:
    path = tmp_path / name
    path.write_text("a,b\n1,2\n" * 200_000)
    with pytest.raises(UsageError) as caught:
        load_config(path, (), {})
    assert advice.format(path=path) in str(caught.value)
