"""How texts write tables: separators, lines before them, comments, and whether the first line is names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.tables.text.delimited import read_delimited
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ddp_mlp.data.sources.tables.table import Table

ROWS = [["1", "u", "2.5"], ["2", "v", "3.5"], ["3", "w", "4.5"]]


def opened(folder: Path, text: str, *, separator: str | None = None, has_header: bool | None = None) -> Table:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return read_delimited(path, separator=separator, has_header=has_header, encoding=None)


def cells(table: Table) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in table.names]
    for block in table.blocks(range(len(table.names))):
        for column, part in zip(columns, block, strict=True):
            column += part.to_pylist()
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "   "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_separator_and_end_of_line(tmp_path: Path, separator: str, end: str) -> None:
    table = opened(tmp_path, end.join(separator.join(row) for row in [["a", "b", "c"], *ROWS]) + end)
    assert (table.names, cells(table)) == (("a", "b", "c"), ROWS)
    assert table.locate([0, 2]) == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("text", "names", "row"),
    [
        ("sep=;\na;b\n1,5;2,5\n2,5;3,5\n", ("a", "b"), ["1,5", "2,5"]),
        ("1,5;2,5;3,5\n2,5;3,5;3,5\n", ("column 1", "column 2", "column 3"), ["1,5", "2,5", "3,5"]),
        ("0,1\n0.5,1.5\n2.5,-3.5\n", ("0", "1"), ["0.5", "1.5"]),  # as pandas names columns
        (",0,1\n0,0.5,1.5\n1,2.5,3.0\n", ("column 1", "0", "1"), ["0", "0.5", "1.5"]),
        ("0,1,2,3\n4,5,6,7\n8,9,10,11\n", tuple(f"column {i}" for i in range(1, 5)), ["0", "1", "2", "3"]),
        ("# station 7\n# made 2024\na,b\n1,2\n", ("a", "b"), ["1", "2"]),
        ("# a,b\n1,2\n3,4\n", ("a", "b"), ["1", "2"]),
        ("# a b\n1 2\n3 4\n", ("a", "b"), ["1", "2"]),
        ("a,b\n# note\n1,2\n# another\n3,4\n", ("a", "b"), ["1", "2"]),
        ("a,b\n#N/A,2\n# note\n3,4\n", ("a", "b"), ["#N/A", "2"]),
        ("colour,n\n#ff0000,1\n#00ff00,2\n", ("colour", "n"), ["#ff0000", "1"]),
        ("A title\n\nmade by X\n\na,b\n1,2\n3,4\n5,6\n7,8\n", ("a", "b"), ["1", "2"]),
        ("A title,,,\n,,,\na,b,c,d\n1,2,3,x\n3,4,5,y\n", ("a", "b", "c", "d"), ["1", "2", "3", "x"]),
        ('"a, b";"c;d";e\n1;2;3\n', ("a, b", "c;d", "e"), ["1", "2", "3"]),
        ("'a,b','c'\n'1,5','x'\n", ("a,b", "c"), ["1,5", "x"]),
        ('a,b\n"say ""hi""",2\n', ("a", "b"), ['say "hi"', "2"]),
        ('a,b\n"say \\"hi\\", he said",2\n', ("a", "b"), ['say "hi", he said', "2"]),
        ('a,b\n"two\nlines",2\n', ("a", "b"), ["two\nlines", "2"]),
        ("a,b\n5'10\",2\n6'1\",3\n", ("a", "b"), ["5'10\"", "2"]),
        ("a,b,\n1,2,\n3,4,\n", ("a", "b", "column 3"), ["1", "2", ""]),
        ("a,b\n1,2,\n3,4,\n", ("a", "b", "column 3"), ["1", "2", ""]),
        (
            '"mpg" "cyl"\n"Mazda RX4" 21.0 6\n"Fiat 128" 32.4 4\n',
            ("column 1", "mpg", "cyl"),
            ["Mazda RX4", "21.0", "6"],
        ),
        ("\ufeffa,b\n1,2\n", ("a", "b"), ["1", "2"]),
        ("3,2,ny,my\n1,2,0\n3,4,1\n5,6,0\n", ("column 1", "column 2", "column 3"), ["1", "2", "0"]),
    ],
)
def test_what_stands_before_and_between_rows(tmp_path: Path, text: str, names: tuple[str, ...], row: list[str]) -> None:
    table = opened(tmp_path, text)
    assert table.names == names
    assert cells(table)[0] == row


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b,kind\n1,2,x\n3,4,y\n", ("a", "b", "kind")),
        ("1,2,x\n3,4,y\n5,6,x\n", None),
        ("1,2\n3,4\n", None),
        ("x,y,x\ny,x,x\nx,x,y\n", None),
        ("colour,shape\nred,round\nblue,square\n", ("colour", "shape")),
        ("id,2019,2020,kind\n1,5,6,x\n2,7,8,y\n", ("id", "2019", "2020", "kind")),
        ("land,2019,2020,2021,2022\nx,5,6,7,8\ny,7,8,9,1\n", ("land", "2019", "2020", "2021", "2022")),
        ("NA,2,x\n3,4,y\n5,6,x\n", None),
    ],
)
def test_whether_the_first_line_is_names(tmp_path: Path, text: str, names: tuple[str, ...] | None) -> None:
    table = opened(tmp_path, text)
    n_lines = text.count("\n")
    assert (table.names == names) == (names is not None)
    assert len(cells(table)) == n_lines - (names is not None)
    assert any("is a row" in note for note in table.notes) == (names is None)
    assert len(cells(opened(tmp_path, text, has_header=False))) == n_lines
    assert opened(tmp_path, text, has_header=True).names if names else True


def test_a_first_line_that_may_be_either_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1 may be names or a row"):
        opened(tmp_path, "a,7,b\nx,u,z\ny,w,z\n")
    assert opened(tmp_path, "a,7,b\nx,u,z\ny,w,z\n", has_header=True).names == ("a", "7", "b")


def test_a_stated_separator(tmp_path: Path) -> None:
    assert opened(tmp_path, "a:b\n1:2\n", separator=":").names == ("a", "b")
    assert opened(tmp_path, "a b  c\n1 2  3\n", separator="blank").names == ("a", "b", "c")
    for wrong in ("ab", '"', "x", ""):
        with pytest.raises(UsageError, match="--separator"):
            opened(tmp_path, "a:b\n1:2\n", separator=wrong)


def test_ragged_lines_are_named_with_those_that_follow(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cells(opened(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8\n9\n1,2,3,4\n1,2,3\n"))
    assert "line 3 has 2 cells, the header has 3 (line 5 1, line 6 4)" in str(caught.value)


def test_a_comment_beyond_the_first_lines_is_none_that_loses_a_row(tmp_path: Path) -> None:
    """What begins with # and has all cells is a row, wherever it stands."""
    body = "".join(f"{i},{i}.5\n" for i in range(3000))
    table = opened(tmp_path, f"a,b\n# note\n{body}#N/A,7.5\n# the end\n")
    found = cells(table)
    assert len(found) == 3001
    assert found[-1] == ["#N/A", "7.5"]


def test_quotes_are_checked_beyond_the_first_block(tmp_path: Path) -> None:
    body = "".join(f'"{i}",{i}.5\n' for i in range(200_000))
    with pytest.raises(DataError, match="line 200002: not a readable table"):
        opened(tmp_path, f'a,b\n{body}"1"x,2\n"3,4\n')
    assert len(cells(opened(tmp_path, f"a,b\n{body}"))) == 200_000


def test_numbers_of_rows_are_those_of_lines(tmp_path: Path) -> None:
    text = "# x\na,b\n\n1,2\n" + '"two\nlines",3\n\n' * 5 + "4,5\n"
    table = opened(tmp_path, text)
    places = table.locate(range(7))
    ends = [int(place.split()[1]) for place in places]
    assert ends == [4, 6, 9, 12, 15, 18, 20]
    assert np.diff(ends).min() > 0


def test_a_tab_before_the_last_column_does_not_hide_blanks(tmp_path: Path) -> None:
    """Numbers stand between runs of blanks, only the name after a tab."""
    path = tmp_path / "t.data"
    rows = [f'{i}.0   {i % 4}   {300 + i}.      {i % 2}\t"make {i}"' for i in range(12)]
    path.write_text("\n".join(["mpg\tcylinders\tdisplacement origin\tname", *rows]) + "\n")
    source = open_source([path], ImportOptions(targets=("mpg",), drop=("name",), task="regression"))
    assert source.schema.feature_names == ("cylinders", "displacement", "origin")
    # Where tabs separate whole texts and numbers, blanks are part of the texts.
    path.write_text("a\tb\n" + "".join(f"{i} and {i + 1} of {i + 2}\t{i}.5\n" for i in range(12)))
    assert open_source([path], ImportOptions(targets=("b",), text=("a",))).schema.n_features == 12
