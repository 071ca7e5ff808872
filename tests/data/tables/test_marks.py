"""Marks of missing values that a user names: in every kind of column, in targets, and in later tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.importing import import_dataset, open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source

FIRST = (
    "a,n,k,t,u,y\n1.5,1,red,2024-01-31,5 %,0.5\n{0},{0},{0},{0},{0},1.5\n3,2,red,2024-03-02,6 %,2.25\n"
    "4,4,red,2024-03-02,6 %,{0}\n"
)


def read(folder: Path, text: str, options: ImportOptions) -> Source:
    (folder / "t.csv").write_text(text)
    return open_source([folder / "t.csv"], options)


def rows(source: Source) -> np.ndarray:
    return np.concatenate([np.column_stack([part.features, part.targets]) for _, part in source.blocks()])


@pytest.mark.parametrize("mark", [".", "--", "-999", "-999.0", "*", "unknown", "-9,99"])
def test_a_mark_is_an_empty_cell_in_columns_and_targets_of_all_kinds(tmp_path: Path, mark: str) -> None:
    options = ImportOptions(targets=("y",), na=(mark,))
    cell = f'"{mark}"'
    expected = rows(read(tmp_path, FIRST.format(""), ImportOptions(targets=("y",))))
    source = read(tmp_path, FIRST.format(cell), options)
    np.testing.assert_array_equal(rows(source), expected)
    assert any(f"'a' 1, first '{mark}' at line 3" in note for note in source.notes)
    assert source.schema.marks == (mark,)
    assert not any("no cell holds" in note for note in source.notes)


def test_a_number_is_a_mark_however_it_is_written(tmp_path: Path) -> None:
    text = "a,k,y\n1.5,x,0.5\n-999.00,-999,1.5\n-9.99e2,x,2.5\n"
    found = rows(read(tmp_path, text, ImportOptions(targets=("y",), na=("-999",))))
    np.testing.assert_array_equal(np.isnan(found[:, 0]), [False, True, True])
    np.testing.assert_array_equal(np.isnan(found[:, 1]), [False, True, False])


def test_a_mark_far_down_a_column_of_numbers_is_found(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{'.' if i == 90_000 else i / 7},{i / 3}\n" for i in range(100_000))
    found = rows(read(tmp_path, text, ImportOptions(targets=("y",), na=(".",))))
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [90_000]


def test_later_tables_know_the_marks(tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text(FIRST.format("."))
    import_dataset([tmp_path / "first.csv"], tmp_path / "f.h5", ImportOptions(targets=("y",), na=(".",)))
    with open_dataset(str(tmp_path / "f.h5")) as dataset:
        schema = dataset.schema
    assert schema.marks == (".",)
    text = FIRST.format(".").replace("3,2,red", "3,#,red")
    with pytest.raises(DataError, match="'#'"):
        read(tmp_path, text, ImportOptions(like=schema))
    source = read(tmp_path, text, ImportOptions(like=schema, na=("#",)))
    assert np.isnan(rows(source)).sum(axis=0).tolist()[:3] == [1, 2, 1]
    assert source.schema.marks == ("#", ".")
    answers = read(tmp_path, FIRST.format("."), ImportOptions(like=schema, answers_only=True))
    assert answers.sizes == {"train": 4}
    assert answers.texts is not None
    assert answers.texts(["a"])["a"] == ["1.5", ".", "3", "4"]


def test_a_mark_that_no_cell_holds_is_told(tmp_path: Path) -> None:
    source = read(tmp_path, FIRST.format(""), ImportOptions(targets=("y",), na=("-999", "--")))
    assert "warning: no cell holds '-999', '--', which --na names" in source.notes


def test_text_among_numbers_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'\.' at line 3.* say --na '\.' if that means a missing value"):
        read(tmp_path, "a,y\n1.5,2.5\n.,3.5\n", ImportOptions(targets=("y",)))
    with pytest.raises(DataError, match=r"column 'y': '\.'.* --na '\.' ") as caught:
        read(tmp_path, "a,y\n1.5,2.5\n3,.\n", ImportOptions(targets=("y",)))
    assert "--drop" not in str(caught.value)  # a target cannot be left out
    with pytest.raises(DataError, match="mend such cells, take the column") as caught:
        read(tmp_path, "a,y\n1.5,2.5\n5more,3.5\n", ImportOptions(targets=("y",)))
    assert "--na" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ("0.5 -999 1.5", "-999"),
        ("1000 -9999.0 20000", "-9999"),
        ("-5 1e20 7", "1e+20"),
        ("-99 40 -60", None),
        ("99 99 99", None),
        ("-999 -998.5 -1000", None),
        ("98 99 100", None),
    ],
)
def test_numbers_that_often_mean_missing_are_told(tmp_path: Path, cells: str, code: str | None) -> None:
    for column in "ay":
        lines = [f"{cell},{i}.5" if column == "a" else f"{i}.5,{cell}" for i, cell in enumerate(cells.split())]
        options = ImportOptions(targets=("y",), task="regression")
        notes = read(tmp_path, "\n".join(["a,y", *lines, ""]), options).notes
        told = [note for note in notes if "--na" in note]
        assert [f"column '{column}' holds {code}," in note for note in told] == ([] if code is None else [True])
