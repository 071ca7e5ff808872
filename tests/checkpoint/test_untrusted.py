"""Sealed files that somebody else may have made: whole, and not to be believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.checkpoint.checkpoint import load_checkpoint
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.checkpoint.sealed_hdf5 import USER_BLOCK, seal
from ddp_mlp.errors import DataError
from tests.runs import ddp_mlp, prepare, train_here


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of a small run."""
    config = '[data]\ntrain = "moons.h5"\n[model]\nhidden = [4]\n[train]\nepochs = 1\n'
    folder = prepare(tmp_path_factory.mktemp("stored"), config, "moons", 200)
    train_here(folder, "run")
    return next((folder / "run" / "checkpoints").glob("*.h5"))


def forged(checkpoint: Path, path: Path, change: Callable[[Any], object]) -> Path:
    """Change a copy through h5py, and let the hash fit again."""
    path.write_bytes(checkpoint.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(seal(path.read_bytes()))
    return path


def external(file: Any) -> None:
    del file["parameters"]
    file["parameters"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file: Any) -> None:
    file.move("parameters", "elsewhere")
    file["parameters"] = h5py.SoftLink("/elsewhere")


def raw_storage(file: Any) -> None:
    n = file["parameters"].shape[0]
    del file["parameters"]
    file.create_dataset("parameters", (n,), np.float32, external=[("/etc/passwd", 0, 4 * n)])


def virtual(file: Any) -> None:
    n = file["parameters"].shape[0]
    del file["parameters"]
    layout = h5py.VirtualLayout((n,), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (n,))
    file.create_virtual_dataset("parameters", layout)


def bomb(file: Any) -> None:
    del file["parameters"]
    file.create_dataset("parameters", (10**15,), np.float32, chunks=(2**20,), compression="gzip")


def pickled(file: Any) -> None:
    file.attrs["config"] = np.void(b"\x80\x04\x95cos\nsystem\n")


def replaced(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.attrs[name] = value

    return change


def redescribed(**changes: Any) -> Callable[[Any], None]:
    """Change what a model says of its data."""

    def change(file: Any) -> None:
        file.attrs["data"] = json.dumps({**json.loads(file.attrs["data"]), **changes})

    return change


def without(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


def retold(**changes: Any) -> Callable[[Any], None]:
    """Change the progress that a checkpoint tells of; a callable gets the old value."""

    def change(file: Any) -> None:
        told = json.loads(file["progress"].asstr()[()])
        for name, value in changes.items():
            told[name] = value(told[name]) if callable(value) else value
        del file["progress"]
        file["progress"] = json.dumps(told)

    return change


def in_row(**changes: Any) -> Callable[[Any], None]:
    return retold(last_row=lambda row: {**row, **changes})


def with_rows(**tables: Any) -> Callable[[Any], None]:
    """Let a checkpoint carry rows of tables."""

    def change(file: Any) -> None:
        file["rows"] = json.dumps(tables)

    return change


ROW: dict[str, Any] = {"epoch": 1, "step": 2, "train_loss": 1.0, "valid_loss": ""}
HASHES = {"epoch": "1", "step": "2", "weights_sha256": "ab" * 32}
HASHES |= {f"layer{k}.{part}": "cd" * 8 for k in (1, 2) for part in ("weight", "bias")}
#: What a run cannot have come to.
STORIES: dict[str, tuple[Callable[[Any], object], str]] = {
    "an epoch too many": (retold(epoch=10**6), "the last row is not that of epoch 1000000"),
    "a negative step": (retold(step=-1), "step = -1"),
    "a step beyond all numbers": (retold(step=10**30), "step = 1000000000000000000000000000000"),
    "a best epoch to come": (retold(best_epoch=7), "best_epoch = 7 after 1 epochs"),
    "a best epoch without a row": (retold(best_row={}), "the best row is not that of epoch 1"),
    "a best row without an epoch": (retold(best_epoch=0), "the best row is not that of epoch 0"),
    "a sum that is none": (retold(loss_sum=float("nan")), "loss_sum = nan"),
    "losses without weight": (retold(position=1, loss_sum=1.0, weight_sum=0.0), "weight_sum = 0.0"),
    "less weight than none": (retold(position=1, weight_sum=-1.0), "weight_sum = -1.0"),
    "more left out than done": (retold(n_skipped=1), "1 of 0 steps of the epoch left out"),
    "left out beyond all numbers": (retold(n_skipped_total=2**60), "n_skipped_total = 1152921504606846976"),
    "a column that is a norm of nothing": (in_row(grad_norm=None), "the last row is not that of an epoch"),
    "a factor below 0": (retold(plateau_factor=-1), "plateau_factor = -1"),
    "a factor above 1": (retold(plateau_factor=2.0), "plateau_factor = 2.0"),
    "a factor without plateaus": (retold(plateau_factor=0.5), "with [schedule] name = 'constant'"),
    "a negative norm": (retold(norm_sum=-1.0), "norm_sum = -1.0"),
    "a negative penalty": (retold(penalty_sum=-1e-300), "penalty_sum = -1e-300"),
    "a loss below all": (retold(best_loss=float("-inf")), "best_loss = -inf"),
    "norms of other layers": (retold(layer_norm_sums=[1.0] * 99), "99 layer norms"),
    "no last row": (retold(last_row={}), "the last row is not that of epoch 1"),
    "a row that is none": (retold(last_row=["x"]), "cannot be read"),
    "a text in a row": (in_row(train_loss="=cmd()"), "the last row is not that of an epoch"),
    "a table in a row": (in_row(train_loss={"a": 1}), "the last row is not that of an epoch"),
    "a number beyond all in a row": (in_row(step=10**400), "the last row is not that of an epoch"),
    "a step that is none": (in_row(step=1.5), "the last row is not that of an epoch"),
    "the row of another epoch": (in_row(epoch=5), "the last row is not that of epoch 1"),
    "a column of its own": (in_row(**{"\x1b[2J=x": 1}), "the last row has other columns"),
    "columns in another order": (
        retold(last_row=lambda row: dict(sorted(row.items()))),
        "the last row has other columns",
    ),
    "no loss": (retold(last_row={"epoch": 1}), "the last row has other columns"),
    "a best row of other columns": (retold(best_row=ROW), "the best row has other columns"),
    "a hash that is none": (retold(history_sha256="x"), "history_sha256 = 'x'"),
    "no hash": (retold(history_sha256=""), "history_sha256 = ''"),
    "a hash of nothing": (retold(epoch=0, best_epoch=0, last_row={}, best_row={}), "history_sha256 = "),
    "an old history of no rows": (retold(history=[]), "0 rows of history after 1 epochs"),
    "an old history of rows that are none": (retold(history=["x"]), "cannot be read"),
    "an old history of another epoch": (retold(history=[ROW | {"epoch": 2}]), "row 1 of the history is not"),
    "an old history of two widths": (
        retold(history=[ROW, {"epoch": 2}], epoch=2),
        "row 2 of the history has other columns",
    ),
    "carried rows that are none": (with_rows(metrics=[1]), "cannot be read"),
    "carried rows of another table": (with_rows(metrics=[{"epoch": "1"}]), "a row after that of epoch 0 that is none"),
    "a carried formula": (with_rows(hashes=[HASHES | {"step": "=cmd()"}]), "a row after that of epoch 0 that is none"),
    "a carried row of an epoch to come": (with_rows(hashes=[HASHES | {"epoch": "2"}]), "a row of epoch 2 between"),
    "a carried row twice": (with_rows(hashes=[HASHES, HASHES]), "a row of epoch 1 between those of 1 and 1"),
    "no end of brackets": (lambda file: _write(file, "[" * 10**6), "cannot be read"),
    "a number without end": (lambda file: _write(file, '{"step": ' + "9" * 10**6 + "}"), "cannot be read"),
    "no best weights": (retold(position=1, n_samples=1, weight_sum=1.0), "/best_parameters is missing"),
    "no parts": (replaced("micro_batches", 0), "micro_batches = 0"),
    "three parts": (replaced("micro_batches", 3), "micro_batches = 3"),
    "parts beyond memory": (replaced("micro_batches", 2**40), "micro_batches = 1099511627776"),
    "a writer that is none": (replaced("written_by", "[]"), "cannot be read"),
}


def _write(file: Any, text: str) -> None:
    del file["progress"]
    file["progress"] = text


CASES: dict[str, tuple[Callable[[Any], object], str]] = {
    "external link": (external, "external links are not allowed"),
    "soft link": (soft, "soft links are not allowed"),
    "external storage": (raw_storage, "external storage is not allowed"),
    "virtual data set": (virtual, "virtual data sets are not allowed"),
    "shape bomb": (bomb, "GiB declared"),
    "pickle": (pickled, "attribute config is opaque"),
    "no parameters": (without("parameters"), "/parameters is missing"),
    "other type": (replaced("format_version", "new"), "cannot be read"),
    "newer": (replaced("format_version", 99), "format 99"),
    "no JSON": (replaced("config", "{"), "cannot be read"),
    "JSON of another kind": (replaced("config", "[1]"), "not what this program writes"),
    "huge layer": (replaced("config", json.dumps({"data": {"train": "x"}, "model": {"hidden": [10**7]}})), "says"),
    "a normalisation without end": (replaced("normalization_kind", "x" * 60_000), "60000 characters"),
    "another task": (redescribed(task="x" * 1000), "data: Invalid enum value"),
    "no features": (redescribed(n_features=0), "0 features and 1 outputs"),
    "fewer outputs than none": (redescribed(n_outputs=-1), "2 features and -1 outputs"),
    "names of other features": (redescribed(feature_names=["a"] * 5), "5 feature names where there are 2"),
    "names of other classes": (redescribed(class_names=["a"]), "1 class names where there are 2"),
    "names of other targets": (redescribed(target_names=[]), "0 target names where there are 1"),
    "another image": (redescribed(image_shape=[2**62, 2**62]), "an image shape of 2 numbers"),
    "unknown normalisation": (replaced("normalization_kind", "\x1b[2Jx"), "\\x1b[2Jx"),
}


@pytest.mark.parametrize("load", [load_checkpoint, load_model])
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_ours_is_refused(checkpoint, tmp_path, case, load):
    change, phrase = CASES[case]
    path = forged(checkpoint, tmp_path / "step-00000007.h5", change)
    with pytest.raises(DataError) as caught:
        load(path)
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("case", STORIES)
def test_a_story_that_cannot_be_is_refused(checkpoint, tmp_path, case):
    change, phrase = STORIES[case]
    path = forged(checkpoint, tmp_path / "step-00000007.h5", change)
    with pytest.raises(DataError) as caught:
        load_checkpoint(path)
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(path) in str(caught.value)


def test_a_forged_story_is_one_line_and_65_where_a_run_goes_on(checkpoint, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    forged(checkpoint, run / "checkpoints" / "step-00000007.h5", retold(epoch=3))
    done = ddp_mlp("train", checkpoint.parents[2] / "c.toml", "--out", run, "--resume", cwd=tmp_path)
    assert (done.code, len(done.error_lines)) == (65, 1), done.err
    assert "no good checkpoint" in done.error_lines[0]


def test_an_unchanged_one_is_read(checkpoint, tmp_path):
    path = forged(checkpoint, tmp_path / "step-00000007.h5", lambda _: None)
    assert load_checkpoint(path).state.progress.step == load_checkpoint(checkpoint).state.progress.step


def test_a_heap_that_has_no_end_is_refused(checkpoint, tmp_path):
    """libhdf5 would go round in it for ever."""
    image = bytearray(checkpoint.read_bytes())
    at = image.find(b"GCOL", USER_BLOCK)
    assert at > 0
    image[at + 16 : at + 32] = b"\0" * 16
    path = tmp_path / "step-00000007.h5"
    path.write_bytes(seal(bytes(image)))
    with pytest.raises(DataError, match="an object without size"):
        load_checkpoint(path)
