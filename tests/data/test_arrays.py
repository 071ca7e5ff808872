"""Arrays side by side mean what they mean in an HDF5 file and in Python, and no array is chosen by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.importing import import_dataset, import_for_model, open_source
from ddp_mlp.data.memory.held import Arrays, held_arrays
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source

X = np.arange(120.0).reshape(40, 3) + 0.5
TARGETS = {
    "from one": np.tile([1, 2, 3, 4], 10),
    "signs": np.tile([-1.0, 1.0], 20),
    "a gap": np.tile([0, 2], 20),
    "booleans": np.tile([True, False], 20),
    "one-hot": np.eye(4)[np.tile([0, 1, 2, 3], 10)],
    "quantities": X[:, :2] * 2,
    "prices": np.arange(40) * 1000,
}


def imported(folder: Path, options: dict[str, Any] | None = None, **arrays: Any) -> Source:
    np.savez(folder / "t.npz", **arrays)
    return open_source([folder / "t.npz"], ImportOptions(**(options or {})))


def rows_of(source: Source, split: str = "train") -> tuple[Any, Any, Any]:
    blocks = [rows for name, rows in source.blocks() if name == split]
    weights = (
        None if blocks[0].weights is None else np.concatenate([b.weights for b in blocks if b.weights is not None])
    )
    return np.concatenate([b.features for b in blocks]), np.concatenate([b.targets for b in blocks]), weights


@pytest.mark.parametrize("name", TARGETS)
def test_targets_mean_the_same_in_an_archive_in_hdf5_and_in_python(name: str, tmp_path: Path) -> None:
    y = TARGETS[name]
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["X"], file["y"] = X, y
    with open_dataset(tmp_path / "t.h5") as there, held_arrays({"train": Arrays(X, y)}).open(Wanted()) as given:
        source = imported(tmp_path, X=X, y=y)
        assert source.schema == there.schema == given.schema
        assert np.array_equal(rows_of(source)[1], there.splits["train"].read(0, len(X)).targets)
        assert np.array_equal(rows_of(source)[1], given.splits["train"].read(0, len(X)).targets)


def test_arrays_that_could_each_be_meant_are_never_chosen_by_chance(tmp_path: Path) -> None:
    y = TARGETS["from one"]
    with pytest.raises(UsageError, match="X and data could each be the features; choose one, as in --features X"):
        imported(tmp_path, X=X, data=X + 1, y=y)
    with pytest.raises(UsageError, match="y and target could each be the targets; choose one, as in --target y"):
        imported(tmp_path, X=X, y=y, target=y + 1)
    chosen = imported(tmp_path, {"features": ("data",), "targets": ("target",)}, X=X, data=X + 1, y=y, target=y + 1)
    assert np.array_equal(rows_of(chosen)[0], X + 1)
    assert chosen.schema.class_names == ("2", "3", "4", "5")
    assert chosen.notes[-1] == "arrays that are not used: X, y"
    # All rows beside their splits: the splits count.
    assert imported(tmp_path, X=X, y=y, X_train=X[:30], y_train=y[:30], X_test=X[30:], y_test=y[30:]).sizes == {
        "train": 30, "test": 10,
    }  # fmt: skip


def test_a_split_without_targets_and_names_that_are_not_there_are_refused(tmp_path: Path) -> None:
    y = TARGETS["from one"]
    with pytest.raises(UsageError, match=r"no targets of the test split found among .*; name them with --target"):
        imported(tmp_path, X_train=X, y_train=y, X_test=X)
    with pytest.raises(UsageError, match="no array 'Z' for the features; there are X"):
        imported(tmp_path, {"features": ("Z",)}, X=X, y=y)
    with pytest.raises(DataError, match="do not fit side by side"):
        imported(tmp_path, {"features": ("a", "b"), "targets": ("y",)}, a=X, b=X[1:], y=y)
    with pytest.raises(UsageError, match="--missing drop is for tables"):
        imported(tmp_path, {"missing": "drop"}, X=X, y=y)


def test_several_features_are_columns_side_by_side(tmp_path: Path) -> None:
    y = TARGETS["from one"]
    both = imported(tmp_path, {"features": ("a", "b"), "targets": ("y",)}, a=X, b=X[:, 0], y=y)
    assert rows_of(both)[0].tobytes() == np.column_stack([X, X[:, 0]]).tobytes()
    parts = {"a_train": X, "a_valid": X[:7], "y_train": y, "y_valid": y[:7]}
    options = {"features": ("a_train", "a_valid"), "targets": ("y_train", "y_valid")}
    assert imported(tmp_path, options, **parts).sizes == {"train": 40, "valid": 7}


def test_weights_count_and_are_told_and_rows_of_splits_are_warned_of(tmp_path: Path) -> None:
    y, w = TARGETS["from one"], np.linspace(0.5, 2, 40)
    weighted = imported(tmp_path, X=X, y=y, sample_weight=w)
    assert np.array_equal(rows_of(weighted)[2], w)
    assert "samples are weighted by sample_weight; --weights none leaves it aside" in weighted.notes
    plain = imported(tmp_path, {"weights": "none"}, X=X, y=y, sample_weight=w)
    assert rows_of(plain)[2] is None
    stated = imported(tmp_path, {"weights": "w"}, X=X, y=y, w=w)
    assert np.array_equal(rows_of(stated)[2], w)
    assert any("--weights w weighs the samples" in note for note in imported(tmp_path, X=X, y=y, w=w).notes)
    assert any(
        note.startswith("warning: ") and "train_idx is not used" in note
        for note in imported(tmp_path, X=X, y=y, train_idx=np.arange(5)).notes
    )


def test_missing_values_are_refused_or_imputed(tmp_path: Path) -> None:
    x = X.copy()
    x[3, 1] = np.nan
    arrays = {"X": x, "y": TARGETS["quantities"]}
    with pytest.raises(DataError, match=r"t\.npz:X.*not finite|nan"):
        rows_of(imported(tmp_path, **arrays))
    source = imported(tmp_path, {"missing": "impute"}, **arrays)
    assert np.isnan(rows_of(source)[0][3, 1])
    assert {column.missing for column in source.schema.columns} == {"impute"}


def test_rows_to_be_answered_need_no_targets(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", X=X, y=TARGETS["from one"])
    import_dataset([tmp_path / "train.npz"], tmp_path / "train.h5", ImportOptions())
    np.savez(tmp_path / "new.npz", X=X[:5])
    with open_dataset(tmp_path / "train.h5") as dataset:
        schema = dataset.schema
    with pytest.raises(UsageError, match="no targets"):
        import_for_model(tmp_path / "new.npz", tmp_path / "no.h5", schema, answers_only=False)
    source = import_for_model(tmp_path / "new.npz", tmp_path / "new.h5", schema, answers_only=True)
    assert not source.has_targets
    with open_dataset(tmp_path / "new.h5", wanted=Wanted(schema=schema, targets="optional")) as rows:
        assert rows.splits["train"].read(0, 5).features.tobytes() == X[:5].tobytes()


def test_columns_of_an_array_are_named_as_in_hdf5(tmp_path: Path) -> None:
    table = np.arange(80.0).reshape(20, 4) / 3
    np.savez(tmp_path / "t.npz", table=table, **{"odd[1]": table[:, :2]})
    asked = {
        (("table",), ("table[3]",)): ([0, 1, 2], [3]),
        (("table",), ("table[-1]", "table[0]")): ([1, 2], [3, 0]),
        (("table[1:3]",), ("table[2:]",)): ([1], [2, 3]),
        (("odd[1]",), ("table[3]",)): ([0, 1], [3]),
    }
    for (features, targets), (x, y) in asked.items():
        source = open_source([tmp_path / "t.npz"], ImportOptions(features=features, targets=targets))
        [(_, rows)] = source.blocks()
        assert rows.features.tolist() == table[:, x].tolist()
        assert rows.targets.tolist() == table[:, y].tolist()
    with pytest.raises(DataError, match=r"t.npz:table: no columns \[4\], it has 4"):
        open_source([tmp_path / "t.npz"], ImportOptions(features=("table",), targets=("table[4]",)))


@pytest.mark.parametrize("labels", [[1, 2], [2], [1], [0, 2], [2.0, 1.0]])
def test_labels_are_those_of_the_model_however_few_occur(labels: list[float], tmp_path: Path) -> None:
    for first, names in ((0, None), (1, ("1", "2", "3"))):
        schema = Schema("multiclass", X.shape[1], 3, class_names=names)
        np.savez(tmp_path / "new.npz", X=X[: len(labels)], y=np.array(labels) + first)
        import_for_model(tmp_path / "new.npz", tmp_path / "new.h5", schema, answers_only=False)
        with open_dataset(tmp_path / "new.h5", wanted=Wanted(schema=schema)) as dataset:
            assert dataset.splits["train"].read(0, len(labels)).targets[:, 0].tolist() == labels
        (tmp_path / "new.h5").unlink()
