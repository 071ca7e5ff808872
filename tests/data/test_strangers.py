"""Files that point elsewhere: what they point at is never opened.

The target is a FIFO that nobody writes to: whoever opens it waits for ever.
"""

from __future__ import annotations

import os
import sys

import h5py
import numpy as np
import pytest

from tests.runs import run


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    os.mkfifo(path)
    return path


def external_link(file, canary):
    file["train/features"] = h5py.ExternalLink(str(canary), "/x")


def link_to_a_group(file, canary):
    del file["train"]
    file["train"] = h5py.ExternalLink(str(canary), "/train")


def link_beside(file, canary):
    file["train/features"] = np.zeros((10, 2), np.float32)
    file["valid"] = h5py.ExternalLink(str(canary), "/valid")


def external_storage(file, canary):
    file.create_dataset("train/features", (10, 2), np.float32, external=[(str(canary), 0, 80)])


def virtual(file, canary):
    layout = h5py.VirtualLayout((10, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(canary), "x", (10, 2))
    file.create_virtual_dataset("train/features", layout)


CASES = [external_link, link_to_a_group, link_beside, external_storage, virtual]


@pytest.mark.parametrize("command", ["inspect", "train", "predict"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_target_is_not_opened(tmp_path, canary, case, command):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["train/targets"] = np.arange(10) % 2
        case(file, canary)
    (tmp_path / "c.toml").write_text('[data]\ntrain = "bad.h5"\n')
    arguments = {
        "inspect": ["data", "inspect", "bad.h5"],
        "train": ["train", "c.toml", "--out", "run"],
        "predict": ["predict", "bad.h5", "bad.h5", "--out", "p.npy"],
    }[command]
    done = run([sys.executable, "-m", "ddp_mlp", *arguments], tmp_path)  # hangs if it opens the canary
    assert "Traceback" not in done.err
    if case is link_beside and command == "inspect":  # it may show the rest
        assert done.code in (0, 65), done.err
        return
    assert done.code == 65, done.err
    assert len(done.error_lines) == 1, done.err


def test_no_plug_in_is_loaded(tmp_path, canary):
    """libhdf5 would open every library of the directory in search of a filter it does not know."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    canary.rename(plugins / "libcanary.so")
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["train/targets"] = np.arange(10) % 2
        features = file.create_dataset("train/features", (10, 2), np.float32, chunks=(10, 2), compression="gzip")
        features[:] = 1.0
    content = bytearray((tmp_path / "bad.h5").read_bytes())
    at = content.find(b"deflate")
    assert at > 0
    header = at - 8  # filter number, length of the name, flags, number of values, in two bytes each
    assert int.from_bytes(content[header : header + 2], "little") == 1
    content[header : header + 2] = (32015).to_bytes(2, "little")
    (tmp_path / "bad.h5").write_bytes(content)
    (tmp_path / "c.toml").write_text('[data]\ntrain = "bad.h5"\n')
    command = [sys.executable, "-m", "ddp_mlp", "train", "c.toml", "--out", "run"]
    done = run(command, tmp_path, HDF5_PLUGIN_PATH=str(plugins))
    assert done.code == 65, done.err
    assert "filter 32015 is not allowed" in done.err


def test_names_are_shown_as_text(tmp_path):
    """A terminal must not obey what a file is called."""
    done = run([sys.executable, "-m", "ddp_mlp", "data", "inspect", "a\x1b[2J\nb.h5"], tmp_path)
    assert done.code == 66
    assert "\x1b" not in done.err
    assert "a\\x1b[2J" in done.err
