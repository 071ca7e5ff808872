"""Events of a run, read by TensorBoard's own reader: each epoch once, over restarts, and a full disk stops nothing."""

from __future__ import annotations

import csv
import errno
import os
import sys

import pytest

from ddp_mlp.errors import StorageError, UsageError
from ddp_mlp.run.files.event_file import EventFile, require_tensorboard, tag_of
from tests.runs import MOONS, ddp_mlp, prepare

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed (pip install 'ddp-mlp[tensorboard]')")

CONFIG = f"{MOONS}learning_rate = 0.02\n[train]\nepochs = 5\ntensorboard = true\nlog_layer_norms = true\n"


def fail(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


def scalars(folder):
    """Return step and value of each tag, as TensorBoard shows them."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no TensorBoard here")
    found = reader.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def check_same_as_table(folder):
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    shown = scalars(folder)
    for name in set(rows[0]) - {"step"}:
        expected = [(int(row["step"]), float(row[name])) for row in rows]
        assert [step for step, _ in shown[tag_of(name)]] == [step for step, _ in expected], name
        assert [v for _, v in shown[tag_of(name)]] == pytest.approx([v for _, v in expected], rel=1e-4), name
    return rows


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_tensorboard_shows_the_rows_of_the_table_over_restarts_too(tmp_path):
    folder = prepare(tmp_path, CONFIG, "moons", 100)
    assert ddp_mlp("train", "c.toml", "--out", "a", cwd=folder).code == 0
    assert len(check_same_as_table(folder / "a")) == 5
    again = ["train", "c.toml", "--out", "a", "--resume", "--set", "train.epochs=8"]
    assert ddp_mlp(*again, cwd=folder).code == 0
    assert len(check_same_as_table(folder / "a")) == 8
    assert len(list((folder / "a/tensorboard").iterdir())) == 2
    other = folder / "a/tensorboard/mine.txt"
    other.write_text("x")
    assert ddp_mlp("train", "c.toml", "--out", "a", "--overwrite", cwd=folder).code == 0
    assert len(check_same_as_table(folder / "a")) == 5  # none of the run that was there before
    assert other.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_steps_that_are_taken_again_are_shown_once(tmp_path):
    for start, steps, offset in ((0, (8, 16, 24, 32), 0), (16, (24, 32, 40), 100)):  # the second goes on after step 16
        events = EventFile(tmp_path, start)
        events.append([{"epoch": step // 8, "step": step, "train_loss": step + offset} for step in steps])
        events.sync()
    assert scalars(tmp_path)["loss/train"] == [(8, 8), (16, 16), (24, 124), (32, 132), (40, 140)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_rows_wait_for_a_disk_that_is_full(tmp_path, monkeypatch):
    events = EventFile(tmp_path, 0)
    events.append([{"step": 1, "train_loss": 1.0, "valid_loss": ""}])
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        with pytest.raises(StorageError):
            events.sync()
    events.append([{"step": 2, "train_loss": 2.0, "valid_loss": float("nan")}])
    events.sync()
    assert scalars(tmp_path)["loss/train"] == [(1, 1.0), (2, 2.0)]


def test_what_is_missing_is_said_before_anything_else(tmp_path, monkeypatch):
    folder = prepare(tmp_path, CONFIG, "moons", 40)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UsageError, match="pip install 'ddp-mlp\\[tensorboard\\]'"):
        require_tensorboard()
    done = ddp_mlp("train", "c.toml", "--out", "a", cwd=folder)
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert not (folder / "a").exists()
