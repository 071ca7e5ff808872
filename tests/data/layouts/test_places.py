"""Where arrays may lie: columns of arrays, frames of pandas, AnnData, names that tell a split, and what is not used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.layouts.paths import parse_path
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError

X = np.arange(200, dtype="f8").reshape(40, 5)
K = np.arange(40) % 3
Y = X[:, 4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.h5"


def write(path: Path, attrs: dict[str, dict[str, Any]] | None = None, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
        for name, values in (attrs or {}).items():
            file.require_group(name) if name not in file else None
            file[name].attrs.update(values)
    return path


def read(path: Path, **options: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...] | None]:
    with open_dataset(path, **options) as file:
        rows = file.splits["train"].read(0, 40)
        return rows.features, rows.targets[:, 0], file.schema.feature_names


@pytest.mark.parametrize(
    ("features", "targets", "columns", "target"),
    [
        ("X", "X[4]", [0, 1, 2, 3], 4),
        ("X", "X[-1]", [0, 1, 2, 3], 4),
        ("X", "X[2]", [0, 1, 3, 4], 2),
        ("X[1:]", "X[0]", [1, 2, 3, 4], 0),
        ("X[:2],X[3]", "X[4]", [0, 1, 3], 4),
        ("X[3],X[0]", "X[1]", [3, 0], 1),
        ("/X[1:-1]", "/X[0]", [1, 2, 3], 0),
    ],
)
def test_columns_of_an_array_are_named_by_number(
    path: Path, features: str, targets: str, columns: list[int], target: int
) -> None:
    found, answers, names = read(write(path, X=X), features=features, targets=targets)
    np.testing.assert_array_equal(found, X[:, columns])
    np.testing.assert_array_equal(answers, X[:, target])
    assert names == tuple(f"X[{i}]" for i in columns)
    _, _, names = read(write(path, {"X": {"names": list("abcde")}}, X=X), features=features, targets=targets)
    assert names == tuple("abcde"[i] for i in columns)


def test_columns_of_fields_images_and_weights(path: Path) -> None:
    table = np.zeros(40, [("v", "f8", (3,)), ("w", "f4")])
    table["v"], table["w"] = X[:, :3], 2
    found, answers, names = read(write(path, t=table), features="t:v[0:2]", targets="t:v[2]", weights="t:w")
    np.testing.assert_array_equal(found, X[:, :2])
    np.testing.assert_array_equal(answers, X[:, 2])
    assert names == ("v[0]", "v[1]")
    found, _, _ = read(write(path, X=X.reshape(40, 5, 1), y=Y), features="X[3:5]", targets="y")
    np.testing.assert_array_equal(found, X[:, 3:])


@pytest.mark.parametrize("item", ["X[5]", "X[-6]", "X[3:3]", "X[2:9]"])
def test_columns_that_are_not_there_are_refused(path: Path, item: str) -> None:
    with pytest.raises(DataError, match=r"no columns .* it has 5"):
        open_dataset(write(path, X=X, y=Y), features=item, targets="y")


def test_brackets_may_be_part_of_a_name(path: Path) -> None:
    found, _, _ = read(write(path, **{"X[0]": X[:, 1:2], "X": X, "y": Y}), features="X[0]", targets="y")
    np.testing.assert_array_equal(found, X[:, 1:2])
    assert parse_path("a[b]").path == "a[b]"
    assert parse_path("a[]").path == "a[]"


def test_rows_to_be_answered_need_not_have_the_column_of_the_target(path: Path) -> None:
    model = Schema("regression", 4, 1, feature_names=tuple(f"X[{i}]" for i in range(4)))
    for values in (X, X[:, :4]):
        write(path, X=values)
        wanted = Wanted(schema=model, targets="optional")
        with open_dataset(path, features="X", targets="X[4]", wanted=wanted) as file:
            np.testing.assert_array_equal(file.splits["train"].read(0, 40).features, X[:, :4])


FIXED = {"df": {"pandas_type": np.bytes_("frame")}}


def frame(path: Path) -> Path:
    """Write what ``DataFrame.to_hdf`` writes of columns a (float), n (int), b (float), day (date)."""
    return write(
        path, {**FIXED, "df/block2_values": {"value_type": np.bytes_("datetime64[ns]")}},
        df__axis0=np.array([b"a", b"n", b"b", b"day"]), df__axis1=np.arange(40),
        df__block0_items=np.array([b"a", b"b"]), df__block0_values=X[:, :2],
        df__block1_items=np.array([b"n"]), df__block1_values=K[:, None],
        df__block2_items=np.array([b"day"]), df__block2_values=np.arange(40)[:, None],
    )  # fmt: skip


def test_a_frame_of_pandas_has_columns_by_name(path: Path) -> None:
    found, answers, names = read(frame(path), features="df", targets="df:n")
    np.testing.assert_array_equal(found, X[:, :2])
    assert answers.tolist() == K.tolist()
    assert names == ("a", "b")
    found, _, names = read(path, features="df:b,df:n", targets="df:a")
    np.testing.assert_array_equal(found, np.column_stack([X[:, 1], K]))
    with open_dataset(path, features="df", targets="df:n") as file:
        assert sum("left aside: day" in note for note in file.notes) == 1
    with pytest.raises(DataError, match="no field 'z', its fields are a, n, b"):
        open_dataset(path, features="df", targets="df:z")


def test_a_frame_in_table_format_is_its_table_without_the_index(path: Path) -> None:
    table = np.zeros(40, [("index", "i8"), ("values_block_0", "f8", (2,)), ("label", "i8")])
    table["values_block_0"], table["label"] = X[:, :2], K
    write(path, {"df": {"pandas_type": np.bytes_("frame_table")}}, df__table=table)
    found, answers, names = read(path, features="df", targets="df:label")
    np.testing.assert_array_equal(found, X[:, :2])
    assert (answers.tolist(), names) == (K.tolist(), ("values_block_0[0]", "values_block_0[1]"))


def test_codes_and_dates_of_a_frame_in_table_format_are_no_quantities(path: Path) -> None:
    table = np.zeros(40, [("index", "i8"), ("x", "f8"), ("kind", "i1"), ("day", "i8"), ("word", "S3"), ("label", "i8")])
    table["x"], table["kind"], table["day"], table["label"] = X[:, 0], K, np.arange(40), K
    attributes = {"kind_meta": "category", "day_dtype": "datetime64[ns]", "x_dtype": "float64", "word_dtype": "bytes24"}
    kinds = {
        "df": {"pandas_type": np.bytes_("frame_table")},
        "df/table": {n: np.bytes_(v) for n, v in attributes.items()},
    }
    write(path, kinds, df__table=table)
    found, answers, names = read(path, features="df", targets="df:label")
    assert (found[:, 0].tolist(), answers.tolist(), names) == (X[:, 0].tolist(), K.tolist(), ("x",))
    with open_dataset(path, features="df", targets="df:label") as file:
        assert any(note.endswith("not numbers, and left aside: kind, day, word") for note in file.notes)
    with pytest.raises(DataError, match="no field 'kind', its fields are x, label"):
        open_dataset(path, features="df", targets="df:kind")


def test_labels_of_anndata_have_the_names_of_their_categories(path: Path) -> None:
    codes = K.astype("i1")
    write(
        path, {"/": {"encoding-type": "anndata"}, "obs/kind": {"encoding-type": "categorical"}},
        X=X.astype("f4"), var___index=list("vwxyz"), obs__kind__codes=codes, obs__kind__categories=["B", "NK", "T"],
    )  # fmt: skip
    with open_dataset(path, targets="obs/kind") as file:
        assert file.schema.class_names == ("B", "NK", "T")
        assert file.schema.feature_names == tuple("vwxyz")
        assert file.splits["train"].read(0, 40).targets[:, 0].tolist() == K.tolist()
    with h5py.File(path, "a") as file:
        file["obs/kind/codes"][3] = -1
    with open_dataset(path, targets="obs/kind") as file, pytest.raises(DataError, match=r"1 missing value .*row 3"):
        file.splits["train"].read(0, 40)
    with pytest.raises(DataError, match="codes are no quantities"):
        open_dataset(path, features="obs/kind", targets="X[0]")


@pytest.mark.parametrize(
    ("attrs", "arrays", "phrase"),
    [
        ({}, {"X__data": Y, "X__indices": K, "X__indptr": K}, "sparse matrix"),
        ({"X": {"encoding-type": "csc_matrix"}}, {"X__data": Y, "X__indices": K, "X__indptr": K}, "sparse csc_matrix"),
        ({}, {"X__data": Y, "X__ir": K, "X__jc": K}, "sparse"),
        ({"X": {"encoding-type": "nullable-integer"}}, {"X__values": K, "X__mask": K > 1}, "X/values"),
        ({}, {"X__a": Y, "X__b": Y}, "/X/a, /X/b"),
    ],
)
def test_a_group_in_the_place_of_an_array_is_explained(path: Path, attrs: Any, arrays: Any, phrase: str) -> None:
    write(path, attrs, y=Y, **arrays)
    with pytest.raises(DataError, match=phrase):
        open_dataset(path, features="X", targets="y")


@pytest.mark.parametrize(
    "names",
    [
        ("train_X", "train_y", "X_valid", "y_valid", "test_X", "test_y"),
        ("Xtrain", "ytrain", "Xval", "yval", "Xtest", "ytest"),
        ("XTrain", "YTrain", "XValidation", "YValidation", "XTest", "YTest"),
        ("train_set_x", "train_set_y", "valid_set_x", "valid_set_y", "test_set_x", "test_set_y"),
        ("x_tr", "y_tr", "x_val", "y_val", "x_te", "y_te"),
        ("Train/X", "Train/y", "Validation/X", "Validation/y", "Test/X", "Test/y"),
        ("X", "y", "X_dev", "y_dev", "holdout_X", "holdout_y"),
        ("TRAIN/data", "TRAIN/labels", "DEV/data", "DEV/labels", "TEST/data", "TEST/labels"),
    ],
)
def test_splits_have_many_names(path: Path, names: tuple[str, ...]) -> None:
    arrays = {names[0]: X, names[1]: K, names[2]: X[:9], names[3]: K[:9], names[4]: X[:6], names[5]: K[:6]}
    with open_dataset(write(path, **arrays)) as file:
        sizes = {name: split.n_samples for name, split in file.splits.items()}
        assert sizes == {"train": 40, "valid": 9, "test": 6}


def test_two_names_of_one_split_are_a_choice(path: Path) -> None:
    with pytest.raises(DataError, match="y_valid and y_dev could each be the targets"):
        open_dataset(write(path, X=X, y=K, X_valid=X[:9], y_valid=K[:9], X_dev=X[:6], y_dev=K[:6]))


@pytest.mark.parametrize("name", ["split", "train_idx", "test_indices", "is_train", "fold", "train_mask", "idx_test"])
def test_arrays_that_tell_the_split_of_a_row_are_not_passed_over_in_silence(path: Path, name: str) -> None:
    with open_dataset(write(path, X=X, y=K, **{name: K})) as file:
        assert any(f"{name} is not used" in note and note.startswith("warning") for note in file.notes)


def test_what_weighs_and_what_does_not_is_said(path: Path) -> None:
    for name in ("event_weight", "sampleweight", "w", "wgt", "case-weights"):
        with open_dataset(write(path, X=X, y=K, **{name: np.ones(40)})) as file:
            assert not file.splits["train"].has_weights
            assert any(f"{name} is not used" in note for note in file.notes)
        with open_dataset(path, weights=name) as file:
            assert file.splits["train"].has_weights
    for shape in ((40,), (40, 1)):
        with open_dataset(write(path, X=X, y=K, sample_weight=np.ones(shape))) as file:
            weights = file.splits["train"].read(0, 40).weights
            assert weights is not None
            assert weights.shape == (40,)
            assert any("weighted by" in note for note in file.notes)
    with open_dataset(path, weights="none") as file:
        assert not any("weighted by" in note for note in file.notes)
