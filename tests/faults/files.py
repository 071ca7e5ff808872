"""HDF5 files from strangers, as data sets, checkpoints and models, each read by a child of this warm process.

Memory, time and what is said are measured in the child; a directory beside it is watched by the kernel.
"""

from __future__ import annotations

import io
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ddp_mlp.checkpoint.checkpoint import checkpoint_image, load_checkpoint
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.checkpoint.sealed_hdf5 import USER_BLOCK, seal
from ddp_mlp.cli.inspection_text import text_lines
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.inspection import inspect_dataset
from ddp_mlp.errors import DdpMlpError
from tests.checkpoints import checkpoint_of
from tests.faults.canary import Canary, canary_in
from tests.faults.forks import ESCAPED, Child, in_child
from tests.faults.hdf5_recipes import CHANGES, RECIPES
from tests.faults.table import Row

_DEADLINE_S = 10.0
_REFUSED = 65
_NOT_MADE = -1000
_MAKERS_BYTES = 4 * 2**30
MIB = 2**20
# What the interpreter and h5py take for any file, beside what the file makes them take.
_FOR_ALL_BYTES = 24 * MIB


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is made, how it is read, and whether it is sealed."""

    name: str
    make: Callable[[random.Random], bytes]
    read: Callable[[Path], object]
    is_sealed: bool = False


@cache
def dataset_image(libver: str, user_block: int, is_own: bool, is_packed: bool) -> bytes:
    """Return a small data set with what HDF5 files have: chunks, filters, attributes, texts, several groups."""
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    packing: dict[str, Any] = {"chunks": (16, 4), "compression": "gzip", "shuffle": True} if is_packed else {}
    with h5py.File(buffer, "w", libver=(libver, "latest"), userblock_size=user_block) as file:
        if is_own:
            file.attrs["format"], file.attrs["format_version"], file.attrs["task"] = "ddp-mlp-dataset", 1, "multiclass"
        for split, n in (("train", 60), ("test", 20)):
            group = file.create_group(split)
            features = group.create_dataset("features", data=rng.normal(size=(n, 4)).astype(np.float32), **packing)
            features.attrs["names"] = ["a", "b", "c", "d"]
            targets = group.create_dataset("targets", data=rng.integers(0, 3, n), fletcher32=is_packed)
            targets.attrs["class_names"] = ["red", "green", "blue"]
    return buffer.getvalue()


@cache
def _checkpoint_image(optimizer: str) -> bytes:
    return checkpoint_image(checkpoint_of(optimizer=optimizer))


def _a_dataset(rng: random.Random) -> bytes:
    libver = rng.choice(("earliest", "v108", "v110", "latest"))
    return dataset_image(libver, rng.choice((0, 0, 512)), rng.random() < 0.6, rng.random() < 0.6)


def _a_checkpoint(rng: random.Random) -> bytes:
    return _checkpoint_image(rng.choice(("sgd", "adam")))


def _read_dataset(path: Path) -> None:
    """Read all of a data set twice, which must give the same, and look at it as `data inspect` does."""
    text_lines(inspect_dataset(path))
    prints = []
    for _ in range(2):
        with open_dataset(path) as data:
            prints.append(data.fingerprint())
    assert prints[0] == prints[1]


KINDS = (
    Kind("data sets", _a_dataset, _read_dataset),
    Kind("checkpoints", _a_checkpoint, load_checkpoint, is_sealed=True),
    Kind("models", _a_checkpoint, load_model, is_sealed=True),
)


def write_hostile(kind: Kind, path: Path, canary: Canary, rng: random.Random) -> str:
    """Write a file that a stranger made of a good one, and return what was done to it."""
    path.write_bytes(kind.make(rng))
    done = []
    if rng.random() < 0.65:
        with h5py.File(path, "r+", libver=rng.choice((("earliest", "v110"), ("latest", "latest")))) as file:
            for recipe in rng.choices(RECIPES, k=rng.choice((1, 1, 2))):
                with suppress(ValueError, RuntimeError, OSError, TypeError, KeyError):  # h5py would not have that
                    recipe(file, canary, rng)
                done.append(recipe.__name__)
    if not done or rng.random() < 0.15:
        name = rng.choice(tuple(CHANGES))
        done.append(name)
        path.write_bytes(CHANGES[name](path.read_bytes(), rng))
    image = path.read_bytes()
    if kind.is_sealed and len(image) > USER_BLOCK:
        path.write_bytes(seal(image))
    return "+".join(done)


def written_by_a_child(kind: Kind, path: Path, canary: Canary, rng: random.Random) -> Child:
    """Let a child write a file: libhdf5 may end in a segmentation fault while it writes what a stranger would."""

    def action(writer: int) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(writer, write_hostile(kind, path, canary, rng).encode())
        return 0

    return in_child(action, deadline_s=_DEADLINE_S, memory_bytes=_MAKERS_BYTES)


def read_by_a_child(read: Callable[[Path], object], path: Path) -> Child:
    """Let a child read a file; it ends with 0, 65, or as an exception that got through."""

    def action(writer: int) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            read(path)
        except DdpMlpError as error:
            os.write(writer, str(error).encode(errors="backslashreplace")[:4000])
            return _REFUSED if error.exit_code == _REFUSED else ESCAPED
        return 0

    return in_child(action, deadline_s=_DEADLINE_S)


def hostile_files(n: int, seed: int = 0) -> list[Row]:
    """Read files from strangers, as many of each kind."""
    rows = []
    # In memory, so that thousands are written quickly.
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a directory of its own
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-", dir=where) as name, canary_in(Path(name)) as canary:
        for kind in KINDS:
            path = Path(name) / ("step-00000040.h5" if kind.is_sealed else "data.h5")
            rows.append(_read_all(kind, path, canary, -(-n // len(KINDS)), seed))
    return rows


def _read_all(kind: Kind, path: Path, canary: Canary, n: int, seed: int) -> Row:
    row, codes, most, index = Row(f"hostile HDF5 files as {kind.name}"), Counter[int](), 0, -1
    for warm in range(20):  # the images are kept, for children too
        kind.make(random.Random(warm))  # noqa: S311 - faults, not secrets
    before = in_child(lambda _: 0).peak_bytes
    while row.trials < n:
        index += 1
        made = written_by_a_child(kind, path, canary, random.Random(f"{seed} {kind.name} {index}"))  # noqa: S311
        if made.code != 0:
            codes[_NOT_MADE] += 1
            continue
        size = path.stat().st_size
        canary.events()  # of making it
        started = os.times().elapsed
        child = read_by_a_child(kind.read, path)
        row.seconds.append(os.times().elapsed - started)
        row.trials += 1
        codes[child.code] += 1
        growth = child.peak_bytes - before
        most = max(most, growth)
        label = f"number {index} ({made.said})"
        row.check(good=not child.timed_out, otherwise=f"{label}: still at it after {_DEADLINE_S:g} s")
        row.check(good=child.code in (0, _REFUSED), otherwise=f"{label}: ended with {child.code}: {child.said[-600:]}")
        row.check(good=_is_one_line(child), otherwise=f"{label}: {child.said[:300]!r}")
        allowed = max(64 * MIB, 4 * size) + _FOR_ALL_BYTES
        row.check(good=growth < allowed, otherwise=f"{label}: {growth / MIB:.0f} MiB, {allowed / MIB:.0f} allowed")
        touched = canary.events()
        row.check(good=not touched, otherwise=f"{label}: {touched} outside of the file")
    said = f"{codes[_REFUSED]} refused, {codes[0]} read, {codes[_NOT_MADE]} not made"
    row.note = f"seed {seed}; {said}; at most {most / MIB:.0f} MiB more memory"
    return row


def _is_one_line(child: Child) -> bool:
    """Tell whether what was said is one line; that of a file without a data set is followed by its tree."""
    return child.code == ESCAPED or (
        "\n" not in child.said.split("\n  ")[0] and len(child.said.split("\n  ")[0]) < 1500
    )
