"""Files of answers: the same whether they are written at once or some rows at a time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyarrow import parquet

from ddp_mlp.data.prediction_files import check_target, predictions_file
from ddp_mlp.data.predictions import Answers, Beside
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import OutputError, StorageError, UsageError

SCHEMA = Schema("multiclass", 4, 3, class_names=("a", "b", "ü"))
N = 10


def answers(ids: np.ndarray, schema: Schema = SCHEMA) -> Answers:
    outputs = np.random.default_rng(0).random((N, 3)).astype(np.float32)[ids]
    texts = [f'cell {i}, "{i}"' for i in range(N)]
    beside = Beside(schema, ("row", "note"), lambda _: None, lambda names: dict.fromkeys(names, texts))
    return Answers(outputs, schema, 0.5, beside.of(ids))


def write(path: Path, step: int) -> None:
    with predictions_file(path, N) as file:
        for start in range(0, N, step):
            file.append(answers(np.arange(start, min(start + step, N))))


def content(path: Path) -> Any:
    """Return names and values that another program reads."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            attributes = [list(file[name].attrs.values()) for name in ("outputs", "classes")]
            read = file["outputs"][:].tolist(), file["classes"][:].tolist(), file["beside/note"].asstr()[:].tolist()
            return str(attributes), read, file["beside/row"][:].tolist()
    if path.suffix == ".npy":
        return np.load(path).tolist()
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pydict()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("suffix", ["h5", "csv", "npy", "parquet"])
def test_pieces_make_the_file_that_all_rows_make(tmp_path: Path, suffix: str) -> None:
    whole, parts = tmp_path / f"whole.{suffix}", tmp_path / f"parts.{suffix}"
    write(whole, N)
    write(parts, 3)
    assert content(parts) == content(whole)
    expected = answers(np.arange(N)).outputs
    if suffix == "npy":
        assert np.load(parts).tobytes() == expected.tobytes()
    if suffix == "parquet":
        table = content(parts)
        assert list(table) == ["class", "row", "note", "p(a)", "p(b)", "p(ü)"]
        assert np.array(table["p(b)"], np.float32).tobytes() == expected[:, 1].tobytes()
        assert table["class"] == [("a", "b", "ü")[i] for i in expected.argmax(axis=1)]


@pytest.mark.parametrize("suffix", ["h5", "csv", "npy", "parquet"])
def test_what_fails_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(b"before")

    def fail() -> None:
        with predictions_file(path, N) as file:
            file.append(answers(np.arange(4)))
            raise UsageError("stop")

    with pytest.raises(UsageError, match="stop"):
        fail()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"before"


def test_a_full_disk_is_told() -> None:
    with pytest.raises((OutputError, StorageError)), predictions_file(Path("/proc/none.csv"), N) as file:
        file.append(answers(np.arange(N)))


def test_an_array_is_no_place_for_further_columns(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--with 'sample': a\.npy holds outputs only; name it \*\.csv"):
        check_target(tmp_path / "a.npy", force=False, beside=("sample",))
    check_target(tmp_path / "a.npy", force=False)
    check_target(tmp_path / "a.csv", force=False, beside=("sample",))
