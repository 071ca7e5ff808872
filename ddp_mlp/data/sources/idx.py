"""Folders and pairs of IDX files, the format of MNIST and its relatives.

Images and labels lie in separate files: one with a single dimension holds labels, one with
more holds images. The split is read from the name: ``t10k`` or ``test`` is the test split,
``val`` the validation split, all others train. Files may be packed with gzip.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import MAX_CLASSES, Rows, n_outputs, task_of_classes
from ddp_mlp.data.schema import Schema, number_kind
from ddp_mlp.data.sources.idx_format import IdxFile, is_idx, read_header
from ddp_mlp.data.sources.source import Source
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_idx(paths: Sequence[Path]) -> Source:
    """Read a folder of IDX files, or the files themselves.

    Raises
    ------
    MissingInputError
        If there is no IDX file.
    UsageError
        If a split lacks images or labels, has two of them, or there is no training split.
    DataError
        If a file is damaged, or images and labels do not fit together.
    """
    pairs = _pair([read_header(path) for path in find_idx(paths)])
    labels = {split: _read_labels(pair["labels"]) for split, pair in pairs.items()}
    for split, pair in pairs.items():
        _require_fitting(pair["images"], pair["labels"], pairs["train"]["images"])
        if pair["labels"].shape[0] != len(labels[split]):
            raise DataError(f"{pair['labels'].path}: header and content disagree; fetch it again")
    images = pairs["train"]["images"]
    n_classes = max(int(values.max()) for values in labels.values()) + 1
    shape = images.shape[1:]
    task = task_of_classes(n_classes)
    schema = Schema(
        task=task,
        n_features=math.prod(shape),
        n_outputs=n_outputs(task, 1, n_classes),
        image_shape=shape if len(shape) > 1 else None,
        numbers=number_kind(images.dtype),
    )
    origin = "IDX " + ", ".join(pair["images"].path.name for pair in pairs.values())
    sizes = {split: len(values) for split, values in labels.items()}
    dtype = images.dtype.newbyteorder("=").name
    return Source(schema, sizes, origin, lambda: _blocks(pairs, labels), feature_dtype=dtype)


def find_idx(paths: Sequence[Path]) -> list[Path]:
    """Return the IDX files among `paths` and in the folders among them.

    A file that lies there both plain and packed counts once, as the plain one.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    found: list[Path] = []
    for path in paths:
        found += [p for p in sorted(path.iterdir()) if p.is_file() and is_idx(p)] if path.is_dir() else [path]
    plain = {p for p in found if p.suffix != ".gz"}
    found = [p for p in found if p.suffix != ".gz" or p.with_suffix("") not in plain]
    if not found:
        raise MissingInputError(
            f"{', '.join(map(str, paths))}: no IDX files there; expected are names like"
            " train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz"
        )
    return found


def split_of(path: Path) -> str:
    """Return the split that a file name tells."""
    name = path.name.lower()
    if "t10k" in name or "test" in name:
        return "test"
    return "valid" if "val" in name else "train"


def _pair(headers: Sequence[IdxFile]) -> dict[str, dict[str, IdxFile]]:
    """Sort files by split and role."""
    pairs: dict[str, dict[str, IdxFile]] = {}
    for header in headers:
        role = "labels" if len(header.shape) == 1 else "images"
        pair = pairs.setdefault(split_of(header.path), {})
        if role in pair:
            raise UsageError(
                f"{header.path} and {pair[role].path} both look like the {role} of one split; name one"
                " pair of files (t10k or test in the name is the test split)"
            )
        pair[role] = header
    for split, pair in pairs.items():
        if missing := {"images", "labels"} - set(pair):
            there = next(iter(pair.values()))
            raise UsageError(f"{there.path}: no {missing.pop()} for this {split} file; give both files")
    if "train" not in pairs:
        raise UsageError(f"{headers[0].path}: only a test split; give the training files too")
    return dict(sorted(pairs.items(), key=lambda item: ("train", "valid", "test").index(item[0])))


def _read_labels(file: IdxFile) -> NDArray[np.float64]:
    if file.dtype.kind == "f":
        raise DataError(f"{file.path}: labels of dtype {file.dtype.name}; whole numbers are needed")
    labels = np.concatenate([block.astype(np.float64) for block in file.blocks()])
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        row = int(np.argmax((labels < 0) | (labels >= MAX_CLASSES)))
        raise DataError(f"{file.path}: label {labels[row]:g} at row {row}; allowed are 0 to {MAX_CLASSES - 1}")
    return labels


def _require_fitting(images: IdxFile, labels: IdxFile, train: IdxFile) -> None:
    if images.shape[0] != labels.shape[0]:
        raise DataError(
            f"{images.path}: {images.shape[0]} images, but {labels.path} has {labels.shape[0]} labels; these"
            " files do not belong together"
        )
    if (images.shape[1:], images.dtype) != (train.shape[1:], train.dtype):
        raise DataError(
            f"{images.path}: {images.dtype.name} images of shape {images.shape[1:]}, but {train.path} has"
            f" {train.dtype.name} of shape {train.shape[1:]}; all splits must be alike"
        )


def _blocks(
    pairs: Mapping[str, Mapping[str, IdxFile]], labels: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, Rows]]:
    for split, pair in pairs.items():
        start = 0
        for block in pair["images"].blocks():
            stop = start + len(block)
            yield split, Rows(block.reshape(len(block), -1), labels[split][start:stop, None])
            start = stop
