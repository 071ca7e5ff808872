"""Which rows train and which validate, as the configuration says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.config import Config, DataConfig
from ddp_mlp.core.folds import forward_fold, grouped_fold, grouped_split, latest_split, stratified_fold
from ddp_mlp.core.sampling import fold_ids, split_ids
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.dataset.known_files import known_fingerprint
from ddp_mlp.data.dataset.row_labels import RowLabels, row_labels
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.errors import DataError, UsageError, counted

Ids = NDArray[np.int64]

#: Part of the training rows that is set aside where neither file nor configuration says.
DEFAULT_VALID_FRACTION = 0.1
#: As ``time_by``: rows are in the order of time.
IN_ORDER = "row"
_BLOCK_ROWS = 8192


def who_validates(config: Config, file: DatasetFile, splits: list[Split]) -> tuple[Ids, Ids]:
    """Return the rows that train and those that validate: some of the first split, or all of a second one.

    Parameters
    ----------
    file : DatasetFile
        That of the first split, opened with its targets.

    Raises
    ------
    DataError
        If there are fewer rows, groups, moments or rows of a class than folds, or no column of groups or times.
    UsageError
        If rows that validate by themselves are to be parted.
    """
    data, n_train = config.data, splits[0].n_samples
    if data.all_rows:
        return np.arange(n_train, dtype=np.int64), np.zeros(0, np.int64)
    if len(splits) == 2:
        if named := data.group_by or data.time_by:
            key = "group_by" if data.group_by else "time_by"
            raise UsageError(
                f"[data] {key} = {named!r} parts the rows that train, but {splits[1].where} validates; set"
                " valid_fraction or folds, so that they are parted"
            )
        stop = n_train + splits[1].n_samples
        return np.arange(n_train, dtype=np.int64), np.arange(n_train, stop, dtype=np.int64)
    if data.folds is not None and data.fold is not None:
        return _fold(config, file, splits[0], data.folds, data.fold)
    fraction = DEFAULT_VALID_FRACTION if data.valid_fraction is None else data.valid_fraction
    if data.group_by:
        groups = _groups(config, file, splits[0])
        return grouped_split(groups.codes, fraction, data.split_seed)
    if data.time_by:
        return latest_split(_moments(config, file, splits[0]), fraction)
    return split_ids(n_train, fraction, data.split_seed)


def _fold(config: Config, file: DatasetFile, split: Split, folds: int, fold: int) -> tuple[Ids, Ids]:
    data = config.data
    if split.n_samples < folds:
        raise DataError(f"{data.train}: {counted(split.n_samples, 'training sample')} cannot make {folds} folds")
    if data.group_by:
        groups = _groups(config, file, split)
        if groups.n_values < folds:
            raise DataError(
                f"{groups.where}: {counted(groups.n_values, 'group')} cannot make {folds} folds; take fewer folds"
            )
        return grouped_fold(groups.codes, fold, folds, data.split_seed)
    if data.time_by:
        moments = _moments(config, file, split)
        if (n := int(moments.max()) + 1) <= folds:
            raise DataError(
                f"{data.train}: {n} different times make {n - 1} folds at most, each of which validates on the rows"
                f" after those that train, not {folds}"
            )
        return forward_fold(moments, fold, folds)
    if data.stratify and (labels := _labels(config, file, split)) is not None:
        _require_all_classes(config, file, labels, folds)
        return stratified_fold(labels, fold, folds, data.split_seed)
    return fold_ids(split.n_samples, fold, folds, data.split_seed)


def _groups(config: Config, file: DatasetFile, split: Split) -> RowLabels:
    groups = row_labels(file, split, config.data.group_by or "")
    if groups.n_values < 2:
        raise DataError(f"{groups.where}: all rows are of one group, so none can validate; leave [data] group_by out")
    return groups


def _moments(config: Config, file: DatasetFile, split: Split) -> Ids:
    name = config.data.time_by or ""
    if name == IN_ORDER:
        return np.arange(split.n_samples, dtype=np.int64)
    times = row_labels(file, split, name, as_times=True)
    if not times.is_ordered:
        raise DataError(
            f"{times.where}: no times, which are numbers, or dates as 2026-01-31 or 2026-01-31T12:00:00, all of one"
            f' length; sort the rows by time and set time_by = "{IN_ORDER}"'
        )
    return times.codes


def _labels(config: Config, file: DatasetFile, split: Split) -> Ids | None:
    """Return the class of each row; None where there are none."""
    if file.schema.task == "regression" or config.data.autoencode or not split.has_targets:
        return None
    blocks = (
        split.read(start, min(start + _BLOCK_ROWS, split.n_samples)).targets[:, 0]
        for start in range(0, split.n_samples, _BLOCK_ROWS)
    )
    return np.concatenate([*blocks]).astype(np.int64)


def _require_all_classes(config: Config, file: DatasetFile, labels: Ids, folds: int) -> None:
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    rarest = int(present[counts[present].argmin()])
    if counts[rarest] < folds:
        name = (file.schema.classes or ())[rarest]
        raise DataError(
            f"{config.data.train}: class {name} has {counted(counts[rarest], 'row')}, too few for each of {folds}"
            f" folds; take fewer folds, or draw them regardless of classes with --set data.stratify=false"
        )


def content_sha256(data: DataConfig, files: list[DatasetFile], splits: list[Split]) -> str:
    """Return the fingerprints of files, and the hash of a column that parts their rows and is no feature, as one."""
    name = None if data.all_rows else data.group_by or data.time_by
    parts = row_labels(files[0], splits[0], name).sha256 if name and name != IN_ORDER else ""
    return "+".join(filter(None, [*map(known_fingerprint, files), parts]))


def parting_line(config: Config, file: DatasetFile, splits: list[Split]) -> str:
    """Return a line where a column that parts the rows is learned from too; empty where none is."""
    data = config.data
    name = data.group_by or data.time_by
    if not name or name == IN_ORDER or data.all_rows or not row_labels(file, splits[0], name).is_feature:
        return ""
    if data.group_by:
        return (
            f"warning: rows are grouped by {name!r}, which is a feature too: of a group that no row trained on it tells"
            " nothing; data import --id keeps it for grouping alone"
        )
    return (
        f"warning: rows are parted by time at {name!r}, which is a feature too: of rows that validate, and of all that"
        " come later, it is beyond what was trained on; data import --id keeps it for the order alone"
    )
