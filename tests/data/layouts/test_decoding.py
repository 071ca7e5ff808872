"""Numbers that stand for other quantities, or for none: fill values, packed integers, and what is no number at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.errors import DataError

X = np.arange(120, dtype="f4").reshape(40, 3)
Y = np.arange(40) * 0.37
K = np.arange(40) % 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.nc"


def write(path: Path, features: Any, targets: Any = Y, **attrs: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = features, targets
        for name, values in attrs.items():
            file[name].attrs.update(values)
    return path


def features_of(path: Path, **options: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    with open_dataset(path, **options) as file:
        split = file.splits["train"].allowing_missing()
        return split.read(0, split.n_samples).features, file.notes


def with_value(value: Any, dtype: str) -> np.ndarray:
    values = X.astype(dtype)
    values[[3, 7], 1] = value
    return values


@pytest.mark.parametrize(
    ("value", "dtype", "attrs"),
    [
        (9.96921e36, "f4", {"_FillValue": np.array([np.float32(9.96921e36)])}),
        (9.969209968386869e36, "f8", {"_FillValue": np.float32(9.96921e36)}),
        (np.float32(-999.9), "f4", {"missing_value": -999.9}),
        (np.float64(-999.9), "f8", {"missing_value": np.float32(-999.9)}),
        (-32768, "i2", {"_FillValue": np.int16(-32768)}),
        (-999, "i8", {"missing_value": "-999"}),
        (-999, ">i4", {"missing_value": np.array([-999.0, -998.0])}),
        (255, "u1", {"_FillValue": np.int8(-1)}),
        (200, "u1", {"valid_range": np.array([0, 150], "u1")}),
        (-5, "i4", {"valid_min": 0}),
        (1e6, "f8", {"valid_max": np.float32(1000)}),
        (-(2**31), "i4", {"rhdf5-NA.OK": 1}),
        (-9223372036854775806, "i8", {"_FillValue": np.int64(-9223372036854775806)}),
        (1e20, "f4", {"missing_value": np.bytes_("1.e20"), "valid_max": "n/a"}),
    ],
)
def test_values_that_attributes_call_missing_are_missing(path: Path, value: Any, dtype: str, attrs: Any) -> None:
    expected = X.astype("f8")
    expected[[3, 7], 1] = np.nan
    found, notes = features_of(write(path, with_value(value, dtype), X=attrs))
    np.testing.assert_array_equal(found, expected)
    assert any("missing" in note and next(iter(attrs)) in note for note in notes)


def test_fills_that_netcdf_writes_without_a_word_are_missing(path: Path) -> None:
    for dtype, fill in (("f4", np.float32(9.96921e36)), ("i2", -32767), ("u2", 65535), ("f8", 9.969209968386869e36)):
        with h5py.File(path, "w") as file:
            file.create_dataset("X", data=with_value(fill, dtype), fillvalue=fill)
            file["y"] = Y
        assert np.flatnonzero(np.isnan(features_of(path)[0])).tolist() == [10, 22]
    with h5py.File(path, "w") as file:  # a value that only looks like it
        file["X"], file["y"] = with_value(-32767, "i2"), Y
    assert features_of(path)[0].dtype == np.int16


def test_packed_quantities_are_unpacked(path: Path) -> None:
    packed = {"scale_factor": np.array([0.5]), "add_offset": 10.0, "_FillValue": np.int16(7)}
    found, notes = features_of(write(path, X.astype("i2"), X=packed))
    expected = X * 0.5 + 10
    expected[2, 1] = np.nan
    np.testing.assert_array_equal(found, expected)
    assert "stored * 0.5 + 10" in notes[0]
    assert "missing where 7" in notes[0]


def test_ranges_of_floats_are_those_of_unpacked_integers(path: Path) -> None:
    packed = {"scale_factor": 0.5, "valid_range": np.array([0.0, 50.0])}
    found, _ = features_of(write(path, X.astype("i2"), X=packed))
    np.testing.assert_array_equal(found, np.where(X * 0.5 <= 50, X * 0.5, np.nan))


def test_signed_bytes_that_are_unsigned(path: Path) -> None:
    found, _ = features_of(write(path, X.astype("u1").view("i1"), X={"_Unsigned": "true"}))
    np.testing.assert_array_equal(found, X)
    found, _ = features_of(write(path, with_value(255, "u1").view("i1"), X={"_Unsigned": "true", "_FillValue": -1}))
    assert np.isnan(found[3, 1])


def test_ranges_and_fills_have_the_sign_that_is_meant(path: Path) -> None:
    packed = {"_Unsigned": "true", "_FillValue": np.int8(-1), "valid_range": np.array([0, -6], "i1")}
    found, _ = features_of(write(path, with_value(252, "u1").view("i1"), X=packed))
    np.testing.assert_array_equal(np.isnan(found), with_value(252, "u1") > 250)
    signed = {"_Unsigned": "false", "_FillValue": np.uint8(255)}
    found, _ = features_of(write(path, with_value(255, "u1"), X=signed))
    np.testing.assert_array_equal(np.isnan(found), with_value(255, "u1") == 255)


def test_attributes_that_change_nothing_change_no_dtype(path: Path) -> None:
    idle = {"_FillValue": np.float64(np.nan), "scale_factor": 1.0, "add_offset": 0, "units": "m", "missing_value": "NA"}
    for dtype in ("f4", "i4", "u1"):
        found, notes = features_of(write(path, X.astype(dtype), X=idle))
        assert found.dtype == dtype
        assert not any("missing" in note for note in notes)
    found, _ = features_of(write(path, X.astype("u1"), X={"valid_range": np.array([0, 255], "u1")}))
    assert found.dtype == np.uint8


def test_missing_values_are_refused_with_the_key_and_counted_over_all_rows(path: Path) -> None:
    write(path, with_value(-1, "f4"), X={"_FillValue": np.float32(-1)})
    for start in (0, 5):
        with (
            open_dataset(path) as file,
            pytest.raises(DataError, match=r'2 missing values .*2 of 40 rows.* missing = "impute"'),
        ):
            file.splits["train"].read(start, 40)


def test_missing_targets_are_refused_with_row_and_count(path: Path) -> None:
    for dtype in ("i8", "f4"):
        targets = K.astype(dtype)
        targets[[4, 9]] = -9
        write(path, X, targets, y={"_FillValue": -9})
        with (
            open_dataset(path) as file,
            pytest.raises(DataError, match=r"/y: 2 missing .*2 of 40 rows.* first .*row 4"),
        ):
            file.splits["train"].read(0, 6)
        with open_dataset(path) as file:
            assert file.schema.task == "multiclass"


def test_a_packed_target_is_a_quantity(path: Path) -> None:
    write(path, X, K.astype("i2"), y={"scale_factor": 10.0})
    with open_dataset(path) as file:
        assert (file.schema.task, file.schema.n_outputs) == ("regression", 1)
        assert file.splits["train"].read(0, 3).targets[:, 0].tolist() == [0, 10, 20]


def test_weights_may_be_packed(path: Path) -> None:
    with h5py.File(write(path, X), "a") as file:
        file["weights"] = np.full(40, 5, "u1")
        file["weights"].attrs["scale_factor"] = 0.1
    with open_dataset(path) as opened:
        weights = opened.splits["train"].read(0, 2).weights
        assert weights is not None
        assert weights.tolist() == [0.5, 0.5]


def test_fields_have_fills_of_their_own_or_of_all(path: Path) -> None:
    kind = np.dtype([("a", "f4"), ("b", "i2"), ("y", "f8")])
    table = np.zeros(40, kind)
    table["a"][5], table["b"][6], table["y"] = -99, -99, Y
    for fill, missing in ((np.array((-99, -1, -1), kind), [5]), (np.float64(-99), [5, 6])):
        with h5py.File(path, "w") as file:
            file["t"] = table
            file["t"].attrs["_FillValue"] = fill
        found, _ = features_of(path, features="t", targets="t:y")
        assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == missing


@pytest.mark.parametrize(
    ("attrs", "phrase"),
    [
        ({"scale_factor": 0.0}, "scale_factor 0"),
        ({"scale_factor": np.nan}, "correct"),
        ({"scale_factor": [1.0, 2.0, 3.0]}, "3 values where one is needed"),
        ({"MATLAB_class": np.bytes_("char")}, "MATLAB's char"),
        ({"MATLAB_empty": 1, "MATLAB_class": np.bytes_("double")}, "empty array of MATLAB"),
    ],
)
def test_attributes_that_leave_no_numbers_are_refused(path: Path, attrs: dict[str, Any], phrase: str) -> None:
    with pytest.raises(DataError, match=phrase):
        open_dataset(write(path, X.astype("u2"), X=attrs))
