"""Files from strangers: mutated data sets and checkpoints, read by a child with little memory and time."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from ddp_mlp.data.hdf5 import open_dataset
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.training.checkpoint import load_checkpoint
from ddp_mlp.training.sealed import USER_BLOCK, seal
from tests.faults.forks import ESCAPED, in_child
from tests.faults.stores import filled_store
from tests.faults.table import Row

_MEMORY_BYTES = 3 * 2**30  # of address space, of which libraries take one; a bomb would take more
_DEADLINE_S = 10.0
_REFUSED = 65


def write_dataset(path: Path) -> None:
    """Write a small data set with what HDF5 files have: chunks, filters, attributes, strings, several groups."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["format_version"], file.attrs["task"] = "ddp-mlp-dataset", 1, "multiclass"
        for split, n in (("train", 60), ("test", 20)):
            group = file.create_group(split)
            x = rng.normal(size=(n, 4)).astype(np.float32)
            features = group.create_dataset("features", data=x, chunks=(16, 4), compression="gzip", shuffle=True)
            features.attrs["names"] = ["a", "b", "c", "d"]
            targets = group.create_dataset("targets", data=rng.integers(0, 3, n), fletcher32=True)
            targets.attrs["class_names"] = ["red", "green", "blue"]


def mutated(content: bytes, rng: random.Random, first: int = 0) -> bytes:
    """Change some of the bytes from `first` on: single bits and bytes, sizes of 4 and 8 bytes, blocks, the length."""
    image = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(first, max(first + 1, len(image) - 8))
        kind = rng.randrange(6)
        if kind == 0:
            image[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            image[at] = rng.randrange(256)
        elif kind == 2:
            image[at : at + 4] = rng.choice((0, 1, 2**31 - 1, 2**32 - 1)).to_bytes(4, "little")
        elif kind == 3:
            image[at : at + 8] = rng.choice((0, 1, 2**40, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")
        elif kind == 4:
            size, other = rng.randrange(1, 64), rng.randrange(first, len(image))
            image[at : at + size] = image[other : other + size]
        else:
            del image[rng.randrange(max(first + 1, len(image) // 2), len(image)) :]
    return bytes(image)


def _read_dataset(path: Path) -> None:
    with open_dataset(str(path)) as data:
        data.fingerprint()
        for split in data.splits.values():
            split.read(0, split.n_samples)


def _outcome(read: Callable[[Path], object], path: Path, writer: int) -> int:
    with contextlib.redirect_stderr(None):
        try:
            read(path)
        except DdpMlpError as error:
            os.write(writer, str(error).encode(errors="backslashreplace")[:1000])
            return _REFUSED
        return 0


def mutations(n: int, seed: int = 0) -> list[Row]:
    """Read mutated data sets, and mutated checkpoints whose hash was made to fit again."""
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name, filled_store() as store:
        path = Path(name) / "data.h5"
        write_dataset(path)
        data, checkpoint = path.read_bytes(), store.image(7)
        return [
            _fuzz("mutated data sets", _read_dataset, path, lambda rng: mutated(data, rng), n, seed),
            _fuzz(
                "mutated checkpoints with a hash that fits",
                load_checkpoint,
                Path(name) / "step-00000007.h5",
                lambda rng: seal(mutated(checkpoint, rng, USER_BLOCK)),
                n,
                seed,
            ),
        ]


def _fuzz(
    name: str,
    read: Callable[[Path], object],
    path: Path,
    make: Callable[[random.Random], bytes],
    n: int,
    seed: int,
) -> Row:
    row, crashes, refused = Row(name), 0, 0
    for i in range(n):
        path.write_bytes(make(random.Random(f"{seed} {i}")))  # noqa: S311 - faults, not secrets
        child = in_child(
            lambda writer: _outcome(read, path, writer), deadline_s=_DEADLINE_S, memory_bytes=_MEMORY_BYTES
        )
        row.trials += 1
        refused += child.code == _REFUSED
        crashes += child.code < 0 and not child.timed_out
        row.check(good=not child.timed_out, otherwise=f"number {i}: still at it after {_DEADLINE_S:g} s")
        row.check(good=child.code != ESCAPED, otherwise=f"number {i}: {child.said[-600:]}")
        one_line = "\n" not in child.said.split("\n  /")[0]  # but for the tree of a file that has no data set in it
        row.check(good=one_line or child.code == ESCAPED, otherwise=f"number {i}: {child.said!r}")
    row.note = f"seed {seed}; {refused} refused, {n - refused - crashes} read, {crashes} crashes of libhdf5"
    return row
