"""From files of other formats to a data set: the choice of the format, test splits, refusals."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.importing import MAKERS, import_dataset, make_dataset, open_source
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.source import Source
from ddp_mlp.data.sources.splitting import split_off_test
from ddp_mlp.errors import DataError, MissingInputError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{i % 3}.5,{i}.25\n" for i in range(20)))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.h5"


def test_a_table_becomes_a_data_set(table: Path, out: Path) -> None:
    import_dataset([table], out, ImportOptions(targets=("y",)))
    with open_dataset(out) as dataset:
        assert (dataset.schema.task, dataset.schema.feature_names, dataset.schema.target_names) == (
            "regression",
            ("a", "b"),
            ("y",),
        )
        assert dataset.source == "CSV t.csv"
        rows = dataset.splits["train"].read(0, 20)
    np.testing.assert_array_equal(rows.features[:, 0], np.arange(20))
    np.testing.assert_array_equal(rows.targets[:, 0], np.arange(20) + 0.25)


def test_classes_keep_their_names(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "k.tsv"
    path.write_text("a\tkind\n1\tu\n2\tw\n3\tv\n")
    import_dataset([path], out, ImportOptions(targets=("kind",)))
    with open_dataset(out) as dataset:
        assert (dataset.schema.task, dataset.schema.n_outputs, dataset.schema.class_names) == (
            "multiclass",
            3,
            ("u", "v", "w"),
        )
        assert dataset.splits["train"].read(0, 3).targets.tolist() == [[0.0], [2.0], [1.0]]


def test_an_idx_folder_becomes_a_data_set(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 3, 2, 2) + bytes(range(12)))
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 3) + bytes([0, 2, 1]))
    import_dataset([folder], out, ImportOptions(task="multiclass"))
    with open_dataset(out) as dataset:
        assert (dataset.schema.n_features, dataset.schema.image_shape, dataset.schema.n_outputs) == (4, (2, 2), 3)
        assert dataset.splits["train"].feature_dtype == np.uint8
    with pytest.raises(UsageError, match="the data are multiclass"):
        import_dataset([folder], tmp_path / "b.h5", ImportOptions(task="regression"))
    with pytest.raises(UsageError, match="--target y means nothing for IDX"):
        import_dataset([folder], tmp_path / "b.h5", ImportOptions(targets=("y",)))


def test_the_test_fraction_moves_rows(table: Path, tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        import_dataset([table], tmp_path / name, ImportOptions(targets=("y",), test_fraction=0.25, seed=seed))
        with open_dataset(tmp_path / name) as dataset:
            train, test = (
                dataset.splits[s].read(0, dataset.splits[s].n_samples).features[:, 0] for s in ("train", "test")
            )
        assert (len(train), len(test)) == (15, 5)
        assert sorted([*train, *test]) == list(range(20))
        assert (np.diff(train) > 0).all()
        found.append(test.tolist())
    assert found[0] == found[1] != found[2]


def counted(sizes: dict[str, int]) -> Source:
    def blocks() -> Iterator[tuple[str, Rows]]:
        for split, n in sizes.items():
            for start in range(0, n, 7):
                ids = np.arange(start, min(start + 7, n), dtype=float)[:, None]
                yield split, Rows(ids, 2 * ids, ids[:, 0])

    return Source(Schema("regression", 1, 1), sizes, "counted", blocks)


def test_splitting_keeps_rows_targets_and_weights_together() -> None:
    source = split_off_test(counted({"train": 50, "valid": 3}), 0.3, 0)
    assert source.sizes == {"train": 35, "valid": 3, "test": 15}
    seen: dict[str, list[float]] = {"train": [], "valid": [], "test": []}
    for split, rows in source.blocks():
        assert rows.weights is not None
        np.testing.assert_array_equal(rows.targets[:, 0], 2 * rows.features[:, 0])
        np.testing.assert_array_equal(rows.weights, rows.features[:, 0])
        seen[split] += rows.features[:, 0].tolist()
    assert {split: len(ids) for split, ids in seen.items()} == dict(source.sizes)
    assert sorted(seen["train"] + seen["test"]) == list(range(50))


@pytest.mark.parametrize(
    ("sizes", "fraction", "seed", "phrase"),
    [
        ({"train": 10, "test": 2}, 0.2, 0, "has a test split already"),
        ({"train": 10}, 0.01, 0, "0 test rows"),
        ({"train": 10}, 0.99, 0, "10 test rows"),
        ({"train": 10}, 1.0, 0, "fraction < 1"),
        ({"train": 10}, -0.1, 0, "fraction < 1"),
        ({"train": 10}, 0.5, -1, "--seed -1"),
    ],
)
def test_fractions_that_mean_nothing(sizes: dict[str, int], fraction: float, seed: int, phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        split_off_test(counted(sizes), fraction, seed)


def test_sources_that_cannot_be_read(tmp_path: Path, table: Path, out: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        import_dataset([tmp_path / "nix.csv"], out, ImportOptions())
    (tmp_path / "notes.doc").write_text("hello")
    with pytest.raises(UsageError, match="known are CSV or TSV"):
        import_dataset([tmp_path / "notes.doc"], out, ImportOptions())
    (tmp_path / "other.csv").write_text("a,c,y\n1,2,3.5\n")
    with pytest.raises(DataError, match=r"other.csv: no column 'b' than .*t.csv; files that are one table"):
        import_dataset([table, tmp_path / "other.csv"], out, ImportOptions(targets=("y",)))
    with pytest.raises(UsageError, match="--features a means nothing"):
        import_dataset([table], out, ImportOptions(targets=("y",), features=("a",)))
    assert not out.exists()


def test_the_output_is_checked_before_the_work(tmp_path: Path, out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        import_dataset([tmp_path / "never looked at"], out, ImportOptions())
    with pytest.raises(OutputError, match="--force"):
        make_dataset("xor", out)
    make_dataset("xor", out, force=True)
    with open_dataset(out) as dataset:
        assert dataset.splits["train"].n_samples == 4


def test_bad_rows_leave_no_file(table: Path, out: Path) -> None:
    table.write_text(table.read_text() + "1,2\n")
    with pytest.raises(DataError, match="line 22 has 2 cells"):
        import_dataset([table], out, ImportOptions(targets=("y",)))
    assert [p.name for p in out.parent.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_made_data_set_is_read_back(name: str, out: Path) -> None:
    source = make_dataset(name, out, seed=3)
    with open_dataset(out) as dataset:
        assert dataset.schema.task == source.schema.task
        assert dataset.source.startswith("made: ")
        for split, n_samples in source.sizes.items():
            assert len(dataset.splits[split].read(0, n_samples).features) == n_samples


def test_the_same_seed_gives_the_same_fingerprint(tmp_path: Path) -> None:
    prints = []
    for i, seed in enumerate((0, 0, 1)):
        make_dataset("moons", tmp_path / f"{i}.h5", samples=50, seed=seed)
        with open_dataset(tmp_path / f"{i}.h5") as dataset:
            prints.append(dataset.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_unknown_names_get_a_suggestion(out: Path) -> None:
    with pytest.raises(UsageError, match="did you mean moons"):
        make_dataset("moon", out)
    with pytest.raises(UsageError, match="choose from xor"):
        make_dataset("zzz", out)


def test_a_stratified_test_split_has_its_share_of_each_class(tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_text("a,k\n" + "".join(f"{i}.5,{'rare' if i % 20 == 0 else 'often'}\n" for i in range(200)))
    options = ImportOptions(targets=("k",), test_fraction=0.2, stratify=True, seed=3)
    source = open_source([path], options)
    counts = {split: [0, 0] for split in ("train", "test")}
    for split, rows in source.blocks():
        for label in rows.targets[:, 0]:
            counts[split][int(label)] += 1
    assert counts == {"train": [152, 8], "test": [38, 2]}
    assert source.sizes == {"train": 160, "test": 40}
    with pytest.raises(UsageError, match="--stratify goes with --test-fraction and with classes"):
        open_source([path], ImportOptions(targets=("k",), stratify=True))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.nc", b"CDF\x01\0\0", "NetCDF of the classic format is not read; nccopy -k nc4"),
        ("a.mat", b"Octave-1-L\0", "a file of Octave is not read; save it with -v7"),
        ("a.pkl", b"\x80\x04", "a pickle (it would run code) is not read; write the arrays"),
        ("a.SAV", b"$FL2", "a file of a statistics program is not read; read it with pandas"),
        ("a.rds", b"\x1f\x8b", "a file of R is not read; write.csv"),
    ],
)
def test_formats_that_are_not_read_have_a_way_out(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(f"{name}: {told}")):
        open_source([tmp_path / name], ImportOptions(targets=("y",)))


def test_a_column_that_stands_in_the_names_of_folders_only_is_told(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    folders = [tmp_path / "year=2023", tmp_path / "year=2024"]
    for folder in folders:
        folder.mkdir()
        write_table(pa.table({"a": [1.5, 2.5], "y": [0.5, 1.5]}), folder / "part.parquet")
    told = "warning: year stands in the names of folders only and is no column of the table"
    assert told in open_source(folders, ImportOptions(targets=("y",))).notes
