"""Arrays whose dimensions are reversed: read as meant where their writer is known, else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError

X = np.arange(120, dtype="f8").reshape(40, 3)
Y = X[:, 0] * 0.5
MATLAB = {"MATLAB_class": np.bytes_("double")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.mat"


def write(path: Path, mark: dict[str, Any], chunks: tuple[int, ...] | None = None, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            tiles = tuple(map(min, chunks, values.shape)) if chunks and values.ndim == len(chunks) else None
            file.create_dataset(name, data=values, chunks=tiles, compression="gzip" if tiles else None)
            file[name].attrs.update(mark)
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": X.T, "y": Y},
        {"X": X.T, "y": Y[None, :]},
        {"X": X.T, "y": Y[:, None]},
        {"X": X, "y": Y[None, :]},
        {"X": X.T, "y": np.stack([Y, Y]), "weights": np.ones((1, 40))},
        {"XTrain": X.T, "YTrain": Y[None, :], "XTest": X[:9].T, "YTest": Y[None, :9]},
        {"X": X.T, "y": Y[None, :], "Xval": X[:9].T, "yval": Y[None, :9]},
    ],
)
@pytest.mark.parametrize("chunks", [None, (2, 7)])
def test_what_matlab_writes_is_read_as_meant_and_said(path: Path, arrays: Any, chunks: Any) -> None:
    with open_dataset(write(path, MATLAB, chunks, **arrays)) as file:
        rows = file.splits["train"].read(5, 33)
        np.testing.assert_array_equal(rows.features, X[5:33])
        np.testing.assert_array_equal(rows.targets[:, 0], Y[5:33])
        assert any("MATLAB" in note for note in file.notes)
        assert all(split.n_samples == 9 for name, split in file.splits.items() if name != "train")


def test_one_column_each_is_not_one_sample(path: Path) -> None:
    with open_dataset(write(path, MATLAB, X=X[:, :1].T, y=Y[None, :])) as file:
        assert (file.splits["train"].n_samples, file.schema.n_features) == (40, 1)


def test_columns_by_name_are_turned_one_by_one(path: Path) -> None:
    write(path, MATLAB, a=X[:, :1].T, b=X[:, 1:].T, y=Y[None, :])
    with open_dataset(path, features="a,b", targets="y") as file:
        np.testing.assert_array_equal(file.splits["train"].read(0, 40).features, X)


def test_images_are_turned_within_too(path: Path) -> None:
    images = np.arange(240).reshape(40, 2, 3)
    with open_dataset(write(path, MATLAB, X=images.transpose(), y=Y[None, :])) as file:
        assert file.schema.image_shape == (2, 3)
        np.testing.assert_array_equal(file.splits["train"].read(0, 40).features, images.reshape(40, 6))


def test_what_r_writes_is_turned(path: Path) -> None:
    values = np.arange(120, dtype="i4").reshape(40, 3)
    values[2, 1] = -(2**31)
    write(path, {"rhdf5-NA.OK": 1}, X=values.T, y=np.arange(40, dtype="i4") * 7)
    with open_dataset(path) as file:
        found = file.splits["train"].allowing_missing().read(0, 40).features
        np.testing.assert_array_equal(found, np.where(values < 0, np.nan, values))


def test_what_octave_writes_is_read(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in (("X", X.T), ("y", Y[None, :])):
            file[f"{name}/type"], file[f"{name}/value"] = np.bytes_("matrix"), values
            file[name].attrs["OCTAVE_NEW_FORMAT"] = np.uint8(1)
    with open_dataset(path) as file:
        np.testing.assert_array_equal(file.splits["train"].read(0, 40).features, X)


def test_rows_for_a_model_are_turned_by_its_number_of_features(path: Path) -> None:
    model = Schema("regression", 3, 1)
    write(path, MATLAB, X=X.T)
    with open_dataset(path, wanted=Wanted(schema=model, targets="optional")) as file:
        np.testing.assert_array_equal(file.splits["train"].read(0, 40).features, X)


@pytest.mark.parametrize(
    ("mark", "arrays"),
    [
        (MATLAB, {"X": np.ones((40, 40)), "y": Y[None, :]}),
        (MATLAB, {"X": X.T, "y": X.T + 0.5}),
        ({}, {"X": X.T, "y": Y}),
        ({}, {"X": X.T, "y": Y[None, :]}),
        ({}, {"X": X[:, :1].T, "y": Y[None, :]}),
    ],
)
def test_what_may_be_either_way_is_refused(path: Path, mark: Any, arrays: Any) -> None:
    with pytest.raises(DataError, match=r"transposed|either dimension"):
        open_dataset(write(path, mark, **arrays))
