"""Tables and images from strangers that would become more than anybody could mean."""

from __future__ import annotations

import gzip
import resource
import struct
from pathlib import Path

import pytest

from ddp_mlp.data.importing import import_dataset, open_source
from ddp_mlp.data.sources import packed
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.packed import open_unpacked
from ddp_mlp.data.sources.tables.text import plain_text
from ddp_mlp.errors import DataError, DdpMlpError
from tests.tiers import THOROUGH


def grown_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def refused(path: Path, error: type[DdpMlpError] = DataError) -> str:
    """Import a file, see that it is refused in one line and in little memory, and return the words."""
    before = grown_mib()
    with pytest.raises(error) as caught:
        import_dataset([path], path.with_suffix(".h5"), ImportOptions(targets=("y",)))
    assert grown_mib() - before < 400
    assert not path.with_suffix(".h5").exists()
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 5000
    return said


def test_a_packed_file_becomes_no_more_than_it_can_mean(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "FLOOR_BYTES", 2**20)
    path = tmp_path / "rows.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("a,y\n")
        for _ in range(50):
            file.write("0,1\n" * 100_000)
    assert "unpacks to more than" in refused(path)


def test_what_is_packed_as_tables_are_is_read(tmp_path):
    path = tmp_path / "rows.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("a,y\n" + "".join(f"{i},{i * 7 % 11}.5\n" for i in range(1000)))
    assert open_source([path], ImportOptions(targets=("y",))).sizes == {"train": 1000}
    with open_unpacked(path) as unpacked, gzip.open(path) as whole:
        assert unpacked.read() == whole.read()


@pytest.mark.parametrize(
    "content", ["x" * 3_000_000, '"' + "x" * 3_000_000, "a,y\n" + '"1\n' * 2_000_000, "a,y\n" + "1" * 3_000_000]
)
def test_a_file_without_an_end_of_line_or_of_a_quote_is_no_table(tmp_path, monkeypatch, content):
    monkeypatch.setattr(plain_text, "MOST_OF_A_LINE", 2**20)
    path = tmp_path / "endless.csv"
    path.write_text(content)
    said = refused(path)
    assert "a row of more than 1048576 characters" in said or "not a readable table" in said


@THOROUGH
def test_a_table_of_a_hundred_thousand_columns_is_read(tmp_path):
    path = tmp_path / "wide.csv"
    names = [f"c{i}" for i in range(100_000)]
    path.write_text(
        ",".join([*names, "y"]) + "\n" + "\n".join(",".join(["1", *["0"] * 99_999, f"{i}.5"]) for i in range(3))
    )
    source = open_source([path], ImportOptions(targets=("y",)))
    assert (source.schema.n_features, source.sizes["train"]) == (100_000, 3)


def test_a_message_names_some_of_many_columns(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(100_000)) + "\n")
    from ddp_mlp.errors import UsageError

    assert "and 99960 more" in refused(path, UsageError)


@pytest.mark.parametrize("packing", [gzip.open, open], ids=["packed", "plain"])
@pytest.mark.parametrize("sizes", [(2**32 - 1, 28, 28), (60_000, 2**15, 2**15)])
def test_images_that_are_not_there_are_refused_before_memory_is_taken(tmp_path, packing, sizes):
    path = tmp_path / "train-images-idx3-ubyte"
    with packing(path, "wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", *sizes) + bytes(1000))
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\1\2\3")
    before = grown_mib()
    with pytest.raises(DataError, match=r"which are not there|GiB a row are allowed"):
        open_source([path, labels], ImportOptions())
    assert grown_mib() - before < 100
