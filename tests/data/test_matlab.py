"""MATLAB files up to version 7: arrays side by side, cells of texts, structs, and damaged files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source

io = pytest.importorskip("scipy.io")
X = np.arange(120.0).reshape(30, 4) + 0.5
LABELS = np.tile([1.0, 2.0, 3.0], 10)


def imported(tmp_path: Path, arrays: dict[str, Any], **options: Any) -> Source:
    path = tmp_path / "t.mat"
    io.savemat(path, arrays, do_compression=True)
    return open_source([path], ImportOptions(**options))


def rows_of(source: Source, split: str = "train") -> tuple[Any, Any]:
    blocks = [rows for name, rows in source.blocks() if name == split]
    return np.concatenate([b.features for b in blocks]), np.concatenate([b.targets for b in blocks])[:, 0]


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS[None]])
def test_features_beside_labels_in_a_row_or_a_column(labels: Any, tmp_path: Path) -> None:
    source = imported(tmp_path, {"X": X, "y": labels})
    assert (source.schema.task, source.schema.class_names) == ("multiclass", ("1", "2", "3"))
    features, targets = rows_of(source)
    assert features.tobytes() == X.tobytes()
    assert targets.tolist() == (LABELS - 1).tolist()


@pytest.mark.parametrize("labels", [np.array(["ab", "cd", "efg"] * 10, object), np.array(["ab", "cd", "ef"] * 10)])
def test_texts_are_classes(labels: Any, tmp_path: Path) -> None:
    source = imported(tmp_path, {"data": X, "labels": labels})
    assert source.schema.class_names in {("ab", "cd", "efg"), ("ab", "cd", "ef")}


def test_structs_splits_and_sparse_matrices(tmp_path: Path) -> None:
    from scipy.sparse import csc_matrix

    assert rows_of(imported(tmp_path, {"d": {"X": X, "y": LABELS}}))[0].tobytes() == X.tobytes()
    assert rows_of(imported(tmp_path, {"X": csc_matrix(X), "y": LABELS}))[0].tolist() == X.tolist()
    parts = {"X_train": X, "y_train": LABELS, "X_test": X[:5], "y_test": LABELS[:5], "note": "of others"}
    assert imported(tmp_path, parts).sizes == {"train": 30, "test": 5}
    named = imported(tmp_path, {"a": X, "b": LABELS, "c": 3}, features=("a",), targets=("b",))
    assert named.sizes == {"train": 30}


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="looks transposed, as MATLAB"):
        imported(tmp_path, {"X": X.T, "y": LABELS})
    with pytest.raises(UsageError, match=r"no features and targets found among a \(30, 4\)"):
        imported(tmp_path, {"a": X})


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.mat"
    io.savemat(path, {"X": X, "y": LABELS}, do_compression=True)
    content = path.read_bytes()
    for cut in (130, 200, len(content) - 3):
        path.write_bytes(content[:cut])
        with pytest.raises((DataError, UsageError)):
            open_source([path], ImportOptions())


def test_a_file_that_ends_scipy_is_an_error_of_this_program(tmp_path: Path) -> None:
    path = tmp_path / "t.mat"
    io.savemat(path, {"X": X, "y": LABELS})
    content = bytearray(path.read_bytes())
    assert content[176:180] == b"\x09\0\0\0"  # the type of the elements of X
    content[176:184] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t.mat: no MATLAB file that can be read"):
        open_source([path], ImportOptions())


def test_arrays_may_be_called_as_arguments_are(tmp_path: Path) -> None:
    named = {"file": X, "names": LABELS, "allow_pickle": LABELS}
    assert rows_of(imported(tmp_path, named, features=("file",), targets=("names",)))[0].tobytes() == X.tobytes()
