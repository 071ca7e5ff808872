"""Features and targets that lie side by side as named arrays: of NumPy's archives and of MATLAB's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.rows import Description, Rows
from ddp_mlp.data.sources.labels import understand_labels
from ddp_mlp.data.sources.source import BLOCK_ROWS, Source
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.options import ImportOptions

    Pairs = dict[str, tuple[NDArray[Any], NDArray[Any]]]

FEATURES = ("features", "x", "inputs", "data", "images")
TARGETS = ("targets", "y", "target", "labels", "label", "outputs")
_SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}


def source_of_arrays(path: Path, kind: str, arrays: Mapping[str, NDArray[Any]], options: ImportOptions) -> Source:
    """Return features and targets that lie side by side under known names, or stated ones.

    Parameters
    ----------
    path : Path
        For messages.
    kind : str
        Of the file, for the data set.
    arrays : dict of str to ndarray
        All that the file holds.
    options : ImportOptions
        ``features`` and ``targets`` name arrays.

    Raises
    ------
    UsageError
        If the names are not there.
    DataError
        If shapes do not fit, or values are no numbers.
    """
    pairs = _pairs(path, arrays, options)
    first_x, first_y = pairs["train"]
    found = understand_labels(path, np.concatenate([y for _, y in pairs.values()]), options.task)
    n_features = int(np.prod(first_x.shape[1:], dtype=np.int64))
    targets = first_y.reshape(len(first_y), -1)
    description = Description(
        task=found.task,
        source=f"{kind} {path.name}",
        n_features=n_features,
        feature_dtype=str(first_x.dtype.newbyteorder("=")),
        n_targets=targets.shape[1],
        n_classes=found.n_classes,
        class_names=found.class_names,
        image_shape=first_x.shape[1:] if first_x.ndim > 2 else None,
    )

    def blocks() -> Iterator[tuple[str, Rows]]:
        for split, (x, y) in pairs.items():
            for start in range(0, len(x), BLOCK_ROWS):
                part = x[start : start + BLOCK_ROWS].reshape(-1, n_features)
                features = np.ascontiguousarray(part, dtype=first_x.dtype.newbyteorder("="))
                yield split, Rows(features, found.encode(y[start : start + BLOCK_ROWS]))

    return Source(description, {split: len(x) for split, (x, _) in pairs.items()}, blocks, notes=(found.note,))


def _pairs(path: Path, arrays: Mapping[str, NDArray[Any]], options: ImportOptions) -> Pairs:
    found: dict[str, dict[str, str]] = {}
    for name in arrays:
        split, role = _role(name)
        if name in options.features or (role == "x" and not options.features):
            found.setdefault(split, {})["x"] = name
        elif name in options.targets or (role == "y" and not options.targets):
            found.setdefault(split, {})["y"] = name
    pairs = {split: (arrays[names["x"]], arrays[names["y"]]) for split, names in found.items() if len(names) == 2}
    if "train" not in pairs:
        tree = listed([f"{name} {array.shape}" for name, array in arrays.items()])
        raise UsageError(f"{path}: no features and targets found among {tree}; name them with --features and --target")
    for x, y in pairs.values():
        _require_fitting(path, x, y, pairs["train"][0])
    return {split: pairs[split] for split in ("train", "valid", "test") if split in pairs}


def _role(name: str) -> tuple[str, str | None]:
    """Return split and role of an array by its name: ``X_train`` is features of train."""
    words = name.lower().removesuffix(".npy").rpartition(".")[2].split("_")
    split = next((_SPLITS[word] for word in words if word in _SPLITS), "train")
    rest = "_".join(word for word in words if word not in _SPLITS)
    return split, "x" if rest in FEATURES else "y" if rest in TARGETS else None


def _require_fitting(path: Path, x: NDArray[Any], y: NDArray[Any], first: NDArray[Any]) -> None:
    if x.ndim < 2 or x.dtype.kind not in "biuf" or x.shape[1:] != first.shape[1:] or not x.size:
        raise DataError(f"{path}: features of shape {x.shape} and type {x.dtype}; rows of numbers are needed")
    if len(x) != len(y) or y.ndim not in {1, 2}:
        raise DataError(
            f"{path}: features of shape {x.shape} beside targets of shape {y.shape}; one target a row is needed"
        )
