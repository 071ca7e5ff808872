"""Import of HDF5 files of others: the rows that are read in place, copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.importing import import_dataset
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

X = np.arange(40.0).reshape(20, 2) + 0.5
LABELS = np.tile([3, 5], 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["deep/X"], file["deep/y"], file["deep/sample_weight"] = X, LABELS, np.arange(20.0)
        file["deep/more"] = X * 2
    return tmp_path / "t.h5"


def test_rows_weights_and_classes_are_copied(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    source = import_dataset([path.parent / "t.h5:/deep"], out, ImportOptions(test_fraction=0.25))
    assert source.sizes == {"train": 15, "test": 5}
    with open_dataset(out) as dataset:
        assert (dataset.schema.task, dataset.schema.class_names) == ("binary", ("3", "5"))
        rows = [split.read(0, split.n_samples) for split in dataset.splits.values()]
    features, weights = (np.concatenate([getattr(r, name) for r in rows]) for name in ("features", "weights"))
    order = np.argsort(features[:, 0])
    assert features[order].tobytes() == X.tobytes()
    assert weights[order].tolist() == list(range(20))


def test_places_are_named(path: Path, tmp_path: Path) -> None:
    options = ImportOptions(features=("deep/more",), targets=("deep/X[1]",), weights="none", task="regression")
    import_dataset([path], tmp_path / "out.h5", options)
    with open_dataset(tmp_path / "out.h5") as dataset:
        rows = dataset.splits["train"].read(0, 20)
    assert rows.features.tolist() == (X * 2).tolist()
    assert rows.targets[:, 0].tolist() == X[:, 1].tolist()


def test_a_frame_of_pandas_has_columns(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"] = "frame"
        frame["axis0"] = np.array(["a", "y", "b"], "S1")
        frame["block0_items"], frame["block0_values"] = np.array(["a", "b"], "S1"), X
        frame["block1_items"], frame["block1_values"] = np.array(["y"], "S1"), LABELS[:, None]
    source = import_dataset([tmp_path / "f.h5"], tmp_path / "out.h5", ImportOptions(targets=("y",)))
    assert source.schema.feature_names == ("a", "b")
    assert source.schema.task == "binary"
    with pytest.raises(DataError, match=r"no field 'z'.*not read from HDF5: write the frame of f.h5 with to_parquet"):
        import_dataset([tmp_path / "f.h5"], tmp_path / "other.h5", ImportOptions(targets=("z",)))


def test_missing_values_are_refused_or_kept(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["deep/X"][3, 1] = np.nan
    location = tmp_path / "t.h5:/deep"
    with pytest.raises(DataError, match=r"missing|non-finite|nan"):
        import_dataset([location], tmp_path / "out.h5", ImportOptions())
    import_dataset([location], tmp_path / "out.h5", ImportOptions(missing="impute"))
    with open_dataset(tmp_path / "out.h5") as dataset:
        assert [column.missing for column in dataset.schema.columns] == ["impute", "impute"]
    with pytest.raises(UsageError, match="--missing drop is for tables"):
        import_dataset([location], tmp_path / "o.h5", ImportOptions(missing="drop"))


def test_a_file_or_group_that_is_not_there(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        import_dataset([tmp_path / "no.h5:/deep"], tmp_path / "out.h5", ImportOptions())
    with pytest.raises(DataError, match="no such group"):
        import_dataset([tmp_path / "t.h5:/no"], tmp_path / "out.h5", ImportOptions())
    with pytest.raises(UsageError, match="--separator"):
        import_dataset([path], tmp_path / "out.h5", ImportOptions(separator=";"))
    assert not (tmp_path / "out.h5").exists()
