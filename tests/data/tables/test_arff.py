"""Cells of ARFF as Weka writes them: either quote, the other one within, letters behind a backslash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ddp_mlp.data.importing import open_source
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "@relation t\n@attribute k string\n@attribute x real\n@attribute 'the\\'y' real\n@data\n"


def written(tmp_path: Path, rows: str) -> Path:
    (tmp_path / "t.arff").write_text(HEAD + rows)
    return tmp_path / "t.arff"


@pytest.mark.parametrize(
    ("cell", "text"),
    [("'it\\'s \"so\", yes'", 'it\'s "so", yes'), ("\"a, 'b'\"", "a, 'b'"), ("don't", "don't"), ("'a\\nb'", "a\nb")],
)
def test_cells_in_quotes(cell: str, text: str, tmp_path: Path) -> None:
    rows = "".join(f"{cell if i % 2 else 'plain'}, {i}.5 , {i / 8}\n" for i in range(20))
    source = open_source([written(tmp_path, rows)], ImportOptions(targets=("the'y",)))
    assert source.schema.feature_names == (*sorted([f"k={text}", "k=plain"]), "x")


@pytest.mark.parametrize("row", ["'abc,1,2", "'a' b,1,2", "\"a'b,1,2"])
def test_quotes_that_do_not_fit_have_their_line(row: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.arff: line 7: .* is no cell of ARFF; check its quotes"):
        open_source([written(tmp_path, f"a,1,2\n{row}\n")], ImportOptions(targets=("x",)))


@pytest.mark.parametrize(
    "kind", ["{low, high} % low < 100", "{low,high}", "{ 'low', high } %{x}", "{low, high}  % it's"]
)
def test_a_comment_behind_categories_is_none_of_them(kind: str, tmp_path: Path) -> None:
    rows = "".join(f"{'low' if i % 3 else 'high'},{i}.5\n" for i in range(20))
    (tmp_path / "t.arff").write_text(f"@relation t\n@attribute k {kind}\n@attribute x real\n@data\n{rows}")
    assert open_source([tmp_path / "t.arff"], ImportOptions(targets=("k",))).schema.class_names == ("low", "high")
