"""One contract for every source of rows: what is made, tables, pairs of IDX files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from scipy import io as scipy_io

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.formats import FORMATS
from ddp_mlp.data.importing import MAKERS, open_source, write_source
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.source import Source
from tests.data.test_idx import IMAGES, LABELS, write_pair
from tests.workbooks import write_workbook

X, Y = np.arange(60).reshape(30, 2) / 4, np.arange(30) / 8


def table(folder: Path) -> Source:
    path = folder / "t.csv"
    path.write_text("a,colour,y\n" + "".join(f"{i}.5,{'red' if i % 3 else 'blue'},{i}.25\n" for i in range(40)))
    return open_source([path], ImportOptions(targets=("y",), test_fraction=0.25))


def classes(folder: Path) -> Source:
    path = folder / "k.tsv"
    path.write_text("a\tkind\n" + "".join(f"{i}\t{'uvw'[i % 3]}\n" for i in range(30)))
    return open_source([path], ImportOptions(targets=("kind",)))


def images(folder: Path) -> Source:
    (folder / "idx").mkdir()
    write_pair(folder / "idx", "train", IMAGES, LABELS)
    write_pair(folder / "idx", "t10k", IMAGES[:3], LABELS[:3], packed=True)
    return open_source([folder / "idx"], ImportOptions())


def columns(folder: Path) -> pa.Table:
    kinds = ["red" if i % 3 else "blue" for i in range(40)]
    return pa.table(
        {"a": np.arange(40) / 4, "kind": kinds, "ok": [i % 2 == 0 for i in range(40)], "y": np.arange(40) / 8}
    )


def parquet(folder: Path) -> Source:
    from pyarrow.parquet import write_table

    write_table(columns(folder), folder / "t.parquet")
    return open_source([folder / "t.parquet"], ImportOptions(targets=("y",)))


def feather(folder: Path) -> Source:
    from pyarrow.feather import write_feather

    write_feather(columns(folder), folder / "t.feather")
    return open_source([folder / "t.feather"], ImportOptions(targets=("y",)))


def json_lines(folder: Path) -> Source:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in columns(folder).to_pylist()))
    return open_source([folder / "t.jsonl"], ImportOptions(targets=("y",)))


def excel(folder: Path) -> Source:
    write_workbook(
        folder / "t.xlsx", [["a", "kind", "y"], *([i / 4, "red" if i % 3 else "blue", i / 8] for i in range(40))]
    )
    return open_source([folder / "t.xlsx"], ImportOptions(targets=("y",)))


def arff(folder: Path) -> Source:
    rows = "".join(f"{i}.5,{'red' if i % 3 else 'light blue'!r},{i}.25\n" for i in range(1, 40))
    head = "% made\n@RELATION t\n@ATTRIBUTE a NUMERIC\n@ATTRIBUTE 'the kind' {red, 'light blue', green}\n"
    head += "@ATTRIBUTE y REAL\n@DATA\n"
    (folder / "t.arff").write_text(head + rows)
    return open_source([folder / "t.arff"], ImportOptions(targets=("y",)))


def npz(folder: Path) -> Source:
    x = np.arange(120, dtype=np.uint8).reshape(30, 2, 2)
    np.savez(folder / "t.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_test=x[20:], y_test=np.arange(10) % 2)
    return open_source([folder / "t.npz"], ImportOptions())


def npy(folder: Path) -> Source:
    np.save(folder / "t.npy", np.arange(60.0).reshape(20, 3) / 8)
    return open_source([folder / "t.npy"], ImportOptions(targets=("column 3",)))


def libsvm(folder: Path) -> Source:
    (folder / "t.svm").write_text("".join(f"{1 - 2 * (i % 2)} 1:{i}.5 {2 + i % 3}:1\n" for i in range(30)))
    return open_source([folder / "t.svm"], ImportOptions())


def hdf5(folder: Path) -> Source:
    with h5py.File(folder / "t.h5", "w") as file:
        file["X"], file["y"] = X, Y
    return open_source([folder / "t.h5"], ImportOptions())


def matlab(folder: Path) -> Source:
    scipy_io.savemat(folder / "t.mat", {"X": X, "y": Y})
    return open_source([folder / "t.mat"], ImportOptions())


#: At least one of each format.
IMPORTED = {
    "table": table, "classes": classes, "images": images, "parquet": parquet, "feather": feather, "json": json_lines,
    "excel": excel, "arff": arff, "npz": npz, "npy": npy, "libsvm": libsvm, "hdf5": hdf5, "matlab": matlab,
}  # fmt: skip


def source_of(name: str, folder: Path) -> Source:
    return IMPORTED[name](folder) if name in IMPORTED else MAKERS[name](None if name == "digits" else 300, 1)


def rows_of(source: Source) -> dict[str, Rows]:
    """Return all rows of each split, which blocks give in order."""
    blocks: dict[str, list[Rows]] = {split: [] for split in source.sizes}
    for split, rows in source.blocks():
        assert rows.features.flags.c_contiguous
        blocks[split].append(rows)
    return {
        split: Rows(np.concatenate([b.features for b in of]), np.concatenate([b.targets for b in of]))
        for split, of in blocks.items()
    }


def test_every_format_is_here(tmp_path: Path) -> None:
    recognised = set()
    for name in IMPORTED:
        (tmp_path / name).mkdir()
        IMPORTED[name](tmp_path / name)
        [path] = (tmp_path / name).iterdir()
        recognised.add(next(candidate.name for candidate in FORMATS if candidate.recognises(path)))
    assert recognised == {candidate.name for candidate in FORMATS}


@pytest.mark.parametrize("name", [*MAKERS, *IMPORTED])
def test_rows_are_as_described_and_come_again_from_the_source_and_from_the_file(name: str, tmp_path: Path) -> None:
    source = source_of(name, tmp_path)
    d, found, again = source.schema, rows_of(source), rows_of(source)
    assert next(iter(source.sizes)) == "train"
    assert source.origin
    for names, count in ((d.feature_names, d.n_features), (d.class_names, d.n_classes)):
        assert names is None or len(names) == count
    assert d.image_shape is None or np.prod(d.image_shape) == d.n_features
    for split, rows in found.items():
        assert (rows.features.shape, rows.features.dtype) == (
            (source.sizes[split], d.n_features),
            source.feature_dtype,
        )
        assert (rows.targets.shape, rows.targets.dtype) == ((source.sizes[split], d.n_targets), np.float64)
        assert np.isfinite(rows.features).all()
        assert np.isfinite(rows.targets).all()
        if d.n_classes:
            assert d.n_targets == 1
            assert set(rows.targets.ravel()) <= set(range(d.n_classes))
        assert again[split].features.tobytes() == rows.features.tobytes()
        assert again[split].targets.tobytes() == rows.targets.tobytes()
    path = tmp_path / "written.h5"
    write_source(source, path)
    with open_dataset(path) as dataset:
        assert (dataset.schema, dataset.source) == (d, source.origin)
        assert {split: part.n_samples for split, part in dataset.splits.items()} == dict(source.sizes)
        for split, rows in found.items():
            stored = dataset.splits[split].read(0, source.sizes[split])
            np.testing.assert_array_equal(stored.features, rows.features)
            np.testing.assert_array_equal(stored.targets, rows.targets)


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"xor"}))
def test_a_seed_is_one_choice_of_rows(name: str, tmp_path: Path) -> None:
    first = rows_of(source_of(name, tmp_path))
    other = rows_of(MAKERS[name](None if name == "digits" else 300, 2))
    assert first["test"].features.tobytes() != other["test"].features.tobytes()
