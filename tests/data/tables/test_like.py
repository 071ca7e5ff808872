"""Tables that a model is to read: other orders, other ways of writing, and everything that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import ddp_mlp
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.importing import import_dataset, open_source, write_source
from ddp_mlp.data.sources.column import column_of
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.tables.encoding import Encoder
from ddp_mlp.data.sources.tables.like import columns_like
from ddp_mlp.data.sources.tables.text.delimited import read_delimited
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.column import Column
    from ddp_mlp.data.sources.tables.table import Table

FIRST = "a,k,t,ok,y\n1.5,red,2024-01-31,true,0.5\n2.5,blue,2024-02-01,false,1.5\n3,green,2024-03-02,true,2.5\n"


@pytest.fixture
def columns(tmp_path: Path) -> tuple[Column, ...]:
    (tmp_path / "first.csv").write_text(FIRST)
    source = open_source([tmp_path / "first.csv"], ImportOptions(targets=("y",)))
    return tuple(map(column_of, source.schema.columns))


def opened(folder: Path, text: str) -> Table:
    (folder / "next.csv").write_text(text)
    return read_delimited(folder / "next.csv", separator=None, has_header=None, encoding=None)


def features(table: Table, columns: tuple[Column, ...]) -> np.ndarray:
    return np.concatenate([rows.features for _, rows in Encoder(table, columns_like(table, columns), None).blocks()])


def test_the_same_rows_in_another_dress_are_the_same_features(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    expected = features(opened(tmp_path, FIRST), columns)
    text = "id;ok;t;a;k\nx;true;31.01.2024;1,5;red\ny;false;01.02.2024;2,5;blue\nz;true;02.03.2024;3;green\n"
    np.testing.assert_array_equal(features(opened(tmp_path, text), columns), expected)
    one = "k,t,ok,a\nred,1/31/2024,true,1.5\n"
    for spelt in ("true", "TRUE", "True"):  # as JSON, Excel and pandas write it
        np.testing.assert_array_equal(features(opened(tmp_path, one.replace("true", spelt)), columns), expected[:1])
    for unknown in ("yes", "1", "T"):
        with pytest.raises(DataError, match=f"unknown category: '{unknown}'"):
            features(opened(tmp_path, one.replace("true", unknown)), columns)
    two = one + "red,1/31/2024,TRUE,1.5\n"
    with pytest.raises(DataError, match="unknown category: 'TRUE'"):
        features(opened(tmp_path, two), columns)


def test_booleans_of_a_file_and_of_a_frame_are_the_same(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": np.arange(40.0), "ok": np.arange(40) % 3 == 0, "y": np.arange(40) > 20})
    frame.to_csv(tmp_path / "t.csv", index=False)  # True and False
    config = ddp_mlp.Config(model={"hidden": [4]}, train={"epochs": 2})
    model = ddp_mlp.train(config, data=(str(tmp_path / "t.csv"), "y")).model
    answers = model.predict_proba(str(tmp_path / "t.csv"))
    np.testing.assert_array_equal(model.predict_proba(frame.drop(columns="y")), answers)
    measured = model.evaluate(frame, "y")
    assert measured["n_samples"] == 40
    assert measured == model.evaluate(str(tmp_path / "t.csv"), "y")


def test_absent_categories_and_missing_cells(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    found = features(opened(tmp_path, "a,k,t,ok\nNA,red,2024-01-31,true\n2,red,,false\n"), columns)
    assert found[:, 1:4].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert np.isnan(found[0, 0])
    assert np.isnan(found[1, 4:9]).all()


def test_all_that_does_not_fit_is_one_error(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    table = opened(tmp_path, "a,k,t\n1,pink,2024-01-31\nx,pink,soon\n3,red,2024-01-31\n")
    with pytest.raises(DataError) as caught:
        columns_like(table, columns)
    for phrase in ("no column ok", "'x' at line 3 is none of numbers", "'pink' (2)", "at line 2 is none of dates"):
        assert phrase in str(caught.value)


def schema_of(folder: Path) -> Schema:
    import_dataset([folder / "first.csv"], folder / "first.h5", ImportOptions(targets=("k",)), force=True)
    with open_dataset(folder / "first.h5") as dataset:
        return dataset.schema


def test_a_table_is_imported_as_a_data_set_has_it(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    schema = schema_of(tmp_path)
    assert schema.class_names == ("blue", "green", "red")
    (tmp_path / "more.csv").write_text("k;y;more;ok;t;a\nred;1,5;u;false;01.02.2024;7\n;0,5;u;true;02.03.2024;NA\n")
    source = open_source([tmp_path / "more.csv"], ImportOptions(like=schema))
    [(split, rows)] = source.blocks()
    assert (split, source.sizes, rows.targets.tolist()) == ("train", {"train": 1}, [[2.0]])
    assert source.schema.feature_names == schema.feature_names
    assert rows.features[0, [0, -2, -1]].tolist() == [7, 0, 1.5]
    assert "columns that are not used: more" in source.notes
    write_source(source, tmp_path / "more.h5")
    with open_dataset(tmp_path / "more.h5") as dataset:
        assert dataset.schema == schema


def test_classes_and_targets_that_do_not_fit_are_in_the_same_error(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    schema = schema_of(tmp_path)
    (tmp_path / "more.csv").write_text("k,y,t,a\npink,1.5,2024-01-02,7\npink,soon,2024-01-02,7\n")
    with pytest.raises(DataError) as caught:
        open_source([tmp_path / "more.csv"], ImportOptions(like=schema))
    for phrase in ("no column ok", "1 unknown class: 'pink' (2)", "'soon' at line 3 is none of numbers"):
        assert phrase in str(caught.value)


def test_numbers_that_are_labels_fit_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text("a,k\n" + "".join(f"{i}.5,{i % 3 + 1}\n" for i in range(60)))
    schema = schema_of(tmp_path)
    (tmp_path / "more.csv").write_text("k,a\n3.0,1.5\n1,2.5\n2,3.5\n03,4.5\n")
    source = open_source([tmp_path / "more.csv"], ImportOptions(like=schema))
    assert [t for _, rows in source.blocks() for t in rows.targets[:, 0]] == [2, 0, 1, 2]


def twice(folder: Path, text: str, options: ImportOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return features beside targets of a table as it is imported, and as it is read again as the data set has it."""
    (folder / "t.csv").write_text(text)
    import_dataset([folder / "t.csv"], folder / "t.h5", options, force=True)
    with open_dataset(folder / "t.h5") as dataset:
        again = ImportOptions(like=dataset.schema)
    sources = open_source([folder / "t.csv"], options), open_source([folder / "t.csv"], again)
    first, second = ([np.hstack([rows.features, rows.targets]) for _, rows in source.blocks()] for source in sources)
    return np.concatenate(first), np.concatenate(second)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        # Dates that another format fits too, or that only the stated one fits.
        ("t,y\n24/01/31,1.5\n24/02/15,2.5\n", ImportOptions(targets=("y",), date={"t": "%y/%m/%d"})),
        ("t,y\n01/02/2024,1.5\n05/06/2024,2.5\n", ImportOptions(targets=("y",), date={"t": "%d/%m/%Y"})),
        ("t,y\n01/02/2024,1.5\n05/06/2024,2.5\n", ImportOptions(targets=("y",), date={"t": "%m/%d/%Y"})),
        # Numbers of which nothing in the file tells the decimal sign, as features and as targets.
        ("a;b;y\n1.234;7;2.345\n2.500;8;3.456\n", ImportOptions(targets=("y",), decimal=",")),
        ("a;b;y\n1,234;7;2,345\n2,500;8;3,456\n", ImportOptions(targets=("y",), decimal=".")),
        ("a;b;y\n1,234;7;2,345\n2,500;8;3,456\n", ImportOptions(targets=("y",), decimal=",")),
        ("a;b;y\n0,5;7;2.345\n1,5;8;3.456\n", ImportOptions(targets=("y",), decimal=",")),
    ],
)
def test_what_was_stated_at_the_import_is_known_when_the_table_is_read_again(
    tmp_path: Path, text: str, options: ImportOptions
) -> None:
    first, second = twice(tmp_path, text, options)
    np.testing.assert_array_equal(first, second)


def test_other_columns_tell_that_a_table_has_another_decimal_sign(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b;y\n1.234;0,5;2\n2.500;1,25;4\n1.750;1,5;3\n")
    source = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), decimal=",", task="regression"))
    like = ImportOptions(like=source.schema)
    (tmp_path / "other.csv").write_text("a,b,y\n1.234,0.5,2\n")
    [(_, rows)] = open_source([tmp_path / "other.csv"], like).blocks()
    assert rows.features.tolist() == [[1.234, 0.5]]
    (tmp_path / "same.csv").write_text("a;b;y\n1.234;7;2\n")
    [(_, rows)] = open_source([tmp_path / "same.csv"], like).blocks()
    assert rows.features.tolist() == [[1234.0, 7.0]]


def test_targets_in_another_unit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2.5 g\n2,3.5 g\n")
    source = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",)))
    (tmp_path / "next.csv").write_text("a,y\n1,0.0025 kg\n2,0.0035 kg\n")
    with pytest.raises(DataError, match="target 'y' is in 'kg', not in 'g'"):
        open_source([tmp_path / "next.csv"], ImportOptions(like=source.schema))


def test_a_table_without_rows_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2.5\n2,3.5\n")
    schema = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",))).schema
    (tmp_path / "next.csv").write_text("a,y\n")
    for answers_only in (False, True):
        with pytest.raises(DataError, match="a header but no rows"):
            open_source([tmp_path / "next.csv"], ImportOptions(like=schema, answers_only=answers_only))


def test_a_clock_is_no_date(tmp_path: Path) -> None:
    def schema_of_times(*cells: str) -> Schema:
        (tmp_path / "t.csv").write_text("a,t,y\n" + "".join(f"{i},{cell},{i}.5\n" for i, cell in enumerate(cells)))
        return open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",))).schema

    (tmp_path / "next.csv").write_text("a,t\n1.5,10:00\n2.5,11:00\n")
    dates = schema_of_times("2024-01-31 10:00", "2024-02-01 11:30", "2024-02-01 12:30")
    with pytest.raises(DataError, match="column 't': '10:00' at line 2 is none of dates, as it has no day"):
        open_source([tmp_path / "next.csv"], ImportOptions(like=dates, answers_only=True))
    clock = schema_of_times("10:00", "11:30", "12:30")
    for known in (clock, clock.plain()):  # as earlier files have it
        assert open_source([tmp_path / "next.csv"], ImportOptions(like=known, answers_only=True)).sizes == {"train": 2}
