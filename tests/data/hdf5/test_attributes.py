"""Attributes: what a person could mean is read, all else is one line."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.hdf5.attributes import read_text
from ddp_mlp.data.hdf5.guard import open_readonly
from ddp_mlp.data.hdf5.nodes import root
from ddp_mlp.data.hdf5.texts import read_texts
from ddp_mlp.errors import DataError
from tests.faults.forks import in_child
from tests.faults.hdf5_bytes import pointing_to_the_longest

MIB = 2**20


def write(path: Path, own: bool = True, **attrs: object) -> Path:
    """Write a data set of three classes whose targets have these attributes."""
    with h5py.File(path, "w") as file:
        file["train/features"] = np.arange(12.0).reshape(4, 3)
        file["train/targets"] = np.array([0, 1, 2, 1])
        if own:
            file.attrs["format"], file.attrs["format_version"], file.attrs["task"] = "ddp-mlp-dataset", 1, "multiclass"
        for name, value in attrs.items():
            file["train/targets"].attrs.create(name, **value if isinstance(value, dict) else {"data": value})
    return path


def refused(path: Path, *phrases: str) -> None:
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        open_dataset(path)
    message = str(caught.value)
    assert all(phrase in message for phrase in (str(path), *phrases)), message
    assert "\n" not in message
    assert len(message) < 500
    assert time.monotonic() - started < 5


#: Values of no type that an attribute here can have.
STRANGE = {
    "opaque": np.void(b"\x80\x04\x95cos\nsystem\n"),
    "compound": np.array((1, 2.0), [("a", "i4"), ("b", "f8")]),
    "nothing": h5py.Empty("i8"),
    "reference": {"data": np.array(None, object), "shape": (), "dtype": h5py.ref_dtype},
    "lists": {"data": np.array([np.arange(3), np.arange(2)], object), "dtype": h5py.vlen_dtype("i4")},
    "complex": np.array(1j),
    "small arrays": {"data": np.zeros((2, 3)), "dtype": np.dtype(("f8", (3,)))},
}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    "value", [-1, 0, 2**62, 10**6 + 1, 2.5, 3.0, "three", np.array([3, 3]), np.zeros((2, 2), int), *STRANGE.values()]
)
def test_a_number_of_classes_is_a_number(tmp_path, value, own):
    refused(
        write(tmp_path / "d.h5", own, n_classes=value), "/train/targets: attribute n_classes", "correct or delete it"
    )


@pytest.mark.parametrize("value", [3, np.int8(3), np.array([3]), np.array(3, ">u2")])
def test_a_number_may_lie_in_an_array_of_one(tmp_path, value):
    with open_dataset(write(tmp_path / "d.h5", n_classes=value)) as dataset:
        assert dataset.schema.n_outputs == 3


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    "value",
    ["abc", 3, np.arange(3), np.array([["a", "b"]], object), np.array([], "S1"), ["a", "b" * 5000], *STRANGE.values()],
)
def test_names_of_classes_are_texts(tmp_path, value, own):
    refused(write(tmp_path / "d.h5", own, class_names=value), "/train/targets: attribute class_names")


def test_names_and_number_of_classes_must_agree(tmp_path):
    refused(write(tmp_path / "d.h5", class_names=["a", "b", "c"], n_classes=4), "3 class_names, but n_classes = 4")


@pytest.mark.parametrize("value", [np.array([b"a", b"\xff\x1b[2J", b"c"]), ["a", "\x1b[2J", "c"]])
def test_names_are_shown_as_text(tmp_path, value):
    with open_dataset(write(tmp_path / "d.h5", class_names=value)) as dataset:
        assert dataset.schema.class_names is not None
        assert len(dataset.schema.class_names) == 3
        assert "\x1b" not in dataset.schema.class_names[1]


@pytest.mark.parametrize("name", ["names", "image_shape"])
@pytest.mark.parametrize(
    "value", ["a", 2.5, ["a", "b"], np.array([3, -1, -1]), np.array([2**62] * 4), *STRANGE.values()]
)
def test_what_only_names_columns_counts_in_our_files_alone(tmp_path, name, value):
    """In a file of another program the same word may mean anything."""
    for own in (True, False):
        path = write(tmp_path / f"{own}.h5", own)
        with h5py.File(path, "a") as file:
            file["train/features"].attrs.create(name, **value if isinstance(value, dict) else {"data": value})
        if own:
            refused(path, f"/train/features: attribute {name}")
        else:
            with open_dataset(path) as dataset:
                assert (dataset.schema.feature_names, dataset.schema.image_shape) == (None, None)


@pytest.mark.parametrize("name", ["task", "format_version", "source"])
@pytest.mark.parametrize("value", [np.array([1, 2]), "x" * 5000, np.void(b"xx"), h5py.Empty("S1"), -1.5])
def test_what_a_file_says_of_itself(tmp_path, name, value):
    path = write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        file.attrs[name] = value
    refused(path, name)


def test_a_task_may_lie_in_an_array_of_one(tmp_path):
    path = write(tmp_path / "d.h5", own=False)
    with h5py.File(path, "a") as file:
        file.attrs["task"] = np.array(["regression"], object)
    with open_dataset(path) as dataset:
        assert dataset.schema.task == "regression"


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", ["class_names", "names"])
def test_names_that_all_point_to_one_long_text_are_a_bomb(tmp_path, libver, own, name):
    """4000 names in a file of a megabyte would be eight gigabytes."""
    path = tmp_path / "d.h5"
    with h5py.File(path, "w", libver=(libver, "latest")) as file:
        file["train/features"] = np.zeros((4, 4000), np.float32)
        file["train/targets"] = np.array([0, 1, 2, 1])
        if own:
            file.attrs["format"], file.attrs["format_version"], file.attrs["task"] = "ddp-mlp-dataset", 1, "multiclass"
        texts = np.array(["x" * MIB, *(f"name {i}" for i in range(3999))], object)
        node = file["train/targets" if name == "class_names" else "train/features"]
        node.attrs.create(name, texts, dtype=h5py.string_dtype())
    path.write_bytes(pointing_to_the_longest(path.read_bytes()))

    def action(_: int) -> int:
        try:
            open_dataset(path).close()
        except DataError:
            return DataError.exit_code
        return 0

    before = in_child(lambda _: 0).peak_bytes
    child = in_child(action)
    assert child.code == (DataError.exit_code if own or name == "class_names" else 0), child.said
    assert child.peak_bytes - before < 80 * MIB


def test_names_beyond_64_kib_are_read(tmp_path):
    """They lie outside of the header, in what HDF5 calls dense storage."""
    path = tmp_path / "d.h5"
    names = [f"a rather long name of class {i}" for i in range(10_000)]
    with h5py.File(path, "w", libver=("v108", "latest")) as file:
        file["X"], file["y"] = np.zeros((4, 2)), np.array([0, 1, 2, 9999])
        file["y"].attrs.create("class_names", np.array(names, object), dtype=h5py.string_dtype())
    with open_dataset(path) as dataset:
        assert dataset.schema.class_names == tuple(names)


def test_the_name_of_a_single_class_is_kept(tmp_path):
    """A binary answer names its second class, too."""
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = np.zeros((4, 2)), np.zeros(4, int)
        file["y"].attrs["class_names"] = ["only"]
    with open_dataset(path) as dataset:
        assert (dataset.schema.task, dataset.schema.class_names) == ("binary", ("only", "not only"))


@pytest.mark.parametrize("length", [4, None])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_texts_are_read_in_either_set_of_characters(tmp_path, encoding, length):
    """PyTables writes texts of a fixed length as UTF-8."""
    kind = h5py.string_dtype(encoding, length)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.attrs["word"] = np.array(b"some", kind)
        file.create_dataset("names", data=np.array([b"a", b"b"], kind))
    with open_readonly(tmp_path / "d.h5") as opened:
        assert read_text(root(opened), "word") == "some"
        assert read_texts(root(opened).follow("names"), 5) == ("a", "b")
