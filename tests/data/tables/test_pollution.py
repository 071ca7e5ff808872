"""Kinds of pollution of CSV files, after the benchmark Pollock: each read right, told, or refused, and none wrong.

One table of four columns is polluted in each way. "right" is the table without a word, "told" the table with a note,
"refused" one error that names what is wrong and where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, DdpMlpError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["size", "colour", "weight", "price"]
ROWS = [[f"{i}.5", ["red", "green", "blue"][i % 3], f"{100 + i}", f"{10 * i + 1}.25"] for i in range(12)]
FEATURES = [[i + 0.5, i % 3 == 2, i % 3 == 1, i % 3 == 0, 100.0 + i] for i in range(12)]
TARGETS = [10 * i + 1.25 for i in range(12)]


def text(rows: list[list[str]] | None = None, separator: str = ",", end: str = "\n", names: list[str] = NAMES) -> str:
    return end.join(separator.join(row) for row in [names, *(ROWS if rows is None else rows)]) + end


def line_changed(number: int, line: str) -> str:
    """Return the table with another line at `number`, counted from 1."""
    lines = text().splitlines()
    return "\n".join([*lines[: number - 1], line, *lines[number:]]) + "\n"


def quoted(quote: str, separator: str = ",") -> str:
    return text([[quote + cell + quote for cell in row] for row in ROWS], separator)


@dataclass(frozen=True)
class Kind:
    """One way to pollute a table."""

    name: str
    content: str | bytes
    outcome: Literal["right", "told", "refused"]
    says: str = ""


WORDY = [[row[0], f'"{row[1]}, or ""{row[1]}"""', *row[2:]] for row in ROWS]
LINES = [[row[0], f'"{row[1]}\nor so"', *row[2:]] for row in ROWS]
KINDS = [
    *(Kind(f"separator {name}", text(separator=s), "right") for name, s in
      {"semicolon": ";", "tab": "\t", "bar": "|", "blank": " ", "blanks": "   ", "comma and blank": ", "}.items()),
    Kind("separator colon", text(separator=":"), "refused", "--separator"),
    Kind("separator of two characters", text(separator="||"), "told", "hold nothing"),
    Kind("sep=; in the first line", "sep=;\n" + text(separator=";"), "told", "left out"),
    *(Kind(f"ends of lines {name}", text(end=end), "right") for name, end in {"CRLF": "\r\n", "CR": "\r"}.items()),
    Kind("mixed ends of lines", text().replace("\n", "\r\n", 5), "right"),
    Kind("no end of the last line", text().rstrip("\n"), "right"),
    Kind("empty lines at the end", text() + "\n\n\n", "right"),
    Kind("empty lines between", text().replace("\n", "\n\n"), "right"),
    Kind("all cells quoted", quoted('"'), "right"),
    Kind("apostrophes as quotes", quoted("'"), "right"),
    Kind("quoted separators and doubled quotes", text(WORDY), "right"),
    Kind("escaped quotes", text(WORDY).replace('""', '\\"'), "right"),
    Kind("several lines in a cell", text(LINES), "right"),
    *(Kind(f"encoding {code}", text().replace("blue", "bl\u00fce").encode(code), how) for code, how in
      {"utf-8": "right", "utf-8-sig": "right", "utf-16": "right", "utf-16-le": "right", "utf-32": "right",
       "latin-1": "told", "cp1252": "told"}.items()),
    Kind("nothing", b"", "refused", "the file is empty"),
    Kind("empty lines only", b"\n\n  \n", "refused", "the file is empty"),
    Kind("a page of the web", "<!DOCTYPE html>\n<html><body>a, b</body></html>\n", "refused", "a page of the web"),
    Kind("a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid a\n", "refused", "git lfs pull"),
    Kind("a header alone", ",".join(NAMES) + "\n", "refused", "no rows"),
    Kind("one row", text(ROWS[:1]), "right"),
    Kind("no header", text().partition("\n")[2], "told", "is a row"),
    Kind("lines before the table", "Report of 2024\nmade by hand\n\n" + text(), "told", "before line 4 left out"),
    Kind("padded lines before the table", "Report,,,\n,,,\n" + text(), "told", "left out"),
    Kind("comments before the table", "# made by hand\n# in 2024\n" + text(), "told", "left out"),
    Kind("a line below the table", text() + "made by hand\n", "refused", "line 14 has 1 cells"),
    Kind("a padded line below the table", text() + "made by hand,,,\n", "refused", "line 14"),
    Kind("a total below the table", text() + "Total,,1266,673.0\n", "refused", "'Total' at line 14"),
    Kind("two tables of other widths", text() + "\na,b\n1,2\n3,4\n", "refused", "has 2 cells"),
    Kind("two tables of one width", text() + "\n" + text(names=["a", "b", "c", "d"]), "refused", "line 15"),
    Kind("the header again", text() + text(), "refused", "'price' at line 14"),
    Kind("two lines of names", text().replace("\n", "\nin m,name,kg,in \u20ac\n", 1), "refused", "line 2"),
    Kind("a name that is there twice", text(names=["size", "colour", "size", "price"]), "refused", "twice"),
    Kind("a name that is missing", text(names=["size", "colour", "", "price"]), "refused", "has no name"),
    Kind("row names without a name", text([[f"r{i}", *row] for i, row in enumerate(ROWS)]), "told", "left out"),
    Kind("a separator at the end of rows", text([[*row, ""] for row in ROWS], names=[*NAMES, ""]), "told", "nothing"),
    Kind("a cell less", line_changed(5, "3.5,red,103"), "refused", "line 5 has 3 cells"),
    Kind("a cell more", line_changed(5, "3.5,red,103,31.25,7"), "refused", "line 5 has 5 cells"),
    Kind("a cell more in the first row", line_changed(2, "0.5,red,100,1.25,7"), "refused", "line 2 has 5 cells"),
    Kind("another separator in a row", line_changed(5, "3.5;red;103;31.25"), "refused", "line 5 has 1 cells"),
    Kind("a quote that is never closed", line_changed(5, '3.5,"red,103,31.25'), "refused", "line 5"),
    Kind("text behind a quote", line_changed(5, '3.5,"red"x,103,31.25'), "refused", "line 5"),
    Kind("a quote within a cell", line_changed(5, '3.5,re"d,103,31.25').replace("re\"d", "red"), "right"),
    Kind("a NUL byte", line_changed(5, "3.5,red,1\x0003,31.25"), "refused", "line 5: a NUL byte"),
    Kind("decimal commas", text([[c.replace(".", ",") for c in row] for row in ROWS], ";"), "told", "decimal comma"),
    Kind("units", text([[row[0] + " m", row[1], row[2] + " kg", row[3]] for row in ROWS]), "told", "'kg'"),
    Kind("blanks around cells", text([[f"  {cell} " for cell in row] for row in ROWS]), "right"),
    Kind("a number that is text", line_changed(5, "3.5,red,about 103,31.25"), "refused", "'about 103' at line 5"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_polluted_table_is_right_told_or_refused(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(kind.content if isinstance(kind.content, bytes) else kind.content.encode())
    no_header = kind.name == "no header"
    options = ImportOptions(targets=("column 4",) if no_header else ("price",))
    if kind.outcome == "refused":
        with pytest.raises(DataError) as caught:
            list(open_source([path], options).blocks())
        assert re.search(kind.says, str(caught.value)), str(caught.value)
        return
    source = open_source([path], options)
    usual = ("regression: ", "a column of 0 and 1 for each text: colour")
    notes = [note for note in source.notes if not note.startswith(usual)]
    assert bool(notes) == (kind.outcome == "told"), notes
    assert any(kind.says in note for note in notes) or not notes
    rows = [rows for _, rows in source.blocks()]
    n = 1 if kind.name == "one row" else len(ROWS)
    features = np.concatenate([r.features for r in rows])
    colours = features[:, 1:-1]
    assert np.concatenate([r.targets for r in rows])[:, 0].tolist() == TARGETS[:n]
    assert features[:, [0, -1]].tolist() == [[row[0], row[-1]] for row in FEATURES][:n]
    if n > 1:
        assert colours.tolist() == [[float(v) for v in row[1:-1]] for row in FEATURES]


def test_options_decide_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text(separator=":"))
    assert open_source([path], ImportOptions(targets=("price",), separator=":")).sizes == {"train": 12}
    path.write_text(text(names=["size", "colour", "", "price"]))
    options = ImportOptions(targets=("price",), drop=("column 3",))
    assert open_source([path], options).sizes == {"train": 12}
    with pytest.raises(DdpMlpError):
        open_source([path], ImportOptions(targets=("price",), separator="||"))
