"""Turn files of other formats, and made data, into data sets.

A format is one entry of `FORMATS`: how its files are recognised, how they are read, and
which options it takes. New ones are added there.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.dataset import split_location
from ddp_mlp.data.dataset.writing import create_dataset, require_writable
from ddp_mlp.data.hdf5.guard import is_hdf5
from ddp_mlp.data.sources.digits import make_digits
from ddp_mlp.data.sources.hdf5 import is_hdf5_location, read_hdf5
from ddp_mlp.data.sources.idx import read_idx
from ddp_mlp.data.sources.idx_format import is_idx
from ddp_mlp.data.sources.libsvm import is_libsvm, read_libsvm
from ddp_mlp.data.sources.matlab import is_matlab, read_matlab
from ddp_mlp.data.sources.numpy_files import read_npy, read_npz
from ddp_mlp.data.sources.options import OPTION_OF, ImportOptions
from ddp_mlp.data.sources.splitting import split_off_test
from ddp_mlp.data.sources.synthetic import RECIPES, make_synthetic
from ddp_mlp.data.sources.tables.arff import read_arff
from ddp_mlp.data.sources.tables.columnar import read_feather, read_json, read_parquet
from ddp_mlp.data.sources.tables.delimited import read_delimited
from ddp_mlp.data.sources.tables.reading import source_of_table
from ddp_mlp.data.sources.tables.sheets import read_sheet
from ddp_mlp.data.sources.tables.table import joined
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.source import Source
    from ddp_mlp.data.sources.tables.table import Table


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
        Which of the fields of `ImportOptions` in `OPTION_OF` mean something to it.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Sequence[Path], ImportOptions], Source]
    takes: frozenset[str] = frozenset()


def _is_idx(path: Path) -> bool:
    if path.is_dir():
        return any(is_idx(p) for p in path.iterdir() if p.is_file())
    return is_idx(path)


def _named(*suffixes: str) -> Callable[[Path], bool]:
    """Return a test of whether a file has one of these suffixes, that of a packing aside."""

    def recognises(path: Path) -> bool:
        name = path.with_suffix("") if path.suffix.lower() in _PACKED_SUFFIXES else path
        return path.is_file() and name.suffix.lower() in suffixes

    return recognises


def _is_libsvm(path: Path) -> bool:
    return _named(".libsvm", ".svm", ".svmlight")(path) or (
        _named(".txt", ".data", ".dat", "")(path) and is_libsvm(path)
    )


def _tables(read: Callable[[Path, ImportOptions], Table]) -> Callable[[Sequence[Path], ImportOptions], Source]:
    """Return a reader of one or several files that are one table."""
    return lambda paths, options: source_of_table(joined([read(path, options) for path in paths]), options)


def _alone(read: Callable[[Path, ImportOptions], Source]) -> Callable[[Sequence[Path], ImportOptions], Source]:
    """Return a reader of one file."""

    def reader(paths: Sequence[Path], options: ImportOptions) -> Source:
        if len(paths) != 1:
            raise UsageError(f"{len(paths)} files given, the second is {paths[1]}; import such files one at a time")
        return read(paths[0], options)

    return reader


def _delimited(path: Path, options: ImportOptions) -> Table:
    return read_delimited(path, separator=options.separator, has_header=options.header, encoding=options.encoding)


def _is_parquet(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return _named(".parquet", ".pq")(path)


def _read_parquet(paths: Sequence[Path], options: ImportOptions) -> Source:
    files = [file for path in paths for file in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]
    return source_of_table(joined([read_parquet(file) for file in files]), options)


_PACKED_SUFFIXES = frozenset({".gz", ".zst", ".bz2", ".xz", ".zip"})
#: The options that mean something for tables.
_OF_TABLES = frozenset(
    {"targets", "drop", "text", "ids", "ordinal", "date", "weights", "split_by", "missing", "decimal", "like"}
)

#: Tried in this order; the first that recognises every path reads them.
FORMATS: tuple[Format, ...] = (
    Format(
        "HDF5 (.h5, .h5ad, .nc, .mat of MATLAB 7.3; F.h5:/GROUP)", is_hdf5_location, _alone(read_hdf5),
        frozenset({"features", "targets", "weights", "missing"}),
    ),
    Format("MATLAB (.mat up to 7)", is_matlab, _alone(read_matlab), frozenset({"features", "targets"})),
    Format(
        "Excel (.xlsx, .xls, .xlsb, .ods)", _named(".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"),
        _tables(lambda path, o: read_sheet(path, o.sheet, o.header)),
        _OF_TABLES | {"sheet", "header"},
    ),
    Format("Parquet (.parquet, or a folder of them)", _is_parquet, _read_parquet, _OF_TABLES),
    Format(
        "Feather (.feather, .arrow)", _named(".feather", ".arrow"), _tables(lambda p, _: read_feather(p)), _OF_TABLES,
    ),
    Format(
        "JSON or JSON lines (.json, .jsonl)", _named(".json", ".jsonl", ".ndjson"),
        _tables(lambda path, _: read_json(path)), _OF_TABLES,
    ),
    Format(
        "ARFF (.arff)", _named(".arff"), _tables(lambda path, o: read_arff(path, o.encoding)), _OF_TABLES | {"encoding"}
    ),
    Format("NumPy (.npz)", _named(".npz"), _alone(read_npz), frozenset({"features", "targets"})),
    Format("NumPy (.npy)", _named(".npy"), _tables(lambda path, _: read_npy(path)), _OF_TABLES),
    Format("IDX (the files of MNIST or their folder)", _is_idx, lambda paths, _: read_idx(paths)),
    Format("LIBSVM (.libsvm, .svm)", _is_libsvm, _alone(lambda path, o: read_libsvm(path, o.task))),
    Format(
        "CSV or TSV (.csv, .tsv, .tab, .txt, .dat, .data, any separator)",
        _named(".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".asc", ".psv", ""),
        _tables(_delimited), _OF_TABLES | {"separator", "encoding", "header"},
    ),
)  # fmt: skip

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
        if not split_location(path)[0].exists():
            raise MissingInputError(f"{path}: no such file or folder; give what to import")
    found = _format_of(paths)
    if found is None:
        known = "; ".join(f.name for f in reversed(FORMATS))
        raise UsageError(
            f"{paths[0]}: no format recognised; known are {known}; text and IDX also as .gz, .zst, .bz2, .xz or .zip"
        )
    _require_taken(found, options)
    source = found.read(paths, options)
    if options.task not in {"auto", source.description.task}:
        raise UsageError(
            f"{paths[0]}: --task {options.task}, but the data are {source.description.task}; leave the option out"
        )
    return split_off_test(source, options.test_fraction, options.seed, stratify=options.stratify)


def _format_of(paths: Sequence[Path]) -> Format | None:
    """Return the first format that recognises all paths."""
    return next((each for each in FORMATS if all(map(each.recognises, paths))), None)


def _require_taken(format_: Format, options: ImportOptions) -> None:
    for field, value in options.given().items():
        if field in OPTION_OF and field not in format_.takes:
            first = next(iter(value)) if isinstance(value, Collection) and not isinstance(value, str) else value
            word = f" {first}" if isinstance(first, str) else ""
            raise UsageError(f"{OPTION_OF[field]}{word} means nothing for {format_.name}; leave it out")


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
    paths: Sequence[Path],
    out: Path,
    options: ImportOptions,
    *,
    force: bool = False,
    compress: bool = False,
    dry_run: bool = False,
) -> Source:
    """Import files as the data set `out` and return the source that was written.

    Parameters
    ----------
    force : bool
        Whether an existing file is replaced.
    compress : bool
        Whether arrays are packed.
    dry_run : bool
        Whether files are only read.

    Raises
    ------
    MissingInputError, UsageError, DataError
        As `open_source`.
    OutputError, StorageError
        As `write_source`.
    """
    if dry_run:
        source = open_source(paths, options)
        for _ in source.blocks():
            pass
        return source
    require_writable(out, force=force)
    source = open_source(paths, replace(options, scratch=out.resolve().parent))
    write_source(source, out, force=force, compress=compress)
    return source


def is_importable(location: str) -> bool:
    """Tell whether a location is a file or folder that `open_source` reads, and so no HDF5 file."""
    path = Path(location)
    return path.exists() and not is_hdf5(path) and _format_of([path]) is not None


def import_for_model(path: Path, out: Path, schema: Schema, *, answers_only: bool) -> Source:
    """Import a file as rows of a model's schema: a table by the names of its columns, others as they are.

    Raises
    ------
    MissingInputError, UsageError, DataError
        As `open_source`; if the rows do not fit.
    OutputError, StorageError
        As `write_source`.
    """
    found, wanted = _format_of([path]), ImportOptions(like=schema, answers_only=answers_only)
    source = open_source([path], wanted if found and "like" in found.takes else ImportOptions())
    write_source(source, out)
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
