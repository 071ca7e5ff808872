"""Rows that lie in the file in one piece are copied from there: the values that h5py reads."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.hdf5.guard import open_readonly
from ddp_mlp.data.hdf5.nodes import root
from ddp_mlp.errors import DataError


@pytest.mark.parametrize("userblock", [0, 1024])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_values_are_those_of_h5py(tmp_path: Path, userblock: int, libver: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "d.h5"
    with h5py.File(path, "w", userblock_size=userblock, libver=libver) as file:
        file["f4"] = rng.normal(size=(50, 3)).astype(">f4")
        file["i2"] = rng.integers(-9, 9, (50, 2, 2)).astype("<i2")
        file["bool"] = rng.random((50, 4)) < 0.5
        file["flat"] = rng.normal(size=50)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        small = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((50,)), compact)
        small.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(50, dtype=np.int32))
    with open_readonly(path) as opened, h5py.File(path) as file:
        for name in ("f4", "i2", "bool", "flat", "compact"):
            array = root(opened).follow(name).accept()  # type: ignore[union-attr]
            assert (array.place is None) == (name == "compact")
            for start, stop in ((0, 50), (7, 8), (49, 50), (5, 5)):
                found = array.read(start, stop)
                np.testing.assert_array_equal(found, file[name][start:stop])
                assert found.dtype.newbyteorder("=") == file[name].dtype.newbyteorder("=")


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as file:
        file["train/features"] = np.ones((1000, 8))
        file["train/targets"] = np.arange(1000) % 2
    with open_dataset(path) as opened:
        with path.open("r+b") as raw:
            raw.truncate(path.stat().st_size - 40_000)
        with pytest.raises(DataError, match="beyond its end"):
            opened.splits["train"].read(0, 1000)
