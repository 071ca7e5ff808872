"""Inspecting: what is counted, what is listed, and that bad values do not stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from ddp_mlp.cli.inspection_text import text_lines
from ddp_mlp.data.importing import make_dataset
from ddp_mlp.data.inspection import inspect_dataset
from ddp_mlp.errors import DataError, MissingInputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.h5"


def test_bad_values_are_counted(path: Path) -> None:
    features = np.arange(12.0).reshape(4, 3)
    features[:, 1] = 5.0
    features[2, 2], features[3, 0] = np.nan, np.inf
    with h5py.File(path, "w") as file:
        file.attrs["task"] = "multiclass"
        file["X"] = features
        file["X"].attrs["names"] = ["a", "b", "c"]
        file["y"] = np.array([0.0, 1.0, -1.0, np.nan])
        file["y"].attrs["class_names"] = ["u", "v", "w"]
        file["weights"] = np.array([1.0, np.nan, np.inf, 1.0])
    found = inspect_dataset(path)
    assert found.problem is None
    assert found.splits is not None
    report = found.splits["train"]
    assert (report.non_finite_features, report.non_finite_targets, report.non_finite_weights) == (2, 1, 2)
    assert report.bad_labels == 1
    assert report.class_counts == [1, 1, 0]
    assert report.constant_columns == ["b"]
    text = "\n".join(text_lines(found))
    assert "2 in features, 1 in targets, 2 in weights" in text
    assert "u 1, v 1, w 0" in text
    assert "bad labels: 1" in text
    assert "constant columns: 1 (b)" in text


def test_regression_targets_have_ranges(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["X"] = np.ones((3, 2), np.uint8)
        file["y"] = np.array([[1.0, np.nan], [-2.0, np.nan], [np.nan, np.nan]])
    found = inspect_dataset(path)
    assert found.splits is not None
    assert found.splits["train"].target_range == [[-2.0, 1.0], [None, None]]
    assert found.splits["train"].class_counts is None
    assert found.splits["train"].constant_columns == ["0", "1"]
    assert "target range: -2 to 1" in "\n".join(text_lines(found))


def test_the_file_and_its_storage_are_listed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=np.zeros((100, 4), "f4"), chunks=(10, 4), compression="gzip", shuffle=True)
        file["y"] = np.arange(100) % 2
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
        file["group/again"] = h5py.SoftLink("/group")
    found = inspect_dataset(path)
    entries = {entry.path: entry for entry in found.tree}
    assert entries["/X"].chunks == (10, 4)
    assert set(entries["/X"].filters) == {"shuffle", "gzip"}
    assert entries["/X"].declared_bytes == 1600
    assert entries["/elsewhere"].kind == "external link"
    assert entries["/group/again"].kind == "soft link"
    assert found.schema is not None
    assert (found.schema.task, found.schema.n_features, found.schema.n_outputs) == ("binary", 4, 1)
    # Features and targets as trained: 100 rows of 4 + 1 values.
    assert found.memory_bytes == {"float32": 2000, "float64": 4000}
    text = "\n".join(text_lines(found))
    assert "(100, 4) float32, chunks (10, 4) shuffle+gzip" in text
    assert "external link" in text


def test_bytes_stay_bytes_in_memory(path: Path) -> None:
    make_dataset("digits", path)
    assert inspect_dataset(path).memory_bytes == {"float32": 1797 * (64 + 4), "float64": 1797 * (64 + 8)}


def test_one_class_is_a_warning(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["X"] = np.arange(3.0)
        file["y"] = np.zeros(3, int)
    assert "one class only" in "\n".join(text_lines(inspect_dataset(path)))


def test_what_is_wrong_inside_is_a_problem_and_the_tree_is_shown(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["spectra"] = np.arange(3.0)
    found = inspect_dataset(path)
    assert found.splits is None
    assert found.problem is not None
    assert "--features PATH" in found.problem
    assert "\n" not in found.problem
    assert any("/spectra  (3,) float64" in line for line in text_lines(found))
    assert inspect_dataset(path, features="spectra", targets="spectra").problem is not None


def test_circles_of_hard_links_end(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a/X"] = np.arange(3.0)
        file["a/b"] = file["a"]
    found = inspect_dataset(path)
    assert 10 < len(found.tree) < 60


def test_a_file_with_many_arrays_is_cut(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for i in range(300):
            file[f"a{i}"] = 1.0
    assert inspect_dataset(path).tree[-1].path == "..."
    assert len(inspect_dataset(path).tree) == 201


def test_files_that_cannot_be_opened(path: Path) -> None:
    with pytest.raises(MissingInputError):
        inspect_dataset(path)
    path.write_text("no")
    with pytest.raises(DataError, match="not an HDF5 file"):
        inspect_dataset(path)
    make_dataset("xor", path, force=True)
    with pytest.raises(DataError, match="no such group"):
        inspect_dataset(f"{path}:/fold")
