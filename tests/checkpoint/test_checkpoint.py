"""Checkpoints: everything comes back, damage falls back and says so, and only a fitting one is resumed."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.checkpoint import (
    Checkpoint,
    checkpoint_image,
    checkpoint_name,
    list_checkpoints,
    load_checkpoint,
    newest_good,
    prune_checkpoints,
    save_checkpoint,
    step_of,
)
from ddp_mlp.checkpoint.history import cells_of, extended
from ddp_mlp.checkpoint.model import Model, load_model, model_image
from ddp_mlp.checkpoint.resuming import check_content, check_resumable, resumed_config
from ddp_mlp.checkpoint.sealed_hdf5 import make_image
from ddp_mlp.config.schema import keys, sections
from ddp_mlp.errors import CheckpointError, DataError, MissingInputError
from tests.checkpoints import FACTS, HISTORY, checkpoint_of, config_of


def save(directory: Path, *steps: int) -> list[Path]:
    return [save_checkpoint(directory, checkpoint_image(checkpoint_of(step)), step) for step in steps]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_comes_back(tmp_path: Path, dtype: str, optimizer: str) -> None:
    written = checkpoint_of(40, dtype, optimizer)
    path = save_checkpoint(tmp_path, checkpoint_image(written), 40)
    assert path == tmp_path / "step-00000040.h5"
    read = load_checkpoint(path)
    assert read.path == path
    for found, expected in [
        (read.state.parameters, written.state.parameters),
        (read.state.moments, written.state.moments),
        (read.state.best, written.state.best),
        (read.normalization.offset, written.normalization.offset),
        (read.normalization.scale, written.normalization.scale),
    ]:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    assert read.normalization.kind == "standard"
    for field in ("config", "schema", "network", "fingerprint", "micro_batches", "written_by"):
        assert getattr(read, field) == getattr(written, field), field
    assert read.state.progress == written.state.progress, "every bit of every number, and the empty cells"


def test_best_loss_may_still_be_infinite(tmp_path: Path) -> None:
    written = checkpoint_of()
    written.state.progress.best_loss = float("inf")
    path = save_checkpoint(tmp_path, checkpoint_image(written), 40)
    assert load_checkpoint(path).state.progress.best_loss == float("inf")


def test_rows_that_the_tables_lack_come_back(tmp_path: Path) -> None:
    """100 columns, 1000 epochs: far more than the 64 KiB that an attribute holds."""
    written = checkpoint_of()
    written.state.progress.epoch, written.state.progress.position = 1000, 0
    layers = [part.name for part in written.network.layout.segments()]
    row = {**HISTORY[1], **{f"grad_norm_layer{k}.weight": 1 / (k + 1) for k in range(100)}, "epoch": 1000}
    written.state.progress.last_row, written.state.progress.best_row = row, {**row, "epoch": 1}
    metrics = tuple(cells_of({**row, "epoch": epoch}) for epoch in range(1, 1001))
    hashes = ({"epoch": "7", "step": "9", "weights_sha256": "ab" * 32} | dict.fromkeys(layers, "ab" * 8),)
    image = checkpoint_image(replace(written, metrics=metrics, hashes=hashes))
    read = load_checkpoint(save_checkpoint(tmp_path, image, 40))
    assert (read.metrics, read.hashes) == (metrics, hashes)
    assert len(checkpoint_image(read)) == len(image)


def as_format_1(checkpoint: Checkpoint, history: list[dict[str, Any]]) -> bytes:
    """Return a checkpoint as it was before: with the whole history, and nothing that is remembered of it."""

    def fill(file: Any) -> None:
        with h5py.File(io.BytesIO(checkpoint_image(checkpoint))) as new:
            for name in new:
                new.copy(name, file)
            file.attrs.update(new.attrs)
        told = json.loads(file["progress"].asstr()[()])
        for name in ("last_row", "best_row", "history_sha256", "n_skipped_total"):
            del told[name]
        del file["progress"]
        file["progress"] = json.dumps(told | {"history": history})
        file.attrs["format_version"] = 1

    return make_image(fill)


def test_format_1_is_read(tmp_path: Path) -> None:
    written = checkpoint_of()
    history = [{**row, "skipped_steps": 2} for row in HISTORY]
    written.state.progress.n_skipped = 1
    path = tmp_path / checkpoint_name(40)
    path.write_bytes(as_format_1(written, history))
    read = load_checkpoint(path)
    progress = read.state.progress
    assert (progress.last_row, progress.best_row, progress.n_skipped_total) == (history[1], history[0], 5)
    assert read.metrics == tuple(map(cells_of, history))
    assert progress.history_sha256 == extended(extended("", read.metrics[0]), read.metrics[1])
    again = tmp_path / "again.h5"
    again.write_bytes(checkpoint_image(read))
    assert load_checkpoint(again).state.progress == progress


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
    assert (model.epoch, model.step, model.schema) == (2, 7, FACTS)


def test_newer_format_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_of()
    image = checkpoint_image(checkpoint)
    path = tmp_path / "step-00000001.h5"

    def fill(file: Any) -> None:
        path.write_bytes(image)
        with h5py.File(path) as old:
            for name in old:
                old.copy(name, file)
            for name, value in old.attrs.items():
                file.attrs[name] = value
        file.attrs["format_version"] = 99

    path.write_bytes(make_image(fill))
    with pytest.raises(DataError, match=r"format 99, but this program reads up to 2; update"):
        load_checkpoint(path)


def test_a_model_is_not_a_checkpoint(tmp_path: Path) -> None:
    c = checkpoint_of()
    model = Model(c.config, c.schema, c.network, c.normalization, c.state.parameters, 2, 40)
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
    save(tmp_path, 10, 20, 30, 40)
    prune_checkpoints(tmp_path, keep, 40)
    assert steps(tmp_path) == [40, 30, 20, 10][:keep]


def steps(directory: Path) -> list[int]:
    return [step_of(path) for path in list_checkpoints(directory)]


def test_prune_spares_what_was_told_of_and_does_not_count_what_is_not_reached(tmp_path: Path) -> None:
    """A damaged one of step 40 was passed over: it must not be the reason that the newest good one goes."""
    save(tmp_path, 10, 20, 25, 40)
    prune_checkpoints(tmp_path, 1, 25, spare=checkpoint_name(10))
    assert steps(tmp_path) == [40, 25, 10]


def test_what_does_not_read_back_is_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes bytes and returns others."""
    from ddp_mlp.checkpoint import sealed_hdf5 as sealed

    save(tmp_path, 10, 20)
    write = sealed.write_whole
    monkeypatch.setattr(sealed, "write_whole", lambda path, image, check: write(path, image[:-1] + b"\1", check))
    with pytest.raises(DataError):
        save(tmp_path, 30)
    found, _ = newest_good(tmp_path)
    assert found is not None
    assert found.state.progress.step == 20


def test_a_checkpoint_is_what_it_says_inside(tmp_path: Path) -> None:
    """Renamed, copied, and a damaged one in between: the newest by content is found, and names are told of."""
    paths = save(tmp_path, 10, 20, 30)
    shutil.copy(paths[0], tmp_path / checkpoint_name(99))
    shutil.copy(paths[1], tmp_path / checkpoint_name(98))
    (tmp_path / checkpoint_name(97)).write_bytes(b"")
    found, passed_over = newest_good(tmp_path)
    assert found is not None
    assert (found.path, found.state.progress.step) == (paths[2], 30)
    assert [text.split(": ")[0] for text in passed_over] == [str(tmp_path / checkpoint_name(n)) for n in (99, 97, 98)]
    assert "holds step 10, whatever its name says" in passed_over[0]
    paths[2].rename(tmp_path / checkpoint_name(100))
    found, passed_over = newest_good(tmp_path)
    assert found is not None
    assert (found.path.name, found.state.progress.step) == (checkpoint_name(100), 30)
    assert len(passed_over) == 3


def test_what_fits_is_resumed() -> None:
    checkpoint = checkpoint_of()
    same = checkpoint.config
    check_resumable(checkpoint, same)
    for changed in [
        {"data": {"train": "/elsewhere/train.h5", "valid": "/elsewhere/valid.h5"}},
        {"train": {"dtype": "float32", "epochs": 500}},
        {"train": {"dtype": "float32", "micro_batches": 8}},
        {"checkpoint": {"every_epochs": 7, "keep": 1}},
    ]:
        check_resumable(checkpoint, config_of(**({"optimizer": {"name": "adam"}} | changed)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": {"hidden": [6]}}, "[model] hidden: [5] in the checkpoint, [6] now"),
        ({"model": {"activation": "tanh"}}, "[model] activation: 'relu' in the checkpoint, 'tanh' now"),
        ({"optimizer": {"name": "sgd"}}, "[optimizer] name: 'adam' in the checkpoint, 'sgd' now"),
        ({"optimizer": {"name": "adam", "beta1": 0.8}}, "[optimizer] beta1: 0.9 in the checkpoint, 0.8 now"),
        ({"train": {"seed": 1}}, "[train] seed: 0 in the checkpoint, 1 now"),
        ({"train": {"dtype": "float64"}}, "[train] dtype: 'float32' in the checkpoint, 'float64' now"),
        ({"train": {"global_batch_size": "full"}}, "[train] global_batch_size: 64 in the checkpoint, 'full' now"),
        ({"train": {"micro_batches": 16}}, "[train] micro_batches: 8 in the checkpoint, 16 now"),
        ({"data": {"valid_fraction": 0.5}}, "[data] valid_fraction: None in the checkpoint, 0.5 now"),
        ({"data": {"normalize": "unit"}}, "[data] normalize: 'auto' in the checkpoint, 'unit' now"),
    ],
)
def test_what_differs_is_named(changed: dict[str, Any], sentence: str) -> None:
    config = config_of(**({"optimizer": {"name": "adam"}} | changed))
    with pytest.raises(CheckpointError) as caught:
        check_resumable(checkpoint_of(), config)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("step-00000040.h5 does not fit the configuration: ")


def test_other_data_is_named_and_everything_at_once() -> None:
    config = config_of(optimizer={"name": "adam"}, train={"seed": 3}, model={"hidden": [5, 5]})
    with pytest.raises(CheckpointError) as caught:
        check_resumable(checkpoint_of(), config)
    for part in ("[train] seed", "[model] hidden", "--out"):
        assert part in str(caught.value)
    check_content(checkpoint_of(), "0123abcd")
    with pytest.raises(CheckpointError, match="the content of the data files"):
        check_content(checkpoint_of(), "other")


def test_rows_that_validate_are_those_of_the_beginning():
    """Before there was a seed for them, that of training chose them."""
    began = replace(checkpoint_of(), config=config_of(data={"split_seed": 5}))
    assert resumed_config(began, config_of())[0].data.split_seed == 5
    assert resumed_config(began, config_of(data={"split_seed": 6}))[0].data.split_seed == 6


def test_every_key_is_free_or_checked() -> None:
    """A new key is part of the run unless somebody decides that it is not, and says so here."""
    checkpoint = checkpoint_of()
    config = checkpoint.config
    free = set()
    for section, kind in sections().items():
        for key in keys(kind):
            other = "step" if (section, key) == ("schedule", "name") else "something else"
            changed = msgspec.structs.replace(getattr(config, section), **{key: other})
            stored = msgspec.structs.replace(config, **{section: changed})
            try:
                check_resumable(replace(checkpoint, config=stored), config)
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
        "train.tensorboard",
        "train.check_ranks_every",
        "train.shard_optimizer",
        "train.overlap",
        "checkpoint.every_epochs",
        "checkpoint.every_steps",
        "checkpoint.every_minutes",
        "checkpoint.keep",
    }
