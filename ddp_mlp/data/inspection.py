"""Looking at a data set: the contents of its file, and whether its values can be trained on.

Bad values are counted here, not refused.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ddp_mlp.data.column_report import ColumnReport, Sample
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset, split_location
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.dataset.validation import count_non_finite
from ddp_mlp.data.hdf5.guard import open_readonly
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.hdf5.tree import Entry, list_tree
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError, DdpMlpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ddp_mlp.data.rows import Rows

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class SplitReport:
    """The values of the rows of one split.

    Attributes
    ----------
    n_samples : int
        Number of rows.
    feature_dtype : str
        NumPy name.
    non_finite_features, non_finite_targets, non_finite_weights : int
        Values that are NaN or infinite.
    bad_labels : int
        Labels that are negative, fractional or not below the number of classes.
    class_counts : list of int or None
        Samples of each class; None for regression.
    target_range : list of [float, float] or None
        Smallest and largest finite value of each target; None for labels.
    constant_columns : list of str
        Features with one finite value in all rows, by name or number.
    telling_columns : list of str
        Columns each of which nearly determines the target, as nothing known beforehand does.
    counting_columns : list of str
        Features of whole numbers that rise or fall from row to row, as ids do.
    columns : list of ColumnReport
        Range and gaps of each feature.
    """

    n_samples: int
    feature_dtype: str
    non_finite_features: int
    non_finite_targets: int
    non_finite_weights: int
    bad_labels: int
    class_counts: list[int] | None
    target_range: list[list[float | None]] | None
    constant_columns: list[str]
    telling_columns: list[str]
    counting_columns: list[str]
    columns: list[ColumnReport]


@dataclass(frozen=True)
class Inspection:
    """All that `data inspect` prints; `problem` says why `splits` is empty, if it is.

    Attributes
    ----------
    tree : list of Entry
        Groups, arrays and links of the file.
    schema : Schema or None
        What the data set is.
    notes : tuple of str
        What was guessed, taken by position, or left aside.
    memory_bytes : dict of str to int
        Memory for all rows on one node, by the dtype of training.
    """

    path: str
    group: str
    file_bytes: int
    tree: list[Entry]
    schema: Schema | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()
    splits: dict[str, SplitReport] | None = None
    memory_bytes: dict[str, int] | None = None
    fingerprint: str | None = None
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values; the schema's fields stand beside the others, unknown ones are None."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "schema"}
        known = dict.fromkeys(Schema.__struct_fields__) if self.schema is None else msgspec.structs.asdict(self.schema)
        return dict(msgspec.to_builtins(known | plain))


def inspect_dataset(location: str | Path, *, features: str | None = None, targets: str | None = None) -> Inspection:
    """Read all of a data set and report on it.

    Parameters
    ----------
    location, features, targets
        As `hdf5.open_dataset`.

    Raises
    ------
    MissingInputError, DataError
        If the file itself cannot be opened. What is wrong inside of it becomes `problem`.
    """
    path, group = split_location(location)
    with open_readonly(path) as file:
        base = root(file).follow(group, soft=True)
        if not isinstance(base, Group):
            raise DataError(f"{path}:{group}: no such group in the file")
        tree = list_tree(base)
    bare = Inspection(str(path), group, path.stat().st_size, tree)
    try:
        with open_dataset(location, features=features, targets=targets) as dataset:
            return _report(dataset, bare)
    except DdpMlpError as error:
        # The tree, which some messages carry below their first line, is printed anyway.
        return Inspection(str(path), group, bare.file_bytes, tree, problem=str(error).splitlines()[0])


def _report(dataset: DatasetFile, bare: Inspection) -> Inspection:
    return Inspection(
        bare.path,
        bare.group,
        bare.file_bytes,
        bare.tree,
        dataset.schema,
        dataset.source,
        dataset.notes,
        {name: _inspect_split(split, dataset) for name, split in dataset.splits.items()},
        {dtype: _memory_bytes(dataset, np.dtype(dtype).itemsize) for dtype in ("float32", "float64")},
        dataset.fingerprint(),
    )


def _memory_bytes(dataset: DatasetFile, itemsize: int) -> int:
    """Return the memory of all rows: features as bytes where they are uint8, else as trained."""
    n_rows = sum(split.n_samples for split in dataset.splits.values())
    raw = all(split.feature_dtype == np.uint8 for split in dataset.splits.values())
    return n_rows * (dataset.schema.n_features * (1 if raw else itemsize) + dataset.schema.n_targets * itemsize)


def _inspect_split(split: Split, dataset: DatasetFile) -> SplitReport:
    schema = dataset.schema
    n_classes = schema.n_classes
    bad = dict.fromkeys(("features", "targets", "weights", "labels"), 0)
    counts = np.zeros(n_classes or 0, np.int64)
    ranges: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    sample = Sample(split.n_samples, schema.n_features)
    for rows in _blocks(split, schema.n_features):
        _widen(ranges, "features", rows.features)
        _widen(ranges, "targets", rows.targets)
        sample.add(rows)
        for name in ("features", "targets", "weights"):
            bad[name] += 0 if (values := getattr(rows, name)) is None else count_non_finite(values)
        if n_classes is not None:
            known = split.bound(rows).targets[:, 0]
            bad["labels"] += _count_labels(known, counts) + _count_unknown(rows.targets, known)
    columns = sample.reports(schema, *ranges["features"])
    return SplitReport(
        n_samples=split.n_samples,
        feature_dtype=split.feature_dtype.name,
        non_finite_features=bad["features"],
        non_finite_targets=bad["targets"],
        non_finite_weights=bad["weights"],
        bad_labels=bad["labels"],
        class_counts=None if n_classes is None else counts.tolist(),
        target_range=[_finite(*pair) for pair in zip(*ranges["targets"], strict=True)] if n_classes is None else None,
        constant_columns=[c.name for c in columns if c.low is not None and c.low == c.high],
        telling_columns=sample.telling(schema),
        counting_columns=sample.counting(schema),
        columns=columns,
    )


def _blocks(split: Split, n_features: int) -> Iterator[Rows]:
    step = max(1, _BLOCK_BYTES // (n_features * split.feature_dtype.itemsize))
    for start in range(0, split.n_samples, step):
        yield split.read_stored(start, min(start + step, split.n_samples))


def _count_labels(labels: NDArray[np.float64], counts: NDArray[np.int64]) -> int:
    """Add the good labels to `counts`; return the number of finite ones that are not good."""
    good = (labels >= 0) & (labels < len(counts)) & (labels == np.floor(labels))
    counts += np.bincount(labels[good].astype(np.int64), minlength=len(counts))
    return int(np.count_nonzero(np.isfinite(labels) & ~good))


def _count_unknown(stored: NDArray[np.float64], known: NDArray[np.float64]) -> int:
    """Return how many labels became none when they were bound to the classes."""
    return int(np.count_nonzero(np.isnan(known) & np.isfinite(stored).all(axis=1)))


def _widen(ranges: dict[str, tuple[NDArray[Any], NDArray[Any]]], key: str, values: NDArray[Any]) -> None:
    """Widen the range of each column by a block; NaN is passed over, a column of them stays NaN."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    if key in ranges:
        low, high = np.fmin(ranges[key][0], low), np.fmax(ranges[key][1], high)
    ranges[key] = low, high


def _finite(low: float, high: float) -> list[float | None]:
    # JSON has no NaN and no infinity.
    return [float(v) if np.isfinite(v) else None for v in (low, high)]
