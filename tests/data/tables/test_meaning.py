"""What cells mean: numbers in every way of writing them, dates, categories, names of rows, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source


def imported(folder: Path, columns: dict[str, Sequence[object]], **options: Any) -> Source:
    """Import a table of these columns, separated by semicolons, and a target y of fractions."""
    path = folder / "t.csv"
    n = len(next(iter(columns.values())))
    columns = columns if "y" in columns else {**columns, "y": [f"{i}.5" for i in range(n)]}
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([";".join(columns), *(";".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return open_source([path], ImportOptions(**{"targets": ("y",), **options}))


def features(source: Source) -> np.ndarray:
    return np.concatenate([rows.features for _, rows in source.blocks()])


def targets(source: Source) -> list[float]:
    return [float(t) for _, rows in source.blocks() for t in rows.targets[:, 0]]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,5", "-2,25", "3"], [1.5, -2.25, 3]),
        (["1.234,5", "2", "10.000"], [1234.5, 2, 10000]),
        (["1,234.5", "2", "10,000"], [1234.5, 2, 10000]),
        (["1,234,567", "2", "10,000"], [1234567, 2, 10000]),
        (["1 234", "2", "10\u00a0000"], [1234, 2, 10000]),
        (["1\u202f234,5", "2", "3"], [1234.5, 2, 3]),
        (["1'234.5", "2", "3"], [1234.5, 2, 3]),
        (["5%", "10 %", "2.5%"], [5, 10, 2.5]),
        (["$1,234.50", "$2.00", "-$3.25"], [1234.5, 2, -3.25]),
        (["5 \u20ac", "7,5 \u20ac", "1.000,25 \u20ac"], [5, 7.5, 1000.25]),
        (["2.5 m", "3 m", "1e3 m"], [2.5, 3, 1000]),
        (["20 km/h", "30 km/h", "5.5 km/h"], [20, 30, 5.5]),
        (["20 \u00b0C", "30\u00b0C", "5.5\u00a0\u00b0C"], [20, 30, 5.5]),
        (["\u00a01", " 2 ", "3\u00a0"], [1, 2, 3]),
        (["+1.5", "+2", "-3"], [1.5, 2, -3]),
        ([".5", "1.", "1E+05"], [0.5, 1, 100000]),
    ],
)
def test_numbers_in_every_way_of_writing_them(tmp_path: Path, cells: list[str], numbers: list[float]) -> None:
    source = imported(tmp_path, {"a": cells})
    assert features(source)[:, 0].tolist() == numbers
    [column] = source.schema.columns
    assert (column.kind, column.features) == ("number", ("a",))


def test_booleans_are_one_column(tmp_path: Path) -> None:
    source = imported(tmp_path, {"a": ["true", "false", "true"]})
    assert features(source)[:, 0].tolist() == [1, 0, 1]
    [column] = source.schema.columns
    assert (column.kind, column.categories, column.features) == ("boolean", ("false", "true"), ("a",))


@pytest.mark.parametrize(
    ("columns", "phrases"),
    [
        ({"a": ["1,234", "5,678"], "y": ["u", "v"]}, ["'1,234' at line 2", "--decimal"]),
        ({"a": ["1,5", "2,25"], "b": ["1.234", "5.678"]}, ["'1.234' at line 2", "--decimal"]),
        ({"a": ["1,5", "2.5"]}, ["'2.5' at line 3, but text in line 2 ('1,5')"]),
        ({"a": ["2", "5more"]}, ["'5more' at line 3, but numbers in line 2", "--text 'a'"]),
        ({"a": ["5 m", "7 km"], "b": ["1", "x"]}, ["'x' at line 3"]),
        ({"a": ["1", "2 m"]}, ["'2 m' at line 3"]),
        ({"a": ["1", "1_000"]}, ["'1_000' at line 3"]),
        ({"a": ["1", "0x1F"]}, ["'0x1F' at line 3"]),
        ({"a": ["1", "1e999"]}, ["non-finite value 1e999 at line 3"]),
        ({"a": ["1", "9007199254740993"]}, ["9007199254740993 at line 3", "2**53", "--text 'a'"]),
        ({"a": ["1/2/2024", "3/4/2024"]}, ["'1/2/2024' at line 2", "--date 'a'=%d/%m/%Y"]),
        ({"a": ["1", "x"], "b": ["2", "z"]}, ["2 columns cannot be understood", "'x' at line 3", "'z' at line 3"]),
    ],
)
def test_cells_of_two_meanings_are_refused(tmp_path: Path, columns: dict[str, list[str]], phrases: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        imported(tmp_path, columns)
    for phrase in phrases:
        assert phrase in str(caught.value)


def test_units_that_differ_are_categories_and_said(tmp_path: Path) -> None:
    source = imported(tmp_path, {"a": ["5 m", "7 km", "5 m"]})
    assert source.schema.feature_names == ("a=5 m", "a=7 km")


def test_other_columns_or_the_user_tell_the_decimal_sign(tmp_path: Path) -> None:
    assert features(imported(tmp_path, {"a": ["1,234", "5,678"], "b": ["1,5", "2"]}))[:, 0].tolist() == [1.234, 5.678]
    assert features(imported(tmp_path, {"a": ["1,234", "5,678"], "b": ["1.5", "2"]}))[:, 0].tolist() == [1234, 5678]
    source = imported(tmp_path, {"a": ["1,234", "5.678"], "y": ["1,5", "2,5"]}, decimal=",")
    assert features(source)[:, 0].tolist() == [1.234, 5678]
    assert targets(source) == [1.5, 2.5]
    assert features(imported(tmp_path, {"a": ["1,234", "5,678"], "y": ["1", "2"]}, decimal="."))[:, 0].tolist() == [
        1234,
        5678,
    ]
    with pytest.raises(DataError, match=r"'2\.5' at line 2 may be no number of --decimal ,"):
        imported(tmp_path, {"a": ["2.5", "3.5"], "y": ["1,5", "2,5"]}, decimal=",")


@pytest.mark.parametrize(
    ("cells", "form", "n_features"),
    [
        (["2024-01-31", "2024-02-29"], "ISO 8601", 5),
        (["2024-01-31T12:30", "2024-02-29T01:02"], "ISO 8601", 7),
        (["2024-01-31 12:30:00.5Z", "2024-02-29 01:02:03Z"], "ISO 8601", 7),
        (["2024/01/31", "2024/02/29"], "%Y/%m/%d", 5),
        (["31.1.2024", "29.02.2024"], "%d.%m.%Y", 5),
        (["31/1/2024", "29/02/2024"], "%d/%m/%Y", 5),
        (["1/31/2024 10:11", "02/29/2024 00:00"], "%m/%d/%Y %H:%M", 7),
        (["Jan 31 2024", "Feb 29 2024"], "%b %d %Y", 5),
        (["31-Jan-2024", "29-Feb-2024"], "%d-%b-%Y", 5),
        (["1/31/24 10:11", "02/29/24 00:00"], "%m/%d/%y %H:%M", 7),
        (["31-Jan-24", "29-Feb-24"], "%d-%b-%y", 5),
        (["1/31/2024 1:11 PM", "02/29/2024 12:00 am"], "%m/%d/%Y %I:%M %p", 7),
        (["10:11", "23:59"], "%H:%M", 2),
    ],
)
def test_dates_become_years_and_circles(tmp_path: Path, cells: list[str], form: str, n_features: int) -> None:
    source = imported(tmp_path, {"t": cells})
    [column] = source.schema.columns
    assert (column.kind, len(column.features)) == ("date", n_features)
    assert any(f"({form})" in note for note in source.notes)
    found = features(source)
    assert np.isfinite(found).all()
    if n_features > 2:
        assert found[:, 0].tolist() == [2024, 2024]
        np.testing.assert_allclose(np.arctan2(found[0, 1], found[0, 2]) / (2 * np.pi) * 365.2425, 30, atol=1e-9)
        np.testing.assert_allclose(np.arctan2(found[0, 3], found[0, 4]) / (2 * np.pi) * 7, 2, atol=1e-9)
    assert any("dates" in note for note in source.notes)


def test_days_that_do_not_exist_are_no_dates(tmp_path: Path) -> None:
    for cells in (
        ["31/02/2024", "30/01/2024"],
        ["2024-02-30", "2024-01-01"],
        ["30 Feb 2024", "1 Mar 2024"],
        ["24:01", "1:00"],
    ):
        assert imported(tmp_path, {"t": cells}).schema.columns[0].kind == "category"


def test_dates_of_a_stated_format(tmp_path: Path) -> None:
    cells = ["1/2/2024", "3/4/2024"]
    assert features(imported(tmp_path, {"t": cells}, date={"t": "%d/%m/%Y"}))[0, 0] == 2024
    assert features(imported(tmp_path, {"t": ["2024", "2025"]}, date={"t": "%Y"}))[:, 0].tolist() == [2024, 2025]
    with pytest.raises(DataError, match="no dates of one format"):
        imported(tmp_path, {"t": ["1/2/2024", "x"]}, date={"t": "%d/%m/%Y"})


@pytest.mark.parametrize(
    "token", ["", "NA", "n/a", "N/A", "null", "NULL", "nan", "NaN", "?", "-", "  ", "#N/A", "<NA>"]
)
def test_missing_cells_stay_missing(tmp_path: Path, token: str) -> None:
    source = imported(
        tmp_path, {"a": ["1", token, "3"], "k": ["u", "v", token], "t": [token, "2024-01-02", "2024-01-03"]}
    )
    found = features(source)
    np.testing.assert_array_equal(found[:, 0], [1, np.nan, 3])
    np.testing.assert_array_equal(found[:, 1:3], [[1, 0], [0, 1], [np.nan, np.nan]])
    assert np.isnan(found[0, 3:]).all()
    assert source.schema.columns[0].missing == "impute"
    [note] = [note for note in source.notes if note.startswith("missing cells")]
    assert "'a' 1, first" in note
    assert "line 3" in note


def test_policies_of_missing_cells(tmp_path: Path) -> None:
    columns = {"a": ["1", "NA", "3"], "b": ["1", "2", "3"]}
    source = imported(tmp_path, columns, missing="indicator")
    assert source.schema.feature_names == ("a", "a=missing", "b")
    np.testing.assert_array_equal(features(source), [[1, 0, 1], [np.nan, 1, 2], [3, 0, 3]])
    source = imported(tmp_path, columns, missing="drop")
    assert (source.sizes, features(source)[:, 0].tolist()) == ({"train": 2}, [1, 3])
    assert any("1 row " in note for note in source.notes)
    with pytest.raises(DataError, match="column 'a': 'NA' at line 3"):
        imported(tmp_path, columns, missing="error")


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    source = imported(tmp_path, {"a": ["1", "2", "3"], "y": ["0.5", "NA", "2.5"]})
    assert (source.sizes, targets(source), features(source)[:, 0].tolist()) == ({"train": 2}, [0.5, 2.5], [1, 3])
    assert any(note.startswith("1 row without a target") for note in source.notes)
    source = imported(tmp_path, {"a": ["1", "2", "3"], "y": ["u", "", "v"]})
    assert (source.schema.class_names, targets(source)) == (("u", "v"), [0, 1])
    with pytest.raises(DataError, match="target 'y' holds nothing"):
        imported(tmp_path, {"a": ["1", "2"], "y": ["NA", ""]})


def test_names_of_rows_and_empty_columns_are_left_out_with_a_word(tmp_path: Path) -> None:
    n = 60
    columns = {
        "id": range(n),
        "name": [f"person {i}" for i in range(n)],
        "void": ["NA"] * n,
        "a": [i * i for i in range(n)],
    }
    source = imported(tmp_path, columns)
    assert source.schema.feature_names == ("a",)
    for name in ("'id' counts", "'name' holds 60 different texts", "hold nothing: void"):
        assert any(name in note for note in source.notes)
    assert imported(tmp_path, {"a": range(n)}).schema.feature_names == ("a",)
    kept = imported(tmp_path, columns, text=("name",))
    assert kept.schema.n_features == 61


def test_options_of_columns(tmp_path: Path) -> None:
    columns = {
        "a": ["1", "2", "1"],
        "size": ["low", "high", "mid"],
        "w": ["1", "0.5", "0"],
        "s": ["train", "Test", "val"],
    }
    source = imported(
        tmp_path, columns, text=("a",), ordinal={"size": ("low", "mid", "high")}, weights="w", split_by="s"
    )
    assert source.schema.feature_names == ("a=1", "a=2", "size")
    assert source.sizes == {"train": 1, "valid": 1, "test": 1}
    blocks = dict(source.blocks())
    assert {split: rows.features[0].tolist() for split, rows in blocks.items()} == {
        "train": [1, 0, 0], "test": [0, 1, 2], "valid": [1, 0, 1],
    }  # fmt: skip
    assert blocks["test"].weights is not None
    assert blocks["test"].weights.tolist() == [0.5]
    for options, phrase in (
        ({"ordinal": {"size": ("low", "mid")}}, "--ordinal does not list high"),
        ({"weights": "size"}, "no numbers of 0 or more"),
        ({"split_by": "size"}, "holds low"),
    ):
        with pytest.raises(DataError, match=phrase):
            list(imported(tmp_path, {k: v for k, v in columns.items() if k != "s"}, **options).blocks())
    with pytest.raises(UsageError, match="both --target and --id"):
        imported(tmp_path, columns, ids=("y",))
    with pytest.raises(UsageError, match="no column 'sizes' for --ordinal; did you mean 'size'"):
        imported(tmp_path, columns, ordinal={"sizes": ()})


def test_targets_are_labels_or_quantities_by_their_values(tmp_path: Path) -> None:
    rows = {"a": range(40)}
    for cells, task, names in (
        (["9007199254740992", "9007199254740993"] * 20, "binary", ("9007199254740992", "9007199254740993")),
        (["1,5"] * 20 + ["2,5"] * 20, "regression", None),
        (["5%"] * 20 + ["7%"] * 20, "binary", ("5", "7")),
        (["2.0", "1.0"] * 20, "binary", ("1", "2")),
        (["ja", "nein"] * 20, "binary", ("ja", "nein")),
    ):
        source = imported(tmp_path, {**rows, "y": cells}, task="multiclass" if "900" in cells[0] else "auto")
        task = "multiclass" if "900" in cells[0] else task
        assert (source.schema.task, source.schema.class_names) == (task, names)
        assert source.notes[0].startswith(task)
        if names:
            shown = [cell.removesuffix("%").removesuffix(".0") for cell in cells]
            assert targets(source) == [names.index(cell) for cell in shown]


@pytest.mark.parametrize(
    ("cells", "task", "phrase"),
    [
        (["1", "5more"], "auto", "'5more' at line 3"),
        (["2024-01-02", "2024-01-03"], "auto", "holds dates"),
        (["1,234", "5,678"], "auto", "'1,234' may be"),
        (["1", "9007199254740993"], "auto", "above 2\\*\\*53 at line 3"),
        (["1", "inf"], "auto", "non-finite"),
    ],
)
def test_targets_of_two_meanings_are_refused(tmp_path: Path, cells: list[str], task: str, phrase: str) -> None:
    with pytest.raises(DataError, match=phrase):
        imported(tmp_path, {"a": ["1", "2"], "y": cells}, task=task)


def test_columns_of_text_are_told_by_what_they_become(tmp_path: Path) -> None:
    columns = {
        "colour": ["red", "blue", "green"] * 20, "size": range(60), "ok": ["true", "false"] * 30,
        "sold": ["false", "false", "true"] * 20, "grade": ["low", "mid"] * 30,
    }  # fmt: skip
    source = imported(tmp_path, columns, ordinal={"grade": ("low", "mid")})
    assert "a column of 0 and 1 for each text: colour (3)" in source.notes
    assert "true and false are 1 and 0: ok, sold" in source.notes
    assert "numbered in the order of their texts: grade (low, mid)" in source.notes
    many = {f"c{i}": ["u", "v"] * 30 for i in range(9)}
    (line,) = [note for note in imported(tmp_path, many).notes if note.startswith("a column of 0 and 1")]
    assert line.endswith("c7 (2) and 1 more")


def test_dates_that_may_begin_with_the_year_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("t,y\n24/01/31,1.5\n24/02/15,2.5\n23/12/28,3.5\n")
    with pytest.raises(DataError, match="the day or the year first; --date 't'=%d/%m/%y or =%y/%m/%d decides"):
        open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",)))
    (tmp_path / "t.csv").write_text("t,y\n31.01.24,1.5\n15.02.24,2.5\n28.12.23,3.5\n")
    source = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",)))
    assert any("(%d.%m.%y)" in note for note in source.notes)


def test_a_group_of_thousands_does_not_begin_with_zero(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b;y\n0.126;1,5;7\n0.250;2,5;8\n")
    [(_, rows)] = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), task="regression")).blocks()
    assert rows.features.tolist() == [[0.126, 1.5], [0.25, 2.5]]
    (tmp_path / "t.csv").write_text("a;y\n0,126;7\n0,250;8\n")
    [(_, rows)] = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), task="regression")).blocks()
    assert rows.features.tolist() == [[0.126], [0.25]]


@pytest.mark.parametrize("word", ["Total", "Grand total", "Mean", "Summe"])
@pytest.mark.parametrize("names", [[f"s{i}" for i in range(30)], ["u", "v", "w"] * 10])
def test_a_line_of_sums_below_a_table_of_texts_is_refused(tmp_path: Path, word: str, names: list[str]) -> None:
    rows = "".join(f"{name},{i}.5,{i}.25\n" for i, name in enumerate(names))
    (tmp_path / "t.csv").write_text(f"k,x,y\n{rows}{word},450,442.5\n,,\n")
    with pytest.raises(DataError, match=f"column 'k': '{word}' at line 32 looks like a line below the table"):
        open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",)))
    open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), text=("k",)))
    (tmp_path / "t.csv").write_text(f"k,x,y\n{word},450,442.5\n{rows}")  # a category like others
    open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",)))


def test_categories_that_differ_in_case_only_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("k,y\nMale,1.5\nmale,2.5\nfe male,1\nfemale,2\nother,3\n")
    notes = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",))).notes
    alike = "warning: column 'k': 'Male' and 'male'; 'fe male' and 'female' differ in case, blanks or code points only"
    assert any(note.startswith(alike) for note in notes)


def test_ordinal_numbers_are_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("k,y\n10,1.5\n9,2.5\n2,1\n")
    [(_, rows)] = open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), ordinal={"k": ()})).blocks()
    assert rows.features[:, 0].tolist() == [2, 1, 0]


def test_numbers_as_fortran_writes_them_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_text("a b y\n1.5D+00 1d2 0.25D-01\n-.5d+02 2d3 3.5D+00\n0.0 4d5 1.0D+100\n")
    source = open_source([tmp_path / "t.dat"], ImportOptions(targets=("y",)))
    [(_, rows)] = source.blocks()
    assert source.schema.feature_names == ("a", "b=1d2", "b=2d3", "b=4d5")  # codes, not numbers
    assert rows.features[:, 0].tolist() == [1.5, -50.0, 0.0]
    assert rows.targets[:, 0].tolist() == [0.025, 3.5, 1e100]
    [(_, again)] = open_source([tmp_path / "t.dat"], ImportOptions(like=source.schema)).blocks()
    assert again.targets.tolist() == rows.targets.tolist()


def test_classes_that_look_alike_are_told(tmp_path: Path) -> None:
    found = imported(tmp_path, {"a": [1.5, 2.5, 3.5, 4.5], "y": ["caf\u00e9", "cafe\u0301", "Tea", "tea"]})
    alike = (
        "warning: column 'y': 'Tea' and 'tea'; 'cafe\u0301' and 'caf\u00e9' differ in case, blanks or code points only"
    )
    assert any(note.startswith(alike) and note.endswith("classes of their own") for note in found.notes)


def test_a_class_that_reads_as_missing_is_shown(tmp_path: Path) -> None:
    found = imported(tmp_path, {"a": [1.5, 2.5, 3.5, 4.5], "y": ["EU", "NA", "AS", "NA"]})
    expected = "2 rows without a target or with missing cells left out; the first has 'NA' in 'y', which is no value"
    assert expected in found.notes


def test_a_target_that_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'y': the non-finite value inf at line 3"):
        imported(tmp_path, {"a": [1.5, 2.5, 3.5], "y": [1.5, "inf", 3.5]})
