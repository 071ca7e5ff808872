"""LIBSVM (SVMlight): one row a line, a label and the features that are not 0 as ``number:value``.

Source: the README of LIBSVM. Features count from 1, or from 0 where a 0 occurs.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.binding.targets import labels_of
from ddp_mlp.data.dataset.targets import Classes, classes_of
from ddp_mlp.data.memory.held import HeldMatrix
from ddp_mlp.data.rows import Rows, require_task
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.source import BLOCK_ROWS, Source
from ddp_mlp.data.sources.tables.text.plain_text import ByteStream, PlainText, look_at
from ddp_mlp.data.sources.tables.words import shown
from ddp_mlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddp_mlp.data.sources.options import ImportOptions

_ROW = re.compile(r"\s*[+-]?[\d.]+([eE][+-]?\d+)?(\s+(qid|\d+):\S+)+\s*(#.*)?")
_NAME = re.compile(r"feature (\d{1,9})")
_MOST_FEATURES = 1_000_000
_BLOCK_NUMBERS = 2**23


@dataclass(frozen=True)
class _Shape:
    """Numbers of rows and features; `first` is the number of the first feature."""

    n_rows: int
    n_features: int
    first: int


def is_libsvm(path: Path) -> bool:
    """Tell whether the first line of a text file is a row of this format."""
    try:
        text = look_at(path)
        line = next((raw for raw in islice(_lines(text), 20) if raw.strip() and not raw.startswith("#")), "")
    except DataError:
        return False
    return _ROW.fullmatch(line.rstrip("\r\n")) is not None


def read_libsvm(path: Path, options: ImportOptions) -> Source:
    """Read a file of sparse rows.

    A feature that no row has is 0 in all of them, so a file that is like another may end before its last feature.

    Raises
    ------
    UsageError
        If the task does not fit.
    DataError
        If a line is no row.
    """
    text = look_at(path)
    lowest, highest, labels = 1, 0, []
    for label, places, _ in _rows(path, text):
        labels.append(label)
        if len(places):
            lowest, highest = min(lowest, int(places.min())), max(highest, int(places.max()))
    if not labels or highest < lowest or highest > _MOST_FEATURES:
        raise DataError(f"{path}: {len(labels)} rows and features up to {highest}; 1 to {_MOST_FEATURES} are allowed")
    known = _numbers_of(options.like)
    lowest, highest = min([lowest, *known]), max([highest, *known])
    shape = _Shape(len(labels), highest - lowest + 1, lowest)
    classes = _classes(path, labels, options)
    schema = Schema(
        task=classes.task,
        n_features=shape.n_features,
        n_outputs=classes.n_outputs,
        feature_names=tuple(f"feature {i + lowest}" for i in range(shape.n_features)),
        target_names=("label",),
        class_names=classes.names,
        numbers="float",
    )

    def blocks() -> Iterator[tuple[str, Rows]]:
        rows = _rows(path, text)
        step = max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // shape.n_features))
        while part := list(islice(rows, step)):
            features = np.zeros((len(part), shape.n_features))
            for i, (_, places, values) in enumerate(part):
                features[i, places - shape.first] = values
            targets = np.array([label for label, *_ in part])
            yield "train", Rows(features, classes.numbered(targets)[:, None])

    notes = (f"{classes.task}: {classes.reason}",) if classes.reason else ()
    return Source(schema, {"train": shape.n_rows}, f"LIBSVM {path.name}", blocks, notes)


def _classes(path: Path, labels: list[float], options: ImportOptions) -> Classes:
    """Return the classes that are known, however few of them occur, else those that the labels tell."""
    like = options.like
    known = labels_of(like.classes) if like is not None and like.classes else None
    if like is not None and known is not None:
        return Classes(like.task, like.n_outputs, like.class_names, known)
    task = options.task if like is None else like.task
    stated = None if task == "auto" else require_task(task, "--task")
    return classes_of([HeldMatrix(np.array(labels)[:, None], str(path))], str(path), stated, None, None)


def _numbers_of(like: Schema | None) -> list[int]:
    """Return the numbers of the first and the last feature of such a file, if names tell them."""
    found = [_NAME.fullmatch(name) for name in (like and like.feature_names) or ()]
    numbers = [int(name[1]) for name in found if name]
    return [min(numbers), max(numbers)] if numbers and all(found) else []


def _lines(text: PlainText) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(ByteStream(text.chunks())), "utf-8", newline="")


def _rows(path: Path, text: PlainText) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Yield label, numbers of features and their values of each row."""
    for number, raw in enumerate(_lines(text), 1):
        content = raw.partition("#")[0]
        words = content.split()
        if not words:
            continue
        pairs = [word.split(":") for word in words[1:] if not word.startswith("qid:")]
        try:
            if "_" in content or not content.isascii():  # which Python takes within a number
                raise ValueError
            places = np.array([int(place) for place, _ in pairs], np.int64)
            values = np.array([float(value) for _, value in pairs])
            label = float(words[0])
        except (ValueError, OverflowError):
            raise DataError(f"{path}: line {number}: {shown(raw.strip())} is no row of LIBSVM") from None
        if len(np.unique(places)) != len(places) or (places < 0).any() or np.isinf(values).any():
            raise DataError(f"{path}: line {number}: a feature that is there twice, negative or infinite")
        yield label, places, values
