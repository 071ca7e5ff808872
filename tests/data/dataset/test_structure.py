"""What a file is taken for, and how its splits become rows of one schema."""

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

X = np.arange(120, dtype="f4").reshape(40, 3)
K = np.arange(40) % 3


def write(path: Path, attrs: dict[str, dict[str, Any]] | None = None, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
        for name, values in (attrs or {}).items():
            file[name].attrs.update(values)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.h5"


@pytest.mark.parametrize(
    ("targets", "n_outputs", "names"),
    [
        (K.astype("f8"), 3, None),
        (np.eye(3)[K], 3, None),
        (np.eye(3, dtype="?")[K], 3, None),
        (K + 1, 3, ("1", "2", "3")),
        (K - 1, 3, ("-1", "0", "1")),
        (np.where(K == 2, 255, K).astype("u1"), 3, ("0", "1", "255")),
        ((K * 2).astype("f4"), 3, ("0", "2", "4")),
    ],
)
def test_labels_are_found_whatever_numbers_they_are(path: Path, targets: Any, n_outputs: int, names: Any) -> None:
    if names == ("0", "2", "4"):
        targets = targets * 10  # far apart, so that no class is empty
        names = ("0", "20", "40")
    with open_dataset(write(path, X=X, y=targets)) as file:
        assert (file.schema.task, file.schema.n_outputs, file.schema.class_names) == ("multiclass", n_outputs, names)
        assert file.splits["train"].read(0, 40).targets[:, 0].tolist() == K.tolist()
        assert any("[data] task" in note for note in file.notes)


def test_what_is_stated_is_not_guessed_and_not_told(path: Path) -> None:
    with open_dataset(write(path, X=X, y=K), wanted=Wanted("regression")) as file:
        assert (file.schema.task, file.schema.n_outputs, file.notes) == ("regression", 1, ())
    with open_dataset(write(path, X=X, y=np.eye(3)[K]), wanted=Wanted("regression")) as file:
        assert (file.schema.task, file.schema.n_outputs) == ("regression", 3)
    with pytest.raises(DataError, match="not labels"):
        open_dataset(write(path, X=X, y=X[:, 0] + 0.5), wanted=Wanted("multiclass"))


def test_a_price_is_no_class(path: Path) -> None:
    with open_dataset(write(path, X=X, y=np.arange(40, dtype="i4") * 1237)) as file:
        assert file.schema.task == "regression"
        assert "quantity" in file.notes[0]


def test_splits_whose_columns_are_in_another_order_are_rows_of_one_schema(path: Path) -> None:
    names = {"train/X": {"names": ["a", "b", "c"]}, "test/X": {"names": ["c", "a", "b"]}}
    write(path, names, train__X=X, train__y=K, test__X=X[:, [2, 0, 1]], test__y=K)
    with open_dataset(path) as file:
        test, train = (file.splits[name].read(0, 40).features for name in ("test", "train"))
        np.testing.assert_array_equal(test, train)


def test_splits_whose_classes_are_in_another_order_are_rows_of_one_schema(path: Path) -> None:
    names = {"train/y": {"class_names": ["a", "b", "c"]}, "test/y": {"class_names": ["c", "b", "a"]}}
    write(path, names, train__X=X, train__y=K, test__X=X, test__y=2 - K)
    with open_dataset(path) as file:
        np.testing.assert_array_equal(file.splits["test"].read(0, 40).targets[:, 0], K)


def test_splits_beside_bare_arrays_are_found(path: Path) -> None:
    with open_dataset(write(path, X=X, y=K, X_val=X[:9], y_val=K[:9], X_test=X[:6], y_test=K[:6])) as file:
        assert {name: split.n_samples for name, split in file.splits.items()} == {"train": 40, "valid": 9, "test": 6}


MODEL = Schema("multiclass", 3, 3, class_names=("1", "2", "3"), numbers="float")


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": X, "y": K + 1},
        {"X": X[K < 2], "y": K[K < 2] + 1},
        {"X": X[K == 2], "y": K[K == 2] + 1},
        {"X": X, "y": (K + 1).astype("f8")},
        {"X_test": X, "y_test": K + 1},
        {"test__X": X, "test__y": np.eye(3)[K]},
        {"X": X, "y": K + 1, "weights": -np.ones(40)},
    ],
)
def test_a_file_for_a_model_is_not_asked_what_it_is(path: Path, arrays: dict[str, Any]) -> None:
    with open_dataset(write(path, **arrays), weights="none", wanted=Wanted(schema=MODEL)) as file:
        (split,) = file.splits.values()
        rows = split.read(0, split.n_samples)
        np.testing.assert_array_equal(rows.targets[:, 0], (rows.features[:, 0] / 3) % 3)


def test_rows_to_be_answered_need_no_targets(path: Path) -> None:
    with open_dataset(write(path, X=X), wanted=Wanted(schema=MODEL, targets="optional")) as file:
        assert not file.splits["train"].has_targets
        assert file.splits["train"].read(0, 5).targets.shape == (5, 0)
    with pytest.raises(DataError, match="targets"):
        open_dataset(path, wanted=Wanted(schema=MODEL))


def test_a_label_that_the_model_does_not_know_is_named_with_its_row(path: Path) -> None:
    labels = K + 1
    labels[7] = 9
    with (
        open_dataset(write(path, X=X, y=labels), wanted=Wanted(schema=MODEL)) as file,
        pytest.raises(DataError, match=r"label 9 at row 7 .*1, 2, 3"),
    ):
        file.splits["train"].read(0, 40)


def test_another_kind_of_numbers_is_said(path: Path) -> None:
    with open_dataset(write(path, X=X.astype("u1"), y=K + 1), wanted=Wanted(schema=MODEL)) as file:
        assert "uint8" in file.notes[0]


@pytest.mark.parametrize("shapes", [((1, 40), (1, 40)), ((3, 40), (40,)), ((3, 40), (1, 40))])
def test_arrays_that_lie_the_other_way_round_are_refused_with_the_word(path: Path, shapes: Any) -> None:
    write(path, X=np.ones(shapes[0]), y=np.ones(shapes[1]))
    with pytest.raises(DataError, match="transposed"):
        open_dataset(path)


def test_an_array_that_is_a_feature_does_not_weigh(path: Path) -> None:
    write(path, height=X[:, 0], weights=X[:, 1], y=K)
    with open_dataset(path, features="height,weights", targets="y") as file:
        assert not file.splits["train"].has_weights
    with open_dataset(path, features="height", targets="y") as file:
        assert file.splits["train"].has_weights
    with open_dataset(path, features="height", targets="y", weights="none") as file:
        assert not file.splits["train"].has_weights
    with pytest.raises(DataError, match="'mass'"):
        open_dataset(path, features="height", targets="y", weights="mass")


@pytest.mark.parametrize("names", [("data", "x", "y"), ("data", "X", "Y"), ("images", "x", "label")])
def test_places_along_dimensions_are_neither_features_nor_targets(names: tuple[str, ...], tmp_path: Path) -> None:
    """A grid of NetCDF has its coordinates beside it: a model of the latitude of each row would be nonsense."""
    path, (grid, columns, rows) = tmp_path / "t.nc", names
    with h5py.File(path, "w") as file:
        file[grid], file[columns], file[rows] = np.ones((20, 5)), np.arange(5.0), np.arange(20.0)
        for axis, name in enumerate((rows, columns)):
            file[name].make_scale(name)
            file[grid].dims[axis].attach_scale(file[name])
    with pytest.raises(DataError, match=r"no arrays named like features .* name them with --features"):
        open_dataset(path)
    with open_dataset(path, features=grid, targets=rows) as dataset:
        assert (dataset.schema.n_features, dataset.splits["train"].n_samples) == (5, 20)


def test_images_in_another_order_than_those_that_trained_are_refused(tmp_path: Path) -> None:
    images = np.arange(960, dtype="u1").reshape(40, 4, 2, 3)
    path = write(tmp_path / "d.h5", X_train=images, y_train=K, X_test=images.transpose(0, 3, 1, 2), y_test=K)
    with pytest.raises(DataError, match="X_test: images of shape"):
        open_dataset(path)
    schema = Schema("multiclass", 24, 3, image_shape=(4, 2, 3))
    other = write(tmp_path / "o.h5", X=images.transpose(0, 2, 1, 3), y=K)
    with pytest.raises(DataError, match="order"):
        open_dataset(other, wanted=Wanted(schema=schema))
