"""HDF5 files of others as a source: whatever `open_dataset` reads in place, copied as a data set of this program."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.dataset import open_dataset, split_location
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.hdf5.attributes import read_text
from ddp_mlp.data.hdf5.guard import is_hdf5, open_readonly
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.data.rows import require_task
from ddp_mlp.data.sources.stored import source_of_dataset
from ddp_mlp.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddp_mlp.data.dataset.dataset import DatasetFile
    from ddp_mlp.data.sources.options import ImportOptions
    from ddp_mlp.data.sources.source import Source

_MOST_LOOKED_AT = 100


def is_hdf5_location(path: Path) -> bool:
    """Tell whether a path, or ``F.h5:/GROUP``, is of an HDF5 file."""
    file = split_location(path)[0]
    return file.is_file() and is_hdf5(file)


def read_hdf5(path: Path, options: ImportOptions) -> Source:
    """Read the features and targets that a file of others holds.

    Parameters
    ----------
    path : Path
        The file, or ``F.h5:/GROUP``.
    options : ImportOptions
        ``features``, ``targets`` and ``weights`` are places as in ``[data]``; of a frame of pandas, names of columns.

    Raises
    ------
    UsageError
        If missing values are to be dropped or marked.
    DataError
        As `open_dataset`, and for values that are not finite unless missing ones are imputed.
    """
    if options.missing not in {"auto", "error", "impute"}:
        raise UsageError(f"{path}: --missing {options.missing} is for tables; impute or error is allowed for HDF5")
    features, targets = _places(path, options)
    task = None if options.task == "auto" else require_task(options.task, "--task")

    def opened() -> DatasetFile:
        asked = Wanted(task, options.like, targets="optional" if options.answers_only else "needed")
        with _told_of_frames(path, options, features):
            return open_dataset(path, features=features, targets=targets, weights=options.weights, wanted=asked)

    return source_of_dataset(opened, f"HDF5 {split_location(path)[0].name}", fills=options.missing == "impute")


@contextmanager
def _told_of_frames(path: Path, options: ImportOptions, features: str | None) -> Iterator[None]:
    """Add the way out to an error about a frame of pandas, whose texts are kept as pickles."""
    try:
        yield
    except (DataError, UsageError) as error:
        if features == ",".join(options.features) or features is None:
            raise
        raise DataError(
            f"{str(error).splitlines()[0]}; texts, dates and categories of a frame, and names of format='table'"
            f" without data_columns=True, are not read from HDF5: write the frame of {path.name} with to_parquet, and"
            " import that"
        ) from error


def _places(path: Path, options: ImportOptions) -> tuple[str | None, str | None]:
    """Return the places of features and targets; names alone are those of the columns of the only frame."""
    features, targets = ",".join(options.features) or None, ",".join(options.targets) or None
    frame = _frame_of(path) if targets and not features else None
    if frame and options.targets and not any(set("/:[") & set(name) for name in options.targets):
        return frame, ",".join(f"{frame}:{name}" for name in options.targets)
    return features, targets


def _frame_of(path: Path) -> str | None:
    """Return the name of the group that is a frame of pandas, if the file holds nothing else."""
    file, group = split_location(path)
    with open_readonly(file) as opened:
        base = root(opened).follow(group, soft=True)
        names = base.names(_MOST_LOOKED_AT) if isinstance(base, Group) else []
        node = base.follow(names[0], soft=True) if isinstance(base, Group) and len(names) == 1 else None
        is_frame = isinstance(node, Group) and (read_text(node, "pandas_type") or "").startswith("frame")
    return names[0] if is_frame else None
