"""Arrays of NumPy as tables: fields of dtypes that Arrow does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ns"])
def test_dates_of_each_unit_are_dates(tmp_path: Path, unit: str) -> None:
    times = np.array(["2023-02-01", "2024-05-06"], f"datetime64[{unit}]")
    array = np.zeros(2, [("t", times.dtype), ("y", "f8")])
    array["t"], array["y"] = times, [1.5, 2.5]
    np.save(tmp_path / "t.npy", array)
    [(_, rows)] = open_source([tmp_path / "t.npy"], ImportOptions(targets=("y",))).blocks()
    assert rows.features[:, 0].tolist() == [2023, 2024]
    turns = (times.astype("datetime64[D]") - times.astype("datetime64[Y]")).astype(float) / 365.2425
    np.testing.assert_allclose(rows.features[:, 1], np.sin(2 * np.pi * turns), rtol=0, atol=1e-12)


def test_bytes_are_text_in_utf_8_and_long_doubles_are_numbers(tmp_path: Path) -> None:
    array = np.zeros(2, [("k", "S8"), ("a", np.longdouble), ("y", "f8")])
    array["k"], array["a"], array["y"] = ["grün".encode(), b"red"], [0.1, 2.5], [1.5, 2.5]
    np.save(tmp_path / "t.npy", array)
    source = open_source([tmp_path / "t.npy"], ImportOptions(targets=("y",)))
    [(_, rows)] = source.blocks()
    assert source.schema.feature_names == ("k=grün", "k=red", "a")
    assert rows.features.tolist() == [[1, 0, 0.1], [0, 1, 2.5]]
    array["k"] = ["grün".encode("latin-1"), b"red"]
    np.save(tmp_path / "t.npy", array)
    with pytest.raises(DataError, match="text that is not UTF-8"):
        open_source([tmp_path / "t.npy"], ImportOptions(targets=("y",)))
