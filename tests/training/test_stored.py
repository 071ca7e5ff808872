"""Sealed files that somebody else may have made: whole, and not to be believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.cli.main import cli
from ddp_mlp.errors import DataError
from ddp_mlp.training.checkpoint import load_checkpoint
from ddp_mlp.training.model import load_model
from ddp_mlp.training.sealed import USER_BLOCK, seal


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of a small run."""
    from click.testing import CliRunner

    folder = tmp_path_factory.mktemp("stored")
    (folder / "c.toml").write_text('[data]\ntrain = "m.h5"\n[model]\nhidden = [4]\n[train]\nepochs = 1\n')
    for arguments in (
        ["data", "make", "moons", "--samples", "200", "--out", str(folder / "m.h5")],
        ["train", str(folder / "c.toml"), "--out", str(folder / "run"), "--progress", "none"],
    ):
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)
        assert done.exit_code == 0, done.output
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


def without(name: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]

    return change


CASES: dict[str, tuple[Callable[[Any], object], str]] = {
    "external link": (external, "external links are not allowed"),
    "soft link": (soft, "soft links are not allowed"),
    "external storage": (raw_storage, "external storage is not allowed"),
    "virtual data set": (virtual, "virtual data sets are not allowed"),
    "shape bomb": (bomb, "GiB declared"),
    "pickle": (pickled, "cannot be read"),
    "no parameters": (without("parameters"), "/parameters is missing"),
    "other type": (replaced("format_version", "new"), "cannot be read"),
    "newer": (replaced("format_version", 99), "format 99"),
    "no JSON": (replaced("config", "{"), "cannot be read"),
    "JSON of another kind": (replaced("config", "[1]"), "not what this program writes"),
    "huge layer": (replaced("config", json.dumps({"data": {"train": "x"}, "model": {"hidden": [10**9]}})), "says"),
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
