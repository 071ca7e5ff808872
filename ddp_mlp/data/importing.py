"""Turn files of other formats, and made data, into data sets.

A format is one entry of `FORMATS`: how its files are recognised, how they are read, and
which options it takes. New ones are added there.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.writing import create_dataset, require_writable
from ddp_mlp.data.sources.csv import read_csv
from ddp_mlp.data.sources.digits import make_digits
from ddp_mlp.data.sources.idx import read_idx
from ddp_mlp.data.sources.idx_format import is_idx
from ddp_mlp.data.sources.splitting import split_off_test
from ddp_mlp.data.sources.synthetic import RECIPES, make_synthetic
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ddp_mlp.data.sources.source import Source

_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})


@dataclass(frozen=True)
class ImportOptions:
    """The wishes of a user about the files to import.

    Attributes
    ----------
    targets, features, drop : tuple of str
        Columns, or paths within a file.
    task : str
        "auto" or one of `rows.TASKS`.
    test_fraction : float
        Share of the training rows to move to a test split, 0 <= x < 1.
    seed : int
        Chooses these rows; not negative.
    """

    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    task: str = "auto"
    test_fraction: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Format:
    """One format of files.

    Attributes
    ----------
    name : str
        For messages.
    recognises : callable
        Tells whether a file or folder is of this format.
    read : callable
        Turns all of them into one source.
    takes : frozenset of str
        Which of the fields "targets", "features", "drop" mean something to it.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Sequence[Path], ImportOptions], Source]
    takes: frozenset[str] = frozenset()


def _is_idx(path: Path) -> bool:
    if path.is_dir():
        return any(is_idx(p) for p in path.iterdir() if p.is_file())
    return is_idx(path)


def _is_table(path: Path) -> bool:
    name = path.with_suffix("") if path.suffix == ".gz" else path
    return path.is_file() and name.suffix.lower() in _TABLE_SUFFIXES


def _read_table(paths: Sequence[Path], options: ImportOptions) -> Source:
    if len(paths) != 1:
        raise UsageError(f"{len(paths)} tables given, the second is {paths[1]}; import one at a time")
    return read_csv(paths[0], options.targets, options.drop, options.task)


#: Tried in this order; the first that recognises every path reads them.
FORMATS: tuple[Format, ...] = (
    Format("CSV or TSV (.csv, .tsv, .tab, also .gz)", _is_table, _read_table, frozenset({"targets", "drop"})),
    Format("IDX (the files of MNIST or their folder, also .gz)", _is_idx, lambda paths, _: read_idx(paths)),
)

#: Data sets that are made, by name; each takes the number of samples and a seed.
MAKERS: Mapping[str, Callable[[int | None, int], Source]] = {
    **{name: partial(make_synthetic, name) for name in RECIPES},
    "digits": make_digits,
}


def open_source(paths: Sequence[Path], options: ImportOptions) -> Source:
    """Recognise the format of `paths` and read what they are.

    Raises
    ------
    MissingInputError
        If one of them does not exist.
    UsageError
        If no format fits, or an option means nothing to it.
    DataError
        If the content is bad.
    """
    for path in paths:
        if not path.exists():
            raise MissingInputError(f"{path}: no such file or folder; give what to import")
    for candidate in FORMATS:
        if all(candidate.recognises(path) for path in paths):
            _require_taken(candidate, options)
            source = candidate.read(paths, options)
            if options.task not in {"auto", source.description.task}:
                raise UsageError(
                    f"{paths[0]}: --task {options.task}, but the data are {source.description.task}; leave"
                    " the option out"
                )
            return split_off_test(source, options.test_fraction, options.seed)
    known = "; ".join(f.name for f in FORMATS)
    raise UsageError(
        f"{paths[0]}: no format recognised; known are {known}; HDF5 files need no import, name them in the"
        " configuration"
    )


def _require_taken(format_: Format, options: ImportOptions) -> None:
    given = {"targets": options.targets, "features": options.features, "drop": options.drop}
    for field, option in (("targets", "--target"), ("features", "--features"), ("drop", "--drop")):
        if given[field] and field not in format_.takes:
            raise UsageError(f"{option} {given[field][0]} means nothing for {format_.name}; leave it out")


def write_source(source: Source, path: Path, *, force: bool = False, compress: bool = False) -> None:
    """Write all rows of a source as the data set `path`.

    Raises
    ------
    OutputError
        If the file exists and `force` is false, or cannot be created.
    StorageError
        If the disk is full or fails.
    DataError
        If the source turns out to be bad while it is read, or has no rows.
    """
    if empty := [split for split, n in source.sizes.items() if n == 0]:
        raise DataError(f"{source.description.source}: the {empty[0]} split has no rows; at least one is needed")
    with create_dataset(path, source.description, source.sizes, force=force, compress=compress) as writer:
        for split, rows in source.blocks():
            writer.append(split, rows)


def import_dataset(
    paths: Sequence[Path], out: Path, options: ImportOptions, *, force: bool = False, compress: bool = False
) -> Source:
    """Import files as the data set `out` and return the source that was written.

    Parameters
    ----------
    force : bool
        Whether an existing file is replaced.
    compress : bool
        Whether arrays are packed.

    Raises
    ------
    MissingInputError, UsageError, DataError
        As `open_source`.
    OutputError, StorageError
        As `write_source`.
    """
    require_writable(out, force=force)
    source = open_source(paths, options)
    write_source(source, out, force=force, compress=compress)
    return source


def make_dataset(name: str, out: Path, *, samples: int | None = None, seed: int = 0, force: bool = False) -> Source:
    """Make the data set `out` of a known kind and return the source that was written.

    Parameters
    ----------
    name : str
        Of `MAKERS`.
    samples : int, optional
        Rows of each split together; None for as many as the kind has.
    seed : int
    force : bool
        Whether an existing file is replaced.

    Raises
    ------
    UsageError
        For an unknown name or numbers out of range.
    OutputError, StorageError
        As `write_source`.
    """
    if name not in MAKERS:
        close = difflib.get_close_matches(name, MAKERS, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(MAKERS)}"
        raise UsageError(f"no data set named {name!r} to make; {hint}")
    require_writable(out, force=force)
    source = MAKERS[name](samples, seed)
    write_source(source, out, force=force)
    return source
