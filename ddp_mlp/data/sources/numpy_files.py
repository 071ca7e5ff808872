"""Arrays of NumPy: a table in ``.npy``, features and targets side by side in ``.npz``. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ddp_mlp.data.rows import Description, Rows
from ddp_mlp.data.sources.labels import understand_labels
from ddp_mlp.data.sources.packed import READ_ERRORS, unpacked_limit
from ddp_mlp.data.sources.source import BLOCK_ROWS, Source
from ddp_mlp.data.sources.tables.table import Table, column_names
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.options import ImportOptions

FEATURES = ("features", "x", "inputs", "data", "images")
TARGETS = ("targets", "y", "target", "labels", "label", "outputs")
_SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}


def read_npy(path: Path) -> Table:
    """Open one array as a table: fields of a structured one, or columns of one of two dimensions.

    Raises
    ------
    DataError
        If it is neither, or damaged.
    """
    array = _load(path, mmap=True)
    if array.dtype.names:
        names, columns = array.dtype.names, [array[name] for name in array.dtype.names]
    elif array.ndim == 2 and array.shape[1] > 1:
        names = tuple(f"column {i + 1}" for i in range(array.shape[1]))
        columns = [array[:, i] for i in range(array.shape[1])]
    else:
        raise DataError(f"{path}: an array of shape {array.shape}; rows and two or more columns are needed")
    if any(column.ndim != 1 or column.dtype.kind not in "biufUSM" for column in columns):
        raise DataError(f"{path}: columns of type {array.dtype}; numbers, text and dates are known")
    found, _ = column_names(path, names, "the array")

    def blocks(positions: Sequence[int], _numbers: Collection[int] = ()) -> Iterator[list[Any]]:
        import pyarrow as pa

        from ddp_mlp.data.sources.tables.columnar import as_text

        for start in range(0, len(columns[0]), BLOCK_ROWS):
            parts = [np.ascontiguousarray(columns[i][start : start + BLOCK_ROWS]) for i in positions]
            native = [p.astype(p.dtype.newbyteorder("="), copy=False) for p in parts]
            yield [as_text(pa.array(p.astype(str) if p.dtype.kind == "S" else p)) for p in native]

    notes = () if array.dtype.names else (f"columns have no names and are called 'column 1' to 'column {len(found)}'",)
    return Table(
        path, f"NumPy {path.name}", found, frozenset(), blocks, lambda rows: [f"row {r + 1}" for r in rows], notes
    )


def read_npz(path: Path, options: ImportOptions) -> Source:
    """Read features and targets that lie side by side under known names, or stated ones.

    Raises
    ------
    UsageError
        If the names are not there.
    DataError
        If shapes do not fit, or values are no numbers.
    """
    arrays = _load_all(path)
    pairs = _pairs(path, arrays, options)
    first_x, first_y = pairs["train"]
    found = understand_labels(path, np.concatenate([y for _, y in pairs.values()]), options.task)
    n_features = int(np.prod(first_x.shape[1:], dtype=np.int64))
    targets = first_y.reshape(len(first_y), -1)
    description = Description(
        task=found.task,
        source=f"NumPy {path.name}",
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


def _pairs(
    path: Path, arrays: Mapping[str, NDArray[Any]], options: ImportOptions
) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
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
    words = name.lower().removesuffix(".npy").split("_")
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


def _load(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (ValueError, *READ_ERRORS) as error:
        raise DataError(f"{path}: no array that can be read ({' '.join(str(error).split())[:200]})") from error


def _load_all(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > unpacked_limit(path):
            raise DataError(f"{path}: unpacks to {n_bytes / 2**30:.3g} GiB; if you trust it, save the arrays as HDF5")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, *READ_ERRORS) as error:
        raise DataError(f"{path}: no arrays that can be read ({' '.join(str(error).split())[:200]})") from error
