"""IDX files: pairs of images and labels, plain and packed, whole and damaged."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ddp_mlp.data.sources import idx_format
from ddp_mlp.data.sources.idx import read_idx, split_of
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 2, 1, 0], np.uint8)
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(values: np.ndarray) -> bytes:
    code = CODES[values.dtype.str[1:]]
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def write_pair(folder: Path, split: str, images: np.ndarray, labels: np.ndarray, *, packed: bool = False) -> None:
    for name, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        content = idx_bytes(values)
        path = folder / f"{split}-{name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_is_read(tmp_path: Path, packed: bool) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS, packed=packed)
    write_pair(tmp_path, "t10k", IMAGES[:2], LABELS[:2], packed=packed)
    (tmp_path / "readme.txt").write_text("not an IDX file")
    source = read_idx([tmp_path])
    d = source.schema
    assert (d.task, d.n_classes, d.n_features, d.image_shape, source.feature_dtype) == (
        "multiclass",
        3,
        6,
        (2, 3),
        "uint8",
    )
    assert dict(source.sizes) == {"train": 5, "test": 2}
    blocks = list(source.blocks())
    assert [split for split, _ in blocks] == ["train", "test"]
    np.testing.assert_array_equal(blocks[0][1].features, IMAGES.reshape(5, 6))
    assert blocks[0][1].features.dtype == np.uint8
    np.testing.assert_array_equal(blocks[0][1].targets, LABELS[:, None].astype(float))
    np.testing.assert_array_equal(blocks[1][1].features, IMAGES[:2].reshape(2, 6))


def test_blocks_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_format, "BLOCK_ROWS", 2)
    write_pair(tmp_path, "train", IMAGES, LABELS)
    blocks = [rows for _, rows in read_idx([tmp_path]).blocks()]
    assert [len(b.features) for b in blocks] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([b.features for b in blocks]), IMAGES.reshape(5, 6))
    np.testing.assert_array_equal(np.concatenate([b.targets for b in blocks])[:, 0], LABELS)


def test_two_files_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(idx_bytes(LABELS))
    (tmp_path / "b").write_bytes(idx_bytes(IMAGES))
    assert read_idx([tmp_path / "a", tmp_path / "b"]).sizes == {"train": 5}


@pytest.mark.parametrize("dtype", sorted(CODES))
def test_every_type_of_values(tmp_path: Path, dtype: str) -> None:
    write_pair(tmp_path, "train", IMAGES.astype(dtype), LABELS)
    source = read_idx([tmp_path])
    ((_, rows),) = source.blocks()
    assert rows.features.dtype == np.dtype(dtype)
    assert rows.features.dtype.isnative
    assert source.feature_dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(rows.features, IMAGES.reshape(5, 6))


def test_two_classes_are_binary(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS % 2)
    assert read_idx([tmp_path]).schema.task == "binary"


def test_plain_and_packed_beside_each_other_count_once(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS, packed=True)
    write_pair(tmp_path, "train", IMAGES, LABELS)
    assert read_idx([tmp_path]).sizes == {"train": 5}


def test_names_tell_the_split(tmp_path: Path) -> None:
    names = {
        "train-images": "train",
        "t10k-images": "test",
        "x-test-labels": "test",
        "val.idx": "valid",
        "a": "train",
    }
    assert {name: split_of(tmp_path / name) for name in names} == names


def check_bad(tmp_path: Path, kind: type[Exception], phrase: str) -> None:
    with pytest.raises(kind, match=phrase):
        list(read_idx([tmp_path]).blocks())


def test_nothing_to_read(tmp_path: Path) -> None:
    check_bad(tmp_path, MissingInputError, "no IDX files")


def test_half_a_pair(tmp_path: Path) -> None:
    (tmp_path / "train-images").write_bytes(idx_bytes(IMAGES))
    check_bad(tmp_path, UsageError, "no labels")


def test_two_pairs_of_one_split(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS)
    write_pair(tmp_path, "more", IMAGES, LABELS)
    check_bad(tmp_path, UsageError, "both look like")


def test_a_test_split_alone(tmp_path: Path) -> None:
    write_pair(tmp_path, "t10k", IMAGES, LABELS)
    check_bad(tmp_path, UsageError, "only a test split")


def test_images_and_labels_of_different_length(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS[:4])
    check_bad(tmp_path, DataError, "5 images, but .* has 4 labels")


def test_splits_of_different_shape(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS)
    write_pair(tmp_path, "t10k", IMAGES[:, :1], LABELS)
    check_bad(tmp_path, DataError, r"shape \(1, 3\)")


@pytest.mark.parametrize("packed", [False, True])
def test_truncated_images(tmp_path: Path, packed: bool) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS, packed=packed)
    name = "train-images-idx3-ubyte" + (".gz" if packed else "")
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-7])
    check_bad(tmp_path, DataError, "truncated|damaged")


def test_surplus_bytes(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS)
    with (tmp_path / "train-images-idx3-ubyte").open("ab") as file:
        file.write(b"x")
    check_bad(tmp_path, DataError, "more bytes")


def test_a_broken_archive(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", IMAGES, LABELS, packed=True)
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(content)
    check_bad(tmp_path, DataError, "damaged")


@pytest.mark.parametrize(
    ("labels", "phrase"), [(LABELS.astype("i1") - 1, "label -1 at row 0"), (LABELS / 2, "float64")]
)
def test_bad_labels(tmp_path: Path, labels: np.ndarray, phrase: str) -> None:
    write_pair(tmp_path, "train", IMAGES, labels)
    check_bad(tmp_path, DataError, phrase)


def test_not_an_idx_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with pytest.raises(DataError, match="not an IDX file"):
        read_idx([tmp_path / "x"])


def test_a_header_that_breaks_off_or_declares_too_much(tmp_path: Path) -> None:
    path = tmp_path / "images"
    for content, phrase in (
        (idx_bytes(IMAGES)[:9], "within its header"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 1, 2**31, 2**31), "1 GiB a row"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 2, 2), "at least one row"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=phrase):
            read_idx([path])
