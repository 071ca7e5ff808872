"""The configuration as keyword arguments, and its file with overrides."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import ddp_mlp
from ddp_mlp import Config, MissingInputError, UsageError
from ddp_mlp.config import load_config


def test_sections_are_checked_and_completed_as_those_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\ntrain = "a.h5"\n[model]\nhidden = [4]\n[train]\nseed = 3\n')
    found = Config(data={"train": tmp_path / "a.h5"}, model={"hidden": (np.int64(4),)}, train={"seed": np.int32(3)})
    assert found.settings == load_config(tmp_path / "c.toml", (), {})
    assert found == Config.from_toml(tmp_path / "c.toml")


def test_overrides_are_values_of_python(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\ntrain = "a.h5"\n')
    changes = {
        "optimizer.name": "sgd", "optimizer.learning_rate": 1e-9, "model.hidden": [3, 2], "model.tied": False,
        "data.augment.noise": np.float32(0.5),
    }  # fmt: skip
    found = Config.from_toml(tmp_path / "c.toml", changes)
    assert (found.optimizer.name, found.optimizer.learning_rate, found.model.hidden) == ("sgd", 1e-9, [3, 2])
    assert found.data.augment.noise == 0.5


def test_defaults_are_those_of_the_structs() -> None:
    assert Config().settings == load_default()


def load_default() -> object:
    from ddp_mlp.config import from_builtins

    return from_builtins({"data": {"train": "(in memory)"}}, "test")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"model": {"hiden": [4]}}, "did you mean 'hidden'"),
        ({"model": {"hidden": "wide"}}, "hidden"),
        ({"train": {"epochs": 0}}, "epochs = 0"),
        ({"train": 3}, "must be a table"),
        ({"data": 3}, "must be a table"),
        ({"optimizer": {"name": "sgd", "beta1": 0.5}}, "beta1"),
    ],
)
def test_mistakes_have_the_words_of_the_command_line(sections: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Config(**sections)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


def test_overrides_that_name_no_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\ntrain = "a.h5"\n')
    for changes in ({"epochs": 3}, {"train": {"epochs": 3}}, {"train.epochs": None}):
        with pytest.raises(UsageError, match=r"epochs|SECTION.KEY|section.key"):
            Config.from_toml(tmp_path / "c.toml", changes)
    with pytest.raises(MissingInputError):
        Config.from_toml(tmp_path / "d.toml")


def test_a_file_for_data_in_memory_names_no_data_set(tmp_path: Path) -> None:
    for text in ("[model]\nhidden = [4]\n", "[data]\nautoencode = true\n[model]\nhidden = [4]\n"):
        (tmp_path / "c.toml").write_text(text)
        found = Config.from_toml(tmp_path / "c.toml", {"train.epochs": 1})
        assert (found.model.hidden, found.data.train, found.train.epochs) == ([4], Config().data.train, 1)
        with pytest.raises(UsageError, match="nothing to train on"):
            ddp_mlp.train(found)
    (tmp_path / "c.toml").write_text("data = 3\n")
    with pytest.raises(UsageError, match="must be a table"):
        Config.from_toml(tmp_path / "c.toml")


def test_it_never_changes_and_can_be_copied() -> None:
    config = Config(model={"hidden": [4]})
    with pytest.raises(AttributeError, match="never changes"):
        config.train = None  # type: ignore[misc, assignment]
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config)  # noqa: S301
    assert {config: 1}[Config(model={"hidden": [4]})] == 1
    assert repr(config) == "Config(model={'hidden': [4]})"
    assert "hidden = [" in config.to_toml()
