"""Tables that are damaged, foreign or mutated: one error of this program, and no file."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sys
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyarrow.feather import write_feather
from pyarrow.parquet import write_table as write_parquet

from ddp_mlp.data.importing import import_dataset, open_source, write_source
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.errors import DataError, DdpMlpError, UsageError
from tests.tiers import THOROUGH
from tests.workbooks import write_workbook

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROWS = [[i / 4, "red" if i % 3 else "blue", f"2024-01-{1 + i % 28:02d}", i / 8] for i in range(60)]
TEXT = "a,k,t,y\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS)


def write_all(folder: Path) -> dict[str, Path]:
    """Write the same table in every format and packing."""
    columns = dict(zip("akty", map(list, zip(*ROWS, strict=True)), strict=True))
    packed = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}
    for suffix, compress in packed.items():
        (folder / f"t.csv.{suffix}").write_bytes(compress(TEXT.encode()))
    with zipfile.ZipFile(folder / "t.csv.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("t.csv", TEXT)
    (folder / "t.csv").write_text(TEXT)
    (folder / "q.csv").write_text(TEXT.replace("red", '"re""d"').replace("blue", '"bl\nue"'))
    (folder / "t.jsonl").write_text("".join(json.dumps(dict(zip("akty", row, strict=True))) + "\n" for row in ROWS))
    (folder / "t.json").write_text(json.dumps([dict(zip("akty", row, strict=True)) for row in ROWS]))
    kinds = "@attribute a real\n@attribute k {red,blue}\n@attribute t string\n@attribute y real\n@data\n"
    (folder / "t.arff").write_text(f"@relation t\n{kinds}" + TEXT.partition("\n")[2])
    write_parquet(pa.table(columns), folder / "t.parquet")
    write_feather(pa.table(columns), folder / "t.feather")
    write_workbook(folder / "t.xlsx", [list("akty"), *ROWS])
    return {path.name: path for path in sorted(folder.iterdir())}


def test_one_table_is_the_same_in_every_format(tmp_path: Path) -> None:
    found = {}
    for name, path in write_all(tmp_path).items():
        source = open_source([path], ImportOptions(targets=("y",)))
        rows = np.concatenate([rows.features for _, rows in source.blocks()])
        found[name] = (rows[:, :1] if name == "q.csv" else rows).tobytes()
        assert len(source.schema.columns) == 3
        # The file declares the categories of ARFF, in its own order; all others are alphabetical.
        if name == "t.arff":
            found[name] = rows[:, [0, 2, 1, *range(3, 8)]].tobytes()
    q = found.pop("q.csv")
    assert len(set(found.values())) == 1
    assert np.frombuffer(q).tolist() == [row[0] for row in ROWS]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,k,y\n1,u,0.5\n2,v,1.5\n")
    (tmp_path / "b.csv").write_text("k;y;a\nw;2.5;3\nu;x;4\n")
    with pytest.raises(DataError, match=r"'x' at b.csv, line 3, but numbers in a.csv, line 2"):
        open_source([tmp_path / "a.csv", tmp_path / "b.csv"], ImportOptions(targets=("y",)))
    (tmp_path / "b.csv").write_text("k;y;a\nw;2.5;3\nu;3.5;4\n")
    source = open_source([tmp_path / "a.csv", tmp_path / "b.csv"], ImportOptions(targets=("y",)))
    rows = np.concatenate([rows.features for _, rows in source.blocks()])
    assert rows.tolist() == [[1, 1, 0, 0], [2, 0, 1, 0], [3, 0, 0, 1], [4, 1, 0, 0]]


@THOROUGH
def test_cut_and_mutated_files_are_errors_of_this_program(tmp_path: Path) -> None:
    """Each cut, and 20 mutations of each file; none is a traceback, and none leaves a file."""
    rng = np.random.default_rng(5)
    out = tmp_path / "out" / "o.h5"
    out.parent.mkdir()
    (tmp_path / "in").mkdir()
    refused = 0
    for path in write_all(tmp_path / "in").values():
        whole = path.read_bytes()
        for cut in (0, 1, len(whole) // 2, len(whole) - 1):
            refused += attempt(path, whole[:cut], out)
        for _ in range(20):
            mutated = bytearray(whole)
            for at in rng.integers(0, len(whole), rng.integers(1, 6)):
                mutated[at] = rng.integers(0, 256)
            refused += attempt(path, bytes(mutated), out)
    assert refused > 100


def attempt(path: Path, content: bytes, out: Path) -> bool:
    """Import a file and tell whether it was refused, which leaves nothing."""
    path.write_bytes(content)
    said = str(path)
    try:
        import_dataset([path], out, ImportOptions(targets=("y",)))
    except DdpMlpError as error:
        said = str(error)
    assert str(path) in said
    refused = not list(out.parent.iterdir())
    out.unlink(missing_ok=True)
    return refused


def test_archives_of_several_files_and_columns_without_end_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as file:
        file.writestr("a.csv", TEXT)
        file.writestr("b.csv", TEXT)
    with pytest.raises(DataError, match=r"holds 2 files \(a.csv, b.csv\)"):
        open_source([tmp_path / "t.csv.zip"], ImportOptions(targets=("y",)))
    (tmp_path / "wide.csv").write_text(",".join(f"c{i}" for i in range(200_001)) + "\n")
    with pytest.raises(DataError, match="200001 columns, at most 200000"):
        open_source([tmp_path / "wide.csv"], ImportOptions(targets=("c1",)))


def test_sheets_are_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    table = [
        ["made 2024", None, None],
        [None, None, None],
        ["a", "k", "y"],
        [1, "u", 0.5],
        [None, "v", 1.5],
        [3, "NA", 2.5],
    ]
    write_workbook(path, table, [["b", "z"], [1, 2.5]])
    source = open_source([path], ImportOptions(targets=("y",)))
    assert source.schema.feature_names == ("a", "k=u", "k=v")
    assert any("sheet 'one' of one, two" in note for note in source.notes)
    assert any("'a' 1, first an empty cell at row 5" in note for note in source.notes)
    assert open_source([path], ImportOptions(targets=("z",), sheet="two")).schema.feature_names == ("b",)
    with pytest.raises(UsageError, match="no sheet 'three'; the sheets are one, two"):
        open_source([path], ImportOptions(targets=("z",), sheet="three"))
    (tmp_path / "t.csv").write_text(TEXT)
    with pytest.raises(UsageError, match="--sheet one means nothing for CSV"):
        open_source([tmp_path / "t.csv"], ImportOptions(targets=("y",), sheet="one"))


@pytest.mark.parametrize("code", ["utf-16", "utf-8"])
def test_a_byte_that_is_no_text_has_its_place(code: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    content = ("a,b\n" + "1,2\n" * 300_000).encode(code)
    path.write_bytes(content[:-1] if code == "utf-16" else content + b"\xff")
    place = len(content) - 2 if code == "utf-16" else len(content)
    with pytest.raises(DataError, match=rf"not {code} text \(.* at byte {place}\)"):
        open_source([path], ImportOptions(targets=("b",), encoding=code))


@pytest.mark.parametrize("old", [b"False", b"(20, 3)", b"'<f8'", b"{'descr'"])
@pytest.mark.parametrize("new", [b"F\x95l", b"(", b"'", b"\x00", b"1e9999", b"{[("])
def test_headers_of_arrays_that_are_no_python(old: bytes, new: bytes, tmp_path: Path) -> None:
    for name, save in (("t.npy", np.save), ("t.npz", lambda p, x: np.savez(p, X=x, y=x[:, 0]))):
        path = tmp_path / name
        save(path, np.ones((20, 3)))
        path.write_bytes(path.read_bytes().replace(old, new.ljust(len(old))[: len(old)], 1))
        with pytest.raises(DdpMlpError):
            open_source([path], ImportOptions(targets=("column 3",) if name == "t.npy" else ()))


@pytest.mark.parametrize("text", ["a\0b", "\0", "é\0"])
def test_names_and_categories_with_nul_bytes_are_refused(text: str, tmp_path: Path) -> None:
    rows = [{"k": "u" if i % 2 else "v", "x": i / 4, "y": i / 8} for i in range(20)]
    changed = [[{**row, "k": text if i == 4 else row["k"]} for i, row in enumerate(rows)]]
    changed.append([{text: row["k"], "x": row["x"], "y": row["y"]} for row in rows])
    for number, records in enumerate(changed):
        table = pa.Table.from_pylist(records)
        write_parquet(table, tmp_path / f"{number}.parquet")
        write_feather(table, tmp_path / f"{number}.feather")
        (tmp_path / f"{number}.json").write_text(json.dumps(records))
    for path in sorted(tmp_path.iterdir()):
        for target in ("y", "k") if path.stem == "0" else ("y",):
            with pytest.raises(DataError, match=r"has a NUL byte"):
                open_source([path], ImportOptions(targets=(target,)))


def test_files_that_change_between_two_readings_are_refused(tmp_path: Path) -> None:
    """Numbers alone differ, so that nothing else would tell."""
    (tmp_path / "out").mkdir()
    for name, path in write_all(tmp_path).items():
        if name == "out":
            continue
        source = open_source([path], ImportOptions(targets=("y",)))
        content, facts = path.read_bytes(), path.stat()
        path.unlink()
        path.write_bytes(content)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
        with pytest.raises(DataError, match=rf"{name}: changed while it was read"):
            write_source(source, tmp_path / "out" / "o.h5")
        assert not list((tmp_path / "out").iterdir())


def test_columns_that_are_written_otherwise_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Alpha,BETA x,MPG\n" + "".join(f"{i}.5,{i % 7},{i * 1.25}\n" for i in range(30)))
    asked = (("mpg", "MPG"), ("beta_x", "BETA x"), ("BETAX", "BETA x"), ("alpah", "Alpha"))
    for wrong, right in asked:
        with pytest.raises(UsageError, match=f"no column '{wrong}' for --target; did you mean '{right}'"):
            open_source([path], ImportOptions(targets=(wrong,)))
    names = ("alpha", "Beta_X")
    like = Schema("regression", 2, 1, feature_names=names, target_names=("mpg",))
    with pytest.raises(
        DataError, match=r"no column alpha \(is it Alpha\?\), Beta_X \(is it BETA x\?\); no column mpg \(is it MPG"
    ):
        open_source([path], ImportOptions(like=like))


def test_rows_that_each_of_several_files_counts_are_no_feature(tmp_path: Path) -> None:
    for name, n in (("a", 30), ("b", 20), ("c", 25)):
        (tmp_path / f"{name}.csv").write_text("id,x,y\n" + "".join(f"{i},{i}.5,{i / 8}\n" for i in range(n)))
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    source = open_source(paths, ImportOptions(targets=("y",)))
    assert source.schema.feature_names == ("x",)
    assert "column 'id' counts the rows and is left out" in source.notes
    (tmp_path / "d.csv").write_text("id,x,y\n" + "".join(f"{i % 3},{i}.5,{i / 8}\n" for i in range(30)))
    assert open_source([tmp_path / "d.csv"], ImportOptions(targets=("y",))).schema.feature_names == ("id", "x")
