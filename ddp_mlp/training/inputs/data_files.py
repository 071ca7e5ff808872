"""The files that a configuration names, opened as one data set: rows to train on, and those that validate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from ddp_mlp.config import DataConfig
from ddp_mlp.data.dataset.dataset import DatasetFile, open_dataset
from ddp_mlp.data.dataset.joining import joined
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.schema import Schema
from ddp_mlp.errors import DataError

#: Opens the data of a run: those that train, those that validate, and their splits, as `open_splits` does.
Opener = Callable[[DataConfig, ExitStack, Schema | None], tuple[list[DatasetFile], list[Split]]]


def open_splits(
    config: DataConfig, stack: ExitStack, schema: Schema | None = None
) -> tuple[list[DatasetFile], list[Split]]:
    """Open the training file and, if it is another one, that for validation.

    Parameters
    ----------
    schema : Schema or None
        Of the run that goes on; None where the training file is asked what it is.

    Returns
    -------
    files : list of DatasetFile
    splits : list of Split
        The rows to train on; then those that validate, where they are not some of the former.

    Raises
    ------
    MissingInputError, DataError
        If they are not there or not usable, or do not fit each other.
    """
    unused = config.autoencode
    task = None if config.task == "auto" else config.task
    wanted = Wanted(task, None if unused else schema, "unused" if unused else "needed")

    def opened(location: str, wanted: Wanted) -> DatasetFile:
        weights = None if config.weights == "auto" else config.weights
        return stack.enter_context(
            open_dataset(location, features=config.features, targets=config.targets, weights=weights, wanted=wanted)
        )

    train = opened(config.train, wanted)
    if "train" not in train.splits:
        raise DataError(f"{config.train}: no training split any more; it has {', '.join(train.splits)}")
    if config.valid is None:
        return [train], own_splits(train, config)
    valid = opened(config.valid, Wanted(None, train.schema, wanted.targets))
    name = next(name for name in ("valid", "train", "test") if name in valid.splits)
    splits = [train.splits["train"], valid.splits[name]]
    splits = [_with_missing(split, config, train.schema) for split in splits]
    return [train, _telling(valid, config, name, train)], [joined(*splits)] if config.all_rows else splits


def own_splits(train: DatasetFile, config: DataConfig) -> list[Split]:
    """Return the rows of a data set that train, and those of its own that validate, if they are to."""
    has_own = "valid" in train.splits and config.valid_fraction is None and not config.folds
    splits = [train.splits["train"], *([train.splits["valid"]] if has_own else [])]
    splits = [_with_missing(split, config, train.schema) for split in splits]
    return [joined(*splits)] if config.all_rows and has_own else splits


def _with_missing(split: Split, config: DataConfig, schema: Schema) -> Split:
    """Allow missing values where the configuration says so, or the table behind the features."""
    kept = any(column.missing in {"impute", "indicator"} for column in schema.columns)
    imputes = config.missing == "impute" or (config.missing == "auto" and kept)
    return split.allowing_missing() if imputes else split


def _telling(valid: DatasetFile, config: DataConfig, name: str, train: DatasetFile) -> DatasetFile:
    """Say which rows validate, where a reader of the configuration could think of others."""
    notes = []
    others = [other for other in valid.splits if other != name]
    if valid.identity() == train.identity() and valid.group == train.group and name == "train":
        notes.append(
            "warning: [data] valid is the same file as [data] train, so the rows that train validate too; leave it"
            " out, or set valid_fraction, to keep some apart"
        )
    elif others and name != "valid":
        notes.append(
            f"warning: {config.valid} holds the splits {', '.join(valid.splits)}, and its {name} split validates; name"
            f' another with [data] valid = "{config.valid}:/{others[0]}"'
        )
    return valid.with_notes(notes)
