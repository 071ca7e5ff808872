"""The data-set layout: reading ours and others', refusing what is bad, writing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset import fingerprints
from ddp_mlp.data.dataset.contents import Contents
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.dataset.writing import create_dataset
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, MissingInputError, OutputError, StorageError, UsageError
from tests.faults.saves import why_no_strace

X = np.arange(12, dtype=np.float32).reshape(4, 3)
LABELS = np.array([0, 2, 1, 2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.h5"


def write(path: Path, arrays: dict[str, object], **attrs: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        file.attrs.update(attrs)
    return path


def read_all(location: str | Path, **options: str) -> None:
    with open_dataset(location, **options) as dataset:
        for split in dataset.splits.values():
            split.read(0, split.n_samples)


def refused(location: str | Path, *phrases: str, kind: type[Exception] = DataError, **options: str) -> str:
    with pytest.raises(kind) as caught:
        read_all(location, **options)
    message = str(caught.value)
    for phrase in phrases:
        assert phrase in message
    return message


def contents(sizes: dict[str, int], **changes: object) -> Contents:
    values = {"task": "multiclass", "n_features": 3, "n_outputs": 3}
    return Contents(Schema(**{**values, **changes}), sizes, "test", "float32")  # type: ignore[arg-type]


def write_own(path: Path, **options: bool) -> None:
    names = {"feature_names": ("a", "b", "c"), "class_names": ("x", "y", "z"), "target_names": ("kind",)}
    with create_dataset(path, contents({"train": 4, "test": 1}, **names), **options) as writer:
        writer.append("train", Rows(X[:3], LABELS[:3, None].astype(float)))
        writer.append("train", Rows(X[3:], LABELS[3:, None].astype(float)))
        writer.append("test", Rows(X[:1], LABELS[:1, None].astype(float)))


# --- our own layout -----------------------------------------------------------------------


def test_what_is_written_is_read(path: Path) -> None:
    write_own(path)
    with open_dataset(path) as dataset:
        assert (dataset.schema.task, dataset.schema.n_features, dataset.schema.n_outputs) == ("multiclass", 3, 3)
        assert dataset.schema.feature_names == ("a", "b", "c")
        assert dataset.schema.class_names == ("x", "y", "z")
        assert dataset.schema.target_names == ("kind",)
        assert dataset.path == path
        assert list(dataset.splits) == ["train", "test"]
        train = dataset.splits["train"]
        assert (train.name, train.n_samples, train.feature_dtype) == ("train", 4, np.dtype("float32"))
        rows = train.read(1, 3)
        np.testing.assert_array_equal(rows.features, X[1:3])
        assert rows.features.dtype == np.float32
        assert rows.features.flags.c_contiguous
        assert rows.targets.tolist() == [[2.0], [1.0]]
        assert rows.targets.dtype == np.float64
        assert rows.weights is None
        assert train.read(2, 2).features.shape == (0, 3)


def test_the_file_follows_the_documented_layout(path: Path) -> None:
    write_own(path)
    with h5py.File(path) as file:
        assert file.attrs["format"] == "ddp-mlp-dataset"
        assert file.attrs["format_version"] == 1
        assert file.attrs["task"] == "multiclass"
        assert file.attrs["created_utc"].endswith("+00:00")
        assert file["train/targets"].shape == (4,)
        assert file["train/targets"].dtype == np.int64
        assert file["train/features"].chunks is None


def test_compression_changes_chunks_and_not_the_fingerprint(path: Path, tmp_path: Path) -> None:
    write_own(path)
    write_own(tmp_path / "packed.h5", compress=True)
    with h5py.File(tmp_path / "packed.h5") as file:
        assert file["train/features"].compression == "gzip"
        assert file["train/features"].chunks == (4, 3)
    with open_dataset(path) as plain, open_dataset(tmp_path / "packed.h5") as packed:
        assert plain.fingerprint() == packed.fingerprint()
        assert len(plain.fingerprint()) == len(hashlib.sha256().hexdigest())


def test_weights_are_kept(path: Path) -> None:
    weighted = Rows(X, LABELS[:, None].astype(float), np.array([1.0, 0.5, 0.0, 2.0]))
    with create_dataset(path, contents({"train": 4})) as writer:
        writer.append("train", weighted)
    with open_dataset(path) as dataset:
        weights = dataset.splits["train"].read(1, 4).weights
    assert weights is not None
    assert weights.tolist() == [0.5, 0.0, 2.0]


def test_regression_targets_keep_their_columns(path: Path) -> None:
    with create_dataset(path, contents({"train": 4}, task="regression", n_outputs=2)) as writer:
        writer.append("train", Rows(X, X[:, :2].astype(float)))
    with open_dataset(path) as dataset:
        assert (dataset.schema.task, dataset.schema.n_outputs, dataset.schema.class_names) == ("regression", 2, None)
        np.testing.assert_array_equal(dataset.splits["train"].read(0, 4).targets, X[:, :2])


def test_names_of_many_columns_fit(path: Path) -> None:
    names = tuple(f"a rather long name of column {i}" for i in range(10_000))
    with create_dataset(path, contents({"train": 1}, n_features=10_000, feature_names=names)) as writer:
        writer.append("train", Rows(np.zeros((1, 10_000), np.float32), np.zeros((1, 1))))
    with open_dataset(path) as dataset:
        assert dataset.schema.feature_names == names


def test_a_group_holds_a_data_set(path: Path) -> None:
    write(path, {"a/b/X": X, "a/b/y": LABELS})
    with open_dataset(f"{path}:/a/b") as dataset:
        assert dataset.schema.n_features == 3
        assert dataset.group == "/a/b"
    refused(f"{path}:/a/c", "no such group")
    refused(f"{path}:/a/b/X", "no such group")


def test_a_newer_format_is_refused(path: Path) -> None:
    write(path, {"train/features": X, "train/targets": LABELS}, format="ddp-mlp-dataset", format_version=2)
    refused(path, "format_version is 2", "update")


def test_our_layout_has_no_aliases(path: Path) -> None:
    write(path, {"train/x": X, "train/targets": LABELS}, format="ddp-mlp-dataset", format_version=1)
    refused(path, "/train/features", "missing")


# --- foreign layouts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["X", "y"], ["train"]),
        (["data", "label"], ["train"]),
        (["images", "labels"], ["train"]),
        (["inputs", "outputs"], ["train"]),
        (["x_train", "y_train", "x_test", "y_test"], ["train", "test"]),
        (["train_x", "train_y", "val_x", "val_y"], ["train", "valid"]),
        (["train_features", "train_targets"], ["train"]),
        (["train/X", "train/Y", "validation/X", "validation/Y"], ["train", "valid"]),
        (["training/data", "training/labels", "testing/data", "testing/labels"], ["train", "test"]),
    ],
)
def test_known_names(path: Path, names: list[str], splits: list[str]) -> None:
    write(path, {name: X if i % 2 == 0 else LABELS for i, name in enumerate(names)})
    with open_dataset(path) as dataset:
        assert list(dataset.splits) == splits
        assert (dataset.schema.task, dataset.schema.n_outputs) == ("multiclass", 3)
        np.testing.assert_array_equal(dataset.splits[splits[-1]].read(0, 4).features, X)


@pytest.mark.parametrize(
    ("targets", "task", "outputs"),
    [
        (np.array([0, 1, 1, 0]), "binary", 1),
        (np.array([False, True, True, False]), "binary", 1),
        (np.array([0, 1, 1, 0], ">i4"), "binary", 1),
        (LABELS[:, None].astype(np.uint8), "multiclass", 3),
        (LABELS.astype(np.float32), "regression", 1),  # of which there are too few to be sure
        (np.eye(4) * 0.5, "regression", 4),
    ],
)
def test_the_task_follows_the_targets(path: Path, targets: np.ndarray, task: str, outputs: int) -> None:
    write(path, {"X": X, "y": targets})
    with open_dataset(path) as dataset:
        assert (dataset.schema.task, dataset.schema.n_outputs) == (task, outputs)
        read = dataset.splits["train"].read(0, 4).targets
        np.testing.assert_array_equal(read, targets.reshape(4, -1).astype(float))


def test_the_stated_task_wins(path: Path) -> None:
    write(path, {"X": X, "y": LABELS.astype(np.float64)}, task="multiclass")
    with open_dataset(path) as dataset:
        assert dataset.schema.n_outputs == 3
    write(path, {"X": X, "y": LABELS}, task="regression")
    with open_dataset(path) as dataset:
        assert dataset.schema.n_outputs == 1
    write(path, {"X": X, "y": LABELS}, task="clustering")
    refused(path, "'clustering'", "regression, binary, multiclass")
    write(path, {"X": X, "y": LABELS}, task="binary")
    refused(path, "3 classes", "binary")
    write(path, {"X": X, "y": np.eye(4) / 2}, task="multiclass")
    refused(path, "4 columns", "(N,)")


def test_images_are_flattened_and_keep_their_shape(path: Path) -> None:
    images = np.arange(4 * 2 * 3 * 5, dtype=np.uint8).reshape(4, 2, 3, 5)
    write(path, {"images": images, "labels": LABELS})
    with open_dataset(path) as dataset:
        assert (dataset.schema.n_features, dataset.schema.image_shape) == (30, (2, 3, 5))
        np.testing.assert_array_equal(dataset.splits["train"].read(1, 3).features, images[1:3].reshape(2, 30))


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">i2", ">u4", "i8", "u8", "f2", ">f2", ">f4", "f8", ">f8"])
def test_dtypes_are_read_exactly_in_native_order(path: Path, dtype: str) -> None:
    values = (np.arange(12).reshape(4, 3) % 2 if dtype == "?" else np.arange(12).reshape(4, 3)).astype(dtype)
    write(path, {"X": values, "y": LABELS})
    with open_dataset(path) as dataset:
        features = dataset.splits["train"].read(0, 4).features
    assert features.dtype == np.dtype(dtype).newbyteorder("=")
    assert features.dtype.isnative
    np.testing.assert_array_equal(features, values)


def test_a_vector_is_one_feature(path: Path) -> None:
    write(path, {"X": X[:, 0], "y": LABELS})
    with open_dataset(path) as dataset:
        assert dataset.splits["train"].read(0, 4).features.shape == (4, 1)


@pytest.mark.parametrize(
    ("dtype", "found"),
    [("c8", "complex64"), (h5py.string_dtype(), "strings"), ("S3", "strings"), ("V4", "opaque")],
)
def test_other_dtypes_are_refused(path: Path, dtype: object, found: str) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (4, 3), dtype)
        file["y"] = LABELS
    refused(path, f"{path}:/X", found, "float16")


def test_columns_are_put_side_by_side(path: Path) -> None:
    write(path, {"energy": X[:, 0], "n": np.array([7, 8, 9, 10], np.int16), "pos": X.astype("f8"), "t": X[:, 1]})
    with open_dataset(path, features="energy, n,pos", targets="t") as dataset:
        assert dataset.schema.feature_names == ("energy", "n", "pos[0]", "pos[1]", "pos[2]")
        assert dataset.schema.task == "regression"
        features = dataset.splits["train"].read(1, 4).features
    np.testing.assert_array_equal(features, np.column_stack([X[:, 0], [7, 8, 9, 10], X])[1:])
    assert features.dtype == np.float64


def test_fields_of_a_table(path: Path) -> None:
    table = np.zeros(4, [("px", "f4"), ("py", ">f8"), ("kind", "i4"), ("v", "f4", (2,))])
    table["px"], table["py"], table["kind"], table["v"] = X[:, 0], X[:, 1], LABELS, X[:, :2]
    write(path, {"events": table})
    with open_dataset(path, features="events:py,events:px", targets="events:kind") as dataset:
        assert dataset.schema.feature_names == ("py", "px")
        assert dataset.schema.n_outputs == 3
        np.testing.assert_array_equal(dataset.splits["train"].read(0, 4).features, X[:, [1, 0]])
    with open_dataset(path, features="events", targets="events:kind") as dataset:
        assert dataset.schema.feature_names == ("px", "py", "v[0]", "v[1]")
    refused(path, "no field 'pz'", "px, py, kind, v", features="events:pz", targets="events:kind")


def test_explicit_names_are_looked_up_in_each_split(path: Path) -> None:
    write(path, {"train/p": X, "train/q": LABELS, "test/p": X[:2], "test/q": LABELS[:2]})
    with open_dataset(path, features="p", targets="q") as dataset:
        assert {n: s.n_samples for n, s in dataset.splits.items()} == {"train": 4, "test": 2}
    with open_dataset(path, features="/test/p", targets="/test/q") as dataset:
        assert {n: s.n_samples for n, s in dataset.splits.items()} == {"train": 2}


def test_an_unknown_layout_shows_the_tree_and_the_options(path: Path) -> None:
    write(path, {"a/spectra": X, "a/kinds": LABELS, "\x1b[2J": X})
    message = refused(path, "--features PATH --targets PATH", "(4, 3) float32", "/a/kinds", "\\x1b[2J")
    assert "\x1b" not in message
    refused(path, "'nix'", "/a/spectra", features="nix", targets="a/kinds")
    refused(path, "''", kind=UsageError, features="")


def test_two_candidates_are_refused(path: Path) -> None:
    write(path, {"X": X, "data": X, "y": LABELS})
    refused(path, "X and data could each be the features", "--features X")
    with open_dataset(path, features="data") as dataset:
        assert dataset.schema.n_outputs == 3


# --- bad values ---------------------------------------------------------------------------


def test_non_finite_values_are_named(path: Path) -> None:
    bad = X.astype(np.float64)
    bad[2, 1], bad[3, 0] = np.nan, -np.inf
    write(path, {"X": bad, "y": LABELS})
    refused(path, f"{path}:/X", "2 non-finite values (1 of them missing) in 2 of 4 rows", "row 2 column 1", "inspect")
    with h5py.File(path, "a") as file:
        file["X"].attrs["names"] = ["a", "b", "c"]
    with (
        open_dataset(path) as dataset,
        pytest.raises(DataError, match=r"2 non-finite values .*row 2 column 1 \(b\)"),
    ):
        dataset.splits["train"].read(3, 4)
    with open_dataset(path) as dataset:
        dataset.splits["train"].read(0, 2)
        assert np.isnan(dataset.splits["train"].read_stored(2, 3).features[0, 1])


def test_large_finite_values_are_finite(path: Path) -> None:
    write(path, {"X": np.full((4, 3), 3e38, np.float32), "y": LABELS})
    with open_dataset(path) as dataset:
        dataset.splits["train"].read(0, 4)


@pytest.mark.parametrize(
    ("labels", "phrase"),
    [
        ([0, -1, 2, 1], "label -1 at row 1"),
        ([0, 1, 3, 1], "label 3 at row 2"),
        ([0, 1, 2, 0.5], "label 0.5 at row 3"),
        ([0, np.nan, 1, 1], "1 missing value (NaN) in 1 of 4 rows, first nan at row 1"),
    ],
)
def test_bad_labels_are_named(path: Path, labels: list[float], phrase: str) -> None:
    write(path, {"X": X, "y": np.array(labels)}, task="multiclass")
    with h5py.File(path, "a") as file:
        file["y"].attrs["class_names"] = ["a", "b", "c"]
    message = refused(path, f"{path}:/y", phrase)
    assert "missing" in message or "from 0 to 2" in message


def test_bad_weights_are_named(path: Path) -> None:
    write(path, {"X": X, "y": LABELS, "weights": np.array([1.0, 1.0, -0.5, 1.0])})
    refused(path, f"{path}:/weights", "-0.5 at row 2")
    write(path, {"X": X, "y": LABELS, "weights": np.array([1.0, np.inf, 1.0, 1.0])})
    refused(path, f"{path}:/weights", "1 non-finite")
    write(path, {"X": X, "y": LABELS, "weights": np.ones((4, 2))})
    refused(path, "one number per row")


def test_integers_without_an_exact_float_are_refused(path: Path) -> None:
    large = np.array([0, 1, 2, 2**53 + 1])
    write(path, {"X": X, "y": large}, task="regression")
    refused(path, "9007199254740993", "2**53")
    write(path, {"X": np.stack([large, large], axis=1), "y": LABELS})
    refused(path, "9007199254740993", "2**53")


def test_labels_that_look_like_quantities_are_quantities(path: Path) -> None:
    write(path, {"X": X, "y": np.array([0, 1, 2, 5_000_000])})
    with open_dataset(path) as dataset:
        assert dataset.schema.task == "regression"
        assert "task" in dataset.notes[0]


@pytest.mark.parametrize(
    ("arrays", "phrases"),
    [
        ({"X": X, "y": LABELS[:3]}, ("4 rows", "has 3")),
        ({"X": X[:0], "y": LABELS[:0]}, ("no samples",)),
        ({"X": X[:, :0], "y": LABELS}, ("no columns",)),
        ({"X": X}, ("--targets PATH", "/X")),
        ({"X": 3.0, "y": LABELS}, ("a single value",)),
        ({"x_train": X, "y_train": LABELS, "x_test": X}, ("test split has features but no targets",)),
        ({"x_train": X, "y_train": LABELS, "x_test": X[:, :2], "y_test": LABELS}, ("2 columns", "3 in")),
        ({"x_test": X, "y_test": LABELS}, ("--features PATH",)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(path: Path, arrays: dict[str, object], phrases: tuple[str, ...]) -> None:
    refused(write(path, arrays), *phrases)


def test_columns_of_unequal_length_are_refused(path: Path) -> None:
    write(path, {"a": X[:, 0], "b": X[:3, 0], "y": LABELS})
    refused(path, "different length", "/b has 3", features="a,b")


# --- bad files ----------------------------------------------------------------------------


def test_files_that_are_no_hdf5(path: Path, tmp_path: Path) -> None:
    refused(path, "no such file", kind=MissingInputError)
    refused(tmp_path, "directory")
    path.write_bytes(b"")
    refused(path, "empty")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    refused(path, "not an HDF5 file", "data import")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused(fifo, "a named pipe, not a plain file")


def test_every_truncation_is_plain(path: Path) -> None:
    write(path, {"X": np.zeros((500, 4)), "y": np.zeros(500)})
    content = path.read_bytes()
    for sixteenths in range(1, 16):
        path.write_bytes(content[: len(content) * sixteenths // 16])
        assert "\n" not in refused(path, "truncated")


def test_a_killed_writer_is_explained(path: Path) -> None:
    code = (
        "import h5py, os, sys; f = h5py.File(sys.argv[1], 'w', libver='latest'); f['X'] = [1.0]; f.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    refused(path, "open for writing", "h5clear -s")


def test_damaged_chunks_are_plain(path: Path) -> None:
    with h5py.File(path, "w") as file:
        values = np.random.default_rng(0).normal(size=(1000, 4))
        file.create_dataset("X", data=values, chunks=(1000, 4), compression="gzip")
        file["y"] = np.zeros(1000)
        chunk = file["X"].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + 100)
        raw.write(bytes(200))
    message = refused(path, f"{path}:/X", "damaged")
    assert "\n" not in message


# --- hostile files ------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["X", "train", "train/X"])
@pytest.mark.parametrize("kind", ["external", "to external", "nowhere", "loop", "long loop"])
def test_links_that_lead_nowhere_good_are_refused(path: Path, tmp_path: Path, where: str, kind: str) -> None:
    # Opening a pipe that nobody writes to would block, so a follower is noticed.
    pipe = tmp_path / "target.h5"
    os.mkfifo(pipe)
    links = {
        "external": h5py.ExternalLink(str(pipe), "/x"),
        "to external": h5py.SoftLink("/beyond"),
        "nowhere": h5py.SoftLink("/no/such"),
        "loop": h5py.SoftLink("/" + where),
        "long loop": h5py.SoftLink("/a/a/a/a"),
    }
    with h5py.File(path, "w") as file:
        file["a"] = h5py.SoftLink("/b/b/b/b")
        file["b"] = h5py.SoftLink("/a/a/a/a")
        file["beyond"] = links["external"]
        file["y"] = LABELS
        file[where] = links[kind]
        if where == "train/X":
            file["train/y"] = LABELS
    phrase = {"nowhere": "nothing", "loop": "circle", "long loop": "circle"}.get(kind, "external links are not allowed")
    refused(path, phrase)
    refused(path, phrase, features=f"{where}/deeper" if where == "train" else where, targets="y")


def test_soft_links_within_the_file_are_followed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["df/values"], file["l"] = X, LABELS
        file["df/again"] = h5py.SoftLink("values")
        file["train/X"], file["train/y"] = h5py.SoftLink("/df/again"), h5py.SoftLink("/l")
        file["elsewhere/training"] = h5py.SoftLink("/train")
    for location in (path, f"{path}:/elsewhere"):
        with open_dataset(location) as dataset:
            np.testing.assert_array_equal(dataset.splits["train"].read(0, 4).features, X)


def test_external_storage_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(X.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("X", X.shape, X.dtype, external=[(str(tmp_path / "raw"), 0, X.nbytes)])
        file["y"] = LABELS
    refused(path, f"{path}:/X", "external storage")


def test_virtual_data_sets_are_refused(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.h5", {"x": X})
    layout = h5py.VirtualLayout(X.shape, X.dtype)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", X.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("X", layout)
        file["y"] = LABELS
    refused(path, f"{path}:/X", "virtual data sets")


@pytest.mark.parametrize("shape", [(10**15,), (10**9, 10**6)])
def test_shape_bombs_are_refused(path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", shape, "f4", chunks=(1024,) * len(shape))
        file["y"] = LABELS
    refused(path, f"{path}:/", "GiB declared")


def test_many_arrays_below_the_floor_are_a_bomb_together(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for i in range(10):
            file.create_dataset(f"c{i}", (10**8,), "f8", chunks=(1024,))
        file["y"] = LABELS
    refused(path, "GiB declared", features=",".join(f"c{i}" for i in range(10)))


def test_foreign_filters_are_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=X.astype(np.int32), chunks=X.shape, scaleoffset=0)
        file["y"] = LABELS
    refused(path, f"{path}:/X", "filter 6 (scaleoffset)", "gzip, shuffle, fletcher32, lzf")


def test_allowed_filters_are_read(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=X, chunks=(2, 3), compression="lzf", shuffle=True, fletcher32=True)
        file["y"] = LABELS
    with open_dataset(path) as dataset:
        np.testing.assert_array_equal(dataset.splits["train"].read(0, 4).features, X)


def test_giant_chunks_are_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (2**29, 1), "f4", chunks=(2**29, 1))
        file["y"] = LABELS
    refused(path, f"{path}:/X", "chunks of 2 GiB")


def test_plug_ins_are_off_and_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, os, ddp_mlp.data.dataset.dataset, ddp_mlp.cli.commands.data\n"
        "assert 'h5py' not in sys.modules\n"
        "from ddp_mlp.data.hdf5.guard import load_h5py; load_h5py()\n"
        "assert os.environ['HDF5_PLUGIN_PRELOAD'] == '::'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


# --- fingerprint --------------------------------------------------------------------------


def fingerprint(path: Path) -> str:
    with open_dataset(path) as dataset:
        return dataset.fingerprint()


def test_the_fingerprint_is_of_the_content(path: Path, tmp_path: Path) -> None:
    first = fingerprint(write(path, {"X": X, "y": LABELS}))
    same = [{"train/features": X, "train/targets": LABELS}, {"X": X.astype(">f4"), "y": LABELS.astype("i2")}]
    for arrays in same:
        assert fingerprint(write(tmp_path / "other.h5", arrays)) == first
    changed = X.copy()
    changed[3, 2] += 1
    different = [
        {"X": changed, "y": LABELS},
        {"X": X, "y": LABELS[::-1]},
        {"X": X.astype(np.float64), "y": LABELS},
        {"X": X, "y": LABELS.astype(float)},
        {"x_train": X, "y_train": LABELS, "x_test": X, "y_test": LABELS},
        {"X": X, "y": LABELS, "weights": np.ones(4)},
    ]
    prints = {fingerprint(write(tmp_path / "other.h5", arrays)) for arrays in different}
    assert len(prints | {first}) == len(different) + 1


#: What version 0.1 found for the rows below: all of them, and samples of them.
ALL_ROWS = "fed50bd542169ed563725235e481dc60d44d89c3b363fd93a638a555b0452f7a"
SAMPLES = "7ba6c9bd82453b22c818465d87a33d1ae95fbcf48e18f60923e95209a242dc60"


def test_large_data_are_hashed_to_the_last_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(8000.0).reshape(2000, 4)
    assert fingerprint(write(path, {"X": values, "y": np.arange(2000.0)})) == ALL_ROWS
    monkeypatch.setattr(fingerprints, "SMALL_BYTES", 10_000)
    monkeypatch.setattr(fingerprints, "_BLOCK_BYTES", 1_000)
    first = fingerprint(path)
    assert fingerprint(path) == first
    sampled, _, whole = first.partition(".")
    assert (sampled, len(whole)) == (SAMPLES, 64)
    for row in range(0, 2000, 97):
        changed = values.copy()
        changed[row, 3] += 1.0
        other = fingerprint(write(path, {"X": changed, "y": np.arange(2000.0)}))
        assert other.partition(".")[2] != whole
        assert not fingerprints.is_same_content(first, other)


def test_what_an_earlier_version_kept_is_compared_as_it_was_taken() -> None:
    same = fingerprints.is_same_content
    assert same("aa", "aa.bb")
    assert same("aa+cc", "aa.bb+cc")
    assert same("aa.bb", "aa.bb")
    for stored, found in (
        ("aa.bb", "aa.bc"),
        ("aa.bb", "aa"),
        ("ab", "aa.bb"),
        ("aa", "aa+aa"),
        ("aa+aa", "aa"),
        ("", "aa"),
    ):
        assert not same(stored, found)


# --- writing ------------------------------------------------------------------------------


def test_an_existing_file_is_not_overwritten(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_own(path)
    assert path.read_text() == "mine"
    write_own(path, force=True)
    assert fingerprint(path)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no directory"):
        write_own(tmp_path / "no" / "d.h5")
    with pytest.raises(OutputError, match="a directory"):
        write_own(tmp_path, force=True)


def write_announced(path: Path, n_rows: int, *, fail: bool = False) -> None:
    with create_dataset(path, contents({"train": n_rows})) as writer:
        writer.append("train", Rows(X, LABELS[:, None].astype(float)))
        if fail:
            raise DataError("the source is bad")


def test_a_failed_write_leaves_nothing(path: Path) -> None:
    with pytest.raises(DataError, match="the source is bad"):
        write_announced(path, 4, fail=True)
    for n_rows in (3, 5):
        with pytest.raises(ValueError, match="announced"):
            write_announced(path, n_rows)
    assert list(path.parent.iterdir()) == []
    write_announced(path, 4)
    assert [p.name for p in path.parent.iterdir()] == ["d.h5"]


def test_a_data_set_larger_than_the_disk_is_not_begun(path: Path) -> None:
    with (
        pytest.raises(StorageError, match="MiB needed"),
        create_dataset(path, contents({"train": 10**15})),
    ):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_disk_that_fails_midway_is_an_io_error(path: Path) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from ddp_mlp.data.rows import Rows\n"
        "from ddp_mlp.data.schema import Schema\n"
        "from ddp_mlp.data.dataset.contents import Contents\n"
        "from ddp_mlp.data.dataset.writing import create_dataset\n"
        "from ddp_mlp.errors import StorageError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "contents = Contents(Schema('regression', 1000, 1), {'train': 100}, 'test')\n"
        "try:\n"
        "    with create_dataset(Path(sys.argv[1]), contents) as w:\n"
        "        w.append('train', Rows(np.zeros((100, 1000)), np.zeros((100, 1))))\n"
        "except StorageError as error:\n"
        "    sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[3])
    assert done.returncode == 74
    assert list(path.parent.iterdir()) == []


def test_files_obey_the_umask(path: Path) -> None:
    write_own(path)
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_heap_that_would_hang_the_library_is_refused(path: Path) -> None:
    write_own(path)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    # The size of the free space behind the last object.
    index = heap + 16
    while int.from_bytes(content[index : index + 2], "little"):
        index += 16 + -(-int.from_bytes(content[index + 8 : index + 16], "little") // 8) * 8
    content[index + 8 : index + 16] = bytes(8)
    path.write_bytes(content)
    refused(path, f"heap at byte {heap} is damaged")


@pytest.mark.parametrize("number", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_read_all_the_same(path: Path, number: str) -> None:
    if reason := why_no_strace():
        pytest.skip(reason)
    write(path, {"X": X, "y": LABELS})
    code = (
        "import sys; from ddp_mlp.data.dataset.dataset import open_dataset\n"
        "print(open_dataset(sys.argv[1]).schema.n_features)"
    )
    faulty = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject=flock:error={number}"]
    done = subprocess.run(
        [*faulty, sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


def test_a_file_that_another_program_writes_to_is_refused(path: Path) -> None:
    write(path, {"X": X, "y": LABELS})
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused(path, "another program writes to it", "HDF5_USE_FILE_LOCKING=FALSE")
