"""Tables in text files: columns, targets, tasks, and cells that are wrong."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.tables import encoding
from ddp_mlp.errors import DataError, UsageError
from tests.workbooks import write_workbook

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


def read_csv(
    path: Path, targets: list[str], drop: list[str] | None = None, task: str = "auto", **options: Any
) -> Source:
    return open_source([path], ImportOptions(targets=tuple(targets), drop=tuple(drop or ()), task=task, **options))


def rows_of(source: Source) -> tuple[np.ndarray, np.ndarray]:
    blocks = [rows for split, rows in source.blocks() if split == "train"]
    return np.concatenate([b.features for b in blocks]), np.concatenate([b.targets for b in blocks])


def table(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"


def repeated(values: list[str], times: int) -> list[str]:
    return [f"{i}.5,{v}" for i, v in enumerate(values * times)]


def test_numbers_are_regression(path: Path) -> None:
    path.write_text(table("a,b,price", "1,2.5,10.25", "-3e2, 4 ,11"))
    source = read_csv(path, ["price"])
    d = source.schema
    assert (d.task, d.n_features, d.n_targets, d.n_classes) == ("regression", 2, 1, None)
    assert (d.feature_names, d.target_names, source.feature_dtype) == (("a", "b"), ("price",), "float64")
    features, targets = rows_of(source)
    assert features.tolist() == [[1.0, 2.5], [-300.0, 4.0]]
    assert targets.tolist() == [[10.25], [11.0]]
    assert source.sizes == {"train": 2}


def test_several_targets_and_dropped_columns(path: Path) -> None:
    path.write_text(table("id,a,u,v", "x1,1,2,3", "x2,4,5,6"))
    source = read_csv(path, ["v", "u"], ["id"])
    features, targets = rows_of(source)
    assert (features.tolist(), targets.tolist()) == ([[1.0], [4.0]], [[3.0, 2.0], [6.0, 5.0]])
    assert source.schema.target_names == ("v", "u")


def test_text_features_are_encoded(path: Path) -> None:
    path.write_text(table("colour,size,y", "red,1,0.5", "blue,2,1.5", "red ,3,2.5"))
    source = read_csv(path, ["y"])
    assert source.schema.feature_names == ("colour=blue", "colour=red", "size")
    assert rows_of(source)[0].tolist() == [[0, 1, 1], [1, 0, 2], [0, 1, 3]]


def test_a_text_target_is_classes(path: Path) -> None:
    path.write_text(table("a,kind", "1,rose", "2,aster", "3,lily", "4,rose"))
    source = read_csv(path, ["kind"])
    d = source.schema
    assert (d.task, d.n_classes, d.class_names) == ("multiclass", 3, ("aster", "lily", "rose"))
    assert rows_of(source)[1].tolist() == [[2.0], [0.0], [1.0], [2.0]]


@pytest.mark.parametrize(
    ("values", "times", "task", "names"),
    [
        (["-1", "1"], 10, "binary", ("-1", "1")),
        (["3", "1", "2"], 10, "multiclass", ("1", "2", "3")),
        (["3.0", "1", "2"], 9, "regression", None),
        (["3", "1", "2"], 9, "multiclass", ("1", "2", "3")),
        (["0.0", "1.0"], 10, "binary", ("0", "1")),
        (["true", "false"], 10, "binary", ("false", "true")),
        (["0.5", "1"], 10, "regression", None),
        ([str(i) for i in range(20)], 10, "multiclass", tuple(str(i) for i in range(20))),
        ([str(i) for i in range(21)], 10, "multiclass", tuple(str(i) for i in range(21))),
        ([str(2 * i) for i in range(21)], 10, "regression", None),
        ([str(i) for i in range(21)], 1, "regression", None),
        (["yes", "no"], 1, "binary", ("no", "yes")),
    ],
)
def test_auto_follows_the_documented_rules(
    path: Path, values: list[str], times: int, task: str, names: tuple[str, ...] | None
) -> None:
    path.write_text(table("a,y", *repeated(values, times)))
    source = read_csv(path, ["y"])
    assert (source.schema.task, source.schema.class_names) == (task, names)
    targets = rows_of(source)[1][: len(values), 0].tolist()
    shown = [v.removesuffix(".0") for v in values]
    assert targets == ([float(v) for v in values] if names is None else [names.index(v) for v in shown])


def test_a_stated_task_overrides(path: Path) -> None:
    path.write_text(table("a,y", *repeated(["0.0", "2.0"], 1)))
    assert read_csv(path, ["y"], task="multiclass").schema.class_names == ("0", "2")
    assert read_csv(path, ["y"], task="binary").schema.n_classes == 2
    path.write_text(table("a,y", *repeated(["0", "1"], 20)))
    assert read_csv(path, ["y"], task="regression").schema.task == "regression"
    assert read_csv(path, ["y"], task="multiclass").schema.task == "multiclass"


def test_separators_packing_and_byte_order_mark(tmp_path: Path) -> None:
    for name, separator in (("t.tsv", "\t"), ("s.csv", ";"), ("b.csv", "|")):
        (tmp_path / name).write_text(f"a{separator}y\n1{separator}2.5\n", encoding="utf-8-sig")
        source = read_csv(tmp_path / name, ["y"])
        assert source.schema.feature_names == ("a",)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b'"a","y"\r\n1,2.5\r\n\r\n3,4.5\r\n'))
    assert rows_of(read_csv(tmp_path / "t.csv.gz", ["y"]))[1].tolist() == [[2.5], [4.5]]


def test_blocks_follow_one_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BLOCK_ROWS", 4)
    path.write_text(table("a,k,y", *(f"{i},{'uv'[i % 2]},{i}.5" for i in range(10))))
    source = read_csv(path, ["y"])
    assert [len(rows.features) for _, rows in source.blocks()] == [4, 4, 2]
    np.testing.assert_array_equal(rows_of(source)[0][:, 0], np.arange(10))


@pytest.mark.parametrize(
    ("content", "phrases"),
    [
        (table("a,b,y", "1,2,3", "4,x7,6"), ["column 'b'", "'x7' at line 3", "numbers in line 2"]),
        (table("a,b,y", "1,u,3", "4,5,6"), ["column 'b'", "'5' at line 3", "text in line 2", "--text 'b'"]),
        (table("a,b,y", "1,2,3", "4,-inf,6"), ["column 'b'", "non-finite value -inf at line 3"]),
        (table("a,b,y", "1,2,inf"), ["column 'y'", "non-finite value inf at line 2"]),
        (table("a,b,y", "1,2,3", "1_000,5,6"), ["column 'a'", "'1_000' at line 3"]),
        (table("a,b,y", "1,2,3", "4,5"), ["line 3 has 2 cells", "header has 3"]),
        (table("a,b,y", "1,2,3,4"), ["line 2 has 4 cells"]),
        (table("a,b,y"), ["a header but no rows"]),
        (table("a,a,y", "4,5,6"), ["'a' appears twice"]),
        (table(",b,y", "4,5,6"), ["column 1 has no name", "--drop"]),
        ("y\n1\n", ["no table of two or more columns"]),
        ("", ["the file is empty"]),
        ('a,b,y\n1,2,3\n4,"5"x,6\n', ["line 3", "not a readable table"]),
        ('a,y\n"1,2\n"1,2\n', ["line 2", "not a readable table"]),
        ("a,b,y\n1,2,3\n4\0,5,6\n", ["line 3: a NUL byte"]),
        ('a,b,y\n1,"2,3\n', ["line 2", "not a readable table", "never closed"]),
        (
            table("a,b,y", *(f"{i},t{i % 1001},2.5" for i in range(3003))),
            ["column 'b'", "1000 different texts", "--drop 'b'", "--ordinal 'b'"],
        ),
    ],
)
def test_bad_tables_are_named(path: Path, content: str, phrases: list[str]) -> None:
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_csv(path, ["y"])
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for phrase in phrases:
        assert phrase in message


def test_lines_are_counted_as_an_editor_does(path: Path) -> None:
    path.write_text('a,k,y\n1,"two\nlines",3\n\n4,u,oops\n')
    with pytest.raises(DataError, match="'oops' at line 5"):
        read_csv(path, ["y"])


def test_an_unnamed_column_can_be_dropped(path: Path) -> None:
    path.write_text(table(",b,y", "0,5,6.5"))
    assert read_csv(path, ["y"], ["column 1"]).schema.feature_names == ("b",)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_encodings_are_found(path: Path, encoding: str) -> None:
    path.write_bytes("größe,y\n1,2.5\n".encode(encoding))
    source = read_csv(path, ["y"])
    assert source.schema.feature_names == ("größe",)
    assert any("cp1252" in note for note in source.notes) == (encoding in {"latin-1", "cp1252"})


def test_a_stated_encoding_is_taken(path: Path) -> None:
    path.write_bytes("größe,y\n1,2.5\n".encode("cp437"))
    assert read_csv(path, ["y"], encoding="cp437").schema.feature_names == ("größe",)
    with pytest.raises(DataError, match="not utf-8 text"):
        read_csv(path, ["y"], encoding="utf-8")
    with pytest.raises(UsageError, match="no such encoding"):
        read_csv(path, ["y"], encoding="klingon")


@pytest.mark.parametrize(
    ("targets", "drop", "task", "phrase"),
    [
        ([], [], "auto", "choose with --target one of alpha, kind, y"),
        (["z"], [], "auto", "no column 'z' for --target; the columns are alpha, kind, y"),
        (["kinds"], [], "auto", "did you mean 'kind'"),
        (["y"], ["alfa"], "auto", "did you mean 'alpha'"),
        (["y"], ["y"], "auto", "both --target and --drop"),
        (["y", "y"], [], "auto", "named twice"),
        (["y"], ["alpha", "kind"], "auto", "no column is left"),
        (["y", "kind"], [], "auto", "text in 'kind'"),
        (["kind"], [], "regression", "text in 'kind'"),
        (["y", "alpha"], [], "multiclass", "2 targets"),
    ],
)
def test_options_that_mean_nothing(path: Path, targets: list[str], drop: list[str], task: str, phrase: str) -> None:
    path.write_text(table("alpha,kind,y", "1,u,3.5"))
    with pytest.raises(UsageError) as caught:
        read_csv(path, targets, drop, task)
    assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("values", "task", "phrase"),
    [
        (["0.5", "1"], "multiclass", "fractions"),
        (["0", "1", "2"], "binary", "3 classes"),
        (["0"], "magic", "'magic'"),
    ],
)
def test_targets_that_do_not_fit_the_task(path: Path, values: list[str], task: str, phrase: str) -> None:
    path.write_text(table("a,y", *repeated(values, 1)))
    with pytest.raises(DataError, match=phrase):
        read_csv(path, ["y"], task=task)


def test_records_whose_values_are_text_here_and_numbers_there(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    records = [{"title": i if i == 7 else f"t{i % 3}", "x": i + 0.5, "y": i * 1.5} for i in range(20)]
    path.write_text(json.dumps(records))
    source = open_source([path], ImportOptions(targets=("y",)))
    assert source.schema.feature_names == ("title=7", "title=t0", "title=t1", "title=t2", "x")
    features, targets = rows_of(source)
    assert features[7].tolist() == [1.0, 0.0, 0.0, 0.0, 7.5]
    assert targets[:, 0].tolist() == [i * 1.5 for i in range(20)]


def test_sheets_without_names(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [["row", "a", "b"], *([i + 0.5, i * 2.0 + 0.25, i / 2] for i in range(5))])
    named = open_source([tmp_path / "t.xlsx"], ImportOptions(targets=("b",)))
    assert named.schema.feature_names == ("row", "a")
    write_workbook(tmp_path / "t.xlsx", [[i + 0.5, i * 2.0 + 0.25, i / 2] for i in range(5)])
    source = open_source([tmp_path / "t.xlsx"], ImportOptions(targets=("column 3",)))
    assert source.sizes == {"train": 5}
    assert any("row 1 is no names" in note for note in source.notes)
