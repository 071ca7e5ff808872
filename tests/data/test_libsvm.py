"""Rows of LIBSVM: what is no row, labels, and files that end before the last feature of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.importing import import_dataset, open_source
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "".join(f"{1 - 2 * (i % 2)} 1:{i}.5 {2 + i % 3}:1 # row {i}\n" for i in range(30))


def rows_of(path: Path, options: ImportOptions) -> np.ndarray:
    return np.concatenate([rows.features for _, rows in open_source([path], options).blocks()])


@pytest.mark.parametrize(
    "line",
    [
        "1 99999999999999999999:1",
        "1 -1:5",
        "1 1:5 1:6",
        "1 1:inf",
        "1 1_0:5",
        "1 1:1_0",
        "1_0 1:1",
        "1 ٣:1",
        "1 1",
        "a 1:1",
    ],
)
def test_what_is_no_row_has_its_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "t.svm"
    path.write_text(GOOD + line + "\n")
    with pytest.raises(DataError, match=r"t.svm: line 31: "):
        import_dataset([path], tmp_path / "o.h5", ImportOptions())
    assert [p.name for p in tmp_path.iterdir()] == ["t.svm"]


def test_labels_are_classes_and_lines_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.data"
    path.write_text("\n# made\n" + GOOD)
    source = open_source([path], ImportOptions())
    assert (source.schema.task, source.schema.class_names) == ("binary", ("-1", "1"))
    assert rows_of(path, ImportOptions())[4].tolist() == [4.5, 0, 1, 0]


def test_a_file_that_ends_before_the_last_feature_of_a_model_has_zeros_there(tmp_path: Path) -> None:
    path = tmp_path / "t.svm"
    path.write_text("1 1:2.5\n-1 2:3\n")
    like = Schema("binary", 4, 1, feature_names=tuple(f"feature {i}" for i in range(4)), class_names=("-1", "1"))
    assert rows_of(path, ImportOptions(like=like)).tolist() == [[0, 2.5, 0, 0], [0, 0, 3, 0]]
    other = Schema("binary", 4, 1, feature_names=("a", "b", "c", "d"), class_names=("-1", "1"))
    assert rows_of(path, ImportOptions(like=other)).shape == (2, 2)


@pytest.mark.parametrize("labels", [("2", "3"), ("3",), ("1",)])
def test_labels_are_those_of_the_model_however_few_occur(labels: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "t.svm"
    path.write_text("".join(f"{label} 1:{label}.5\n" for label in labels))
    names = ("feature 1",)
    for like in (
        Schema("multiclass", 1, 4, feature_names=names),
        Schema("multiclass", 1, 3, feature_names=names, class_names=("3", "1", "2")),
    ):
        [(_, rows)] = open_source([path], ImportOptions(like=like)).blocks()
        assert like.classes is not None
        assert rows.targets[:, 0].tolist() == [like.classes.index(label) for label in labels]
