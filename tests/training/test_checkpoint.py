"""Checkpoints: everything comes back, damage falls back and says so, and only a fitting one is resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest

from ddp_mlp.config import Config, from_builtins
from ddp_mlp.config.schema import keys, sections
from ddp_mlp.core.network import build_network
from ddp_mlp.core.optimizers import OPTIMIZERS
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.errors import CheckpointError, DataError, MissingInputError
from ddp_mlp.training.checkpoint import (
    Checkpoint,
    check_resumable,
    checkpoint_image,
    checkpoint_name,
    list_checkpoints,
    load_checkpoint,
    newest_good,
    save_checkpoint,
)
from ddp_mlp.training.model import Facts, Model, load_model, model_image
from ddp_mlp.training.sealed import make_image, open_image
from ddp_mlp.training.state import Progress, TrainState

FACTS = Facts("multiclass", 3, 4, ("a", "b", "ü"), None, ("w", "x", "y", "z"), (3, 1))


def config_of(**tables: dict[str, Any]) -> Config:
    raw: dict[str, Any] = {"data": {"train": "/data/train.h5"}, "model": {"hidden": [5]}}
    for name, table in tables.items():
        raw[name] = raw.get(name, {}) | table
    return from_builtins(raw, "test")


def checkpoint_of(step: int = 40, dtype: str = "float32", optimizer: str = "adam", **tables: Any) -> Checkpoint:
    rng = np.random.default_rng(step)
    train = {"dtype": dtype} | ({"global_batch_size": "full"} if optimizer == "line_search" else {})
    config = config_of(optimizer={"name": optimizer}, train=train, **tables)
    network = build_network(config.model, config.loss, FACTS.task, FACTS.n_features, FACTS.n_outputs)
    n_parameters, n_moments = network.layout.n_parameters, len(OPTIMIZERS[optimizer].moments)
    history = [{"epoch": 1, "step": 20, "train_loss": 0.1 + 0.2, "valid_loss": 1e-300, "wall_s": 2.5}]
    history += [{"epoch": 2, "step": 40, "train_loss": 1 / 3, "valid_loss": "", "wall_s": 2.25}]
    state = TrainState(
        rng.normal(size=n_parameters).astype(dtype),
        rng.normal(size=(n_moments, n_parameters)).astype(dtype),
        Progress(2, 3, step, 0.1, 96, 1 / 7, 0.25, best_epoch=1, history=history),
    )
    return Checkpoint(
        path=Path(checkpoint_name(step)),
        state=state,
        config=config,
        facts=FACTS,
        normalization=Normalization("standard", rng.normal(size=3), rng.uniform(0.1, 2, size=3)),
        network=network,
        fingerprint="0123abcd",
        micro_batches=8,
        written_by={"version": "0.1.0", "world_size": 4, "host": "node01"},
    )


def save(directory: Path, *steps: int, keep: int = 99) -> list[Path]:
    return [save_checkpoint(directory, checkpoint_image(checkpoint_of(step)), step, keep) for step in steps]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_comes_back(tmp_path: Path, dtype: str, optimizer: str) -> None:
    written = checkpoint_of(40, dtype, optimizer)
    path = save_checkpoint(tmp_path, checkpoint_image(written), 40, keep=1)
    assert path == tmp_path / "step-00000040.h5"
    read = load_checkpoint(path)
    assert read.path == path
    for found, expected in [
        (read.state.parameters, written.state.parameters),
        (read.state.moments, written.state.moments),
        (read.normalization.offset, written.normalization.offset),
        (read.normalization.scale, written.normalization.scale),
    ]:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    assert read.normalization.kind == "standard"
    for field in ("config", "facts", "network", "fingerprint", "micro_batches", "written_by"):
        assert getattr(read, field) == getattr(written, field), field
    assert read.state.progress == written.state.progress, "every bit of every number, and the empty cells"


def test_best_loss_may_still_be_infinite(tmp_path: Path) -> None:
    written = checkpoint_of()
    written.state.progress.best_loss = float("inf")
    path = save_checkpoint(tmp_path, checkpoint_image(written), 40, keep=1)
    assert load_checkpoint(path).state.progress.best_loss == float("inf")


def test_a_long_history_fits(tmp_path: Path) -> None:
    """100 000 epochs: more than the 64 KiB that an attribute holds."""
    written = checkpoint_of()
    told = written.state.progress
    told.epoch, told.position, told.step = 100_000, 0, 300_000
    told.history = [{"epoch": i, "step": 3 * i, "train_loss": 1 / i, "valid_loss": ""} for i in range(1, 100_001)]
    path = save_checkpoint(tmp_path, checkpoint_image(written), 40, keep=1)
    assert load_checkpoint(path).state.progress.history == written.state.progress.history


def test_loading_again_writes_the_same_file(tmp_path: Path) -> None:
    """A fixed point: nothing is lost on the way that a second look would show."""
    (path,) = save(tmp_path, 7)
    assert checkpoint_image(load_checkpoint(path)) == path.read_bytes()


def test_parts_of_the_vector_are_named(tmp_path: Path) -> None:
    """A reader without this program finds each weight by name, place and shape."""
    (path,) = save(tmp_path, 7)
    with h5py.File(path) as file:
        parts = json.loads(file["parameters"].attrs["layout"])
        assert [part["name"] for part in parts] == ["layer1.weight", "layer1.bias", "layer2.weight", "layer2.bias"]
        assert [part["start"] for part in parts] == [0, 15, 20, 40]
        assert parts[2]["shape"] == [5, 4]
        assert sorted(file["moments"]) == ["first_moment", "second_moment"]


def test_a_checkpoint_predicts(tmp_path: Path) -> None:
    """MODEL of a command may be a checkpoint."""
    (path,) = save(tmp_path, 7)
    model = load_model(path)
    np.testing.assert_array_equal(model.parameters, checkpoint_of(7).state.parameters)
    assert (model.epoch, model.step, model.facts) == (2, 7, FACTS)


def test_newer_format_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_of()
    image = checkpoint_image(checkpoint)
    path = tmp_path / "step-00000001.h5"

    def fill(file: Any) -> None:
        path.write_bytes(image)
        with open_image(path) as old:
            for name in old:
                old.copy(name, file)
            for name, value in old.attrs.items():
                file.attrs[name] = value
        file.attrs["format_version"] = 99

    path.write_bytes(make_image(fill))
    with pytest.raises(DataError, match=r"format 99, but this program reads up to 1; update"):
        load_checkpoint(path)


def test_a_model_is_not_a_checkpoint(tmp_path: Path) -> None:
    c = checkpoint_of()
    model = Model(c.config, c.facts, c.network, c.normalization, c.state.parameters, 2, 40)
    path = tmp_path / checkpoint_name(40)
    path.write_bytes(model_image(model))
    with pytest.raises(DataError, match=r"step-00000040\.h5: a ddp-mlp-model, not a checkpoint"):
        load_checkpoint(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        load_checkpoint(tmp_path / checkpoint_name(1))


def test_list_is_by_step_and_takes_no_other_file(tmp_path: Path) -> None:
    # Beyond eight digits, order by name is not order by step.
    paths = save(tmp_path, 5, 99_999_999, 100_000_000)
    for name in ("step-5.h5", "step-00000001.h5.bak", ".step-00000001.h5.tmp", "model.h5", "step-0000000x.h5"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "step-00000002.h5").mkdir()
    (tmp_path / "step-00000003.h5").symlink_to(paths[0])
    assert list_checkpoints(tmp_path) == paths[::-1]
    assert list_checkpoints(tmp_path / "absent") == []


def test_newest_good_takes_the_newest(tmp_path: Path) -> None:
    save(tmp_path, 10, 30, 20)
    found, passed_over = newest_good(tmp_path)
    assert found is not None
    assert (found.state.progress.step, passed_over) == (30, [])


def test_newest_good_falls_back_and_says_why(tmp_path: Path) -> None:
    paths = save(tmp_path, 10, 20, 30)
    damage(paths[2])
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    found, passed_over = newest_good(tmp_path)
    assert found is not None
    assert found.state.progress.step == 10
    assert [text.split(": ")[0] for text in passed_over] == [str(paths[2]), str(paths[1])]
    assert "SHA-256 does not match" in passed_over[0]
    assert "cut short" in passed_over[1]


def test_no_good_checkpoint_is_an_error(tmp_path: Path) -> None:
    """To begin again in silence would throw the work away."""
    paths = save(tmp_path, 10, 20)
    for path in paths:
        damage(path)
    with pytest.raises(DataError) as caught:
        newest_good(tmp_path)
    for path in paths:
        assert str(path) in str(caught.value)


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert newest_good(tmp_path) == (None, [])
    assert newest_good(tmp_path / "absent") == (None, [])


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_prune_keeps_the_newest(tmp_path: Path, keep: int) -> None:
    save(tmp_path, 10, 20, 30, 40, keep=keep)
    assert [p.name for p in list_checkpoints(tmp_path)] == [checkpoint_name(s) for s in (40, 30, 20, 10)[:keep]]


def test_nothing_is_pruned_for_a_checkpoint_that_does_not_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes bytes and returns others must not cost the good ones."""
    import ddp_mlp.training.checkpoint as module

    save(tmp_path, 10, 20)
    write = module.write_whole
    monkeypatch.setattr(module, "write_whole", lambda path, image, check: write(path, image[:-1] + b"\1", check))
    with pytest.raises(DataError):
        save(tmp_path, 30, keep=1)
    found, _ = newest_good(tmp_path)
    assert found is not None
    assert found.state.progress.step == 20


def test_what_fits_is_resumed() -> None:
    checkpoint = checkpoint_of()
    same = checkpoint.config
    check_resumable(checkpoint, same, "0123abcd")
    for changed in [
        {"data": {"train": "/elsewhere/train.h5", "valid": "/elsewhere/valid.h5"}},
        {"train": {"dtype": "float32", "epochs": 500}},
        {"train": {"dtype": "float32", "micro_batches": 8}},
        {"checkpoint": {"every_epochs": 7, "keep": 1}},
    ]:
        check_resumable(checkpoint, config_of(**({"optimizer": {"name": "adam"}} | changed)), "0123abcd")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": {"hidden": [6]}}, "[model] hidden: [5] in the checkpoint, [6] now"),
        ({"model": {"activation": "tanh"}}, "[model] activation: 'relu' in the checkpoint, 'tanh' now"),
        ({"optimizer": {"name": "sgd"}}, "[optimizer] name: 'adam' in the checkpoint, 'sgd' now"),
        ({"optimizer": {"name": "adam", "beta1": 0.8}}, "[optimizer] beta1: 0.9 in the checkpoint, 0.8 now"),
        ({"train": {"seed": 1}}, "[train] seed: 0 in the checkpoint, 1 now"),
        ({"train": {"dtype": "float64"}}, "[train] dtype: 'float32' in the checkpoint, 'float64' now"),
        ({"train": {"global_batch_size": "full"}}, "[train] global_batch_size: 128 in the checkpoint, 'full' now"),
        ({"train": {"micro_batches": 16}}, "[train] micro_batches: 8 in the checkpoint, 16 now"),
        ({"data": {"valid_fraction": 0.5}}, "[data] valid_fraction: None in the checkpoint, 0.5 now"),
        ({"data": {"normalize": "unit"}}, "[data] normalize: 'auto' in the checkpoint, 'unit' now"),
    ],
)
def test_what_differs_is_named(changed: dict[str, Any], sentence: str) -> None:
    config = config_of(**({"optimizer": {"name": "adam"}} | changed))
    with pytest.raises(CheckpointError) as caught:
        check_resumable(checkpoint_of(), config, "0123abcd")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("step-00000040.h5 does not fit the configuration: ")


def test_other_data_is_named_and_everything_at_once() -> None:
    config = config_of(optimizer={"name": "adam"}, train={"seed": 3}, model={"hidden": [5, 5]})
    with pytest.raises(CheckpointError) as caught:
        check_resumable(checkpoint_of(), config, "other")
    for part in ("[train] seed", "[model] hidden", "the content of the data files", "--out"):
        assert part in str(caught.value)


def test_every_key_is_free_or_checked() -> None:
    """A new key is part of the run unless somebody decides that it is not, and says so here."""
    checkpoint = checkpoint_of()
    config = checkpoint.config
    free = set()
    for section, kind in sections().items():
        for key in keys(kind):
            changed = msgspec.structs.replace(getattr(config, section), **{key: "something else"})
            stored = msgspec.structs.replace(config, **{section: changed})
            try:
                check_resumable(replace(checkpoint, config=stored), config, "0123abcd")
            except CheckpointError:
                continue
            free.add(f"{section}.{key}")
    rules_of_stopping = {"train.early_stopping_patience", "train.target_loss"}
    assert free - rules_of_stopping == {
        "data.train",
        "data.valid",
        "train.epochs",
        "train.micro_batches",
        "train.timeout_s",
        "train.check_ranks_every",
        "train.shard_optimizer",
        "train.overlap",
        "checkpoint.every_epochs",
        "checkpoint.every_steps",
        "checkpoint.every_minutes",
        "checkpoint.keep",
    }
