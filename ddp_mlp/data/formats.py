"""Formats of files: each is one entry of `FORMATS`, and new ones are added there.

An entry says how its files are recognised, how they are read, and which options it takes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.data.sources.hdf5 import is_hdf5_location, read_hdf5
from ddp_mlp.data.sources.idx import read_idx
from ddp_mlp.data.sources.idx_format import is_idx
from ddp_mlp.data.sources.libsvm import is_libsvm, read_libsvm
from ddp_mlp.data.sources.matlab.files import is_matlab, read_matlab
from ddp_mlp.data.sources.numpy_files import read_npy, read_npz
from ddp_mlp.data.sources.options import OPTION_OF, ImportOptions
from ddp_mlp.data.sources.tables.formats.arff import read_arff
from ddp_mlp.data.sources.tables.formats.columnar import read_feather, read_parquet
from ddp_mlp.data.sources.tables.formats.records import read_json
from ddp_mlp.data.sources.tables.formats.sheets import read_sheet
from ddp_mlp.data.sources.tables.reading import source_of_table
from ddp_mlp.data.sources.tables.table import joined
from ddp_mlp.data.sources.tables.text.delimited import read_delimited
from ddp_mlp.data.sources.tables.words import listed
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    table = joined([read_parquet(file) for file in files])
    # Spark, Hive and pandas keep a column that parts a table in the names of its folders.
    parts = sorted({file.parent.name.partition("=")[0] for file in files if "=" in file.parent.name})
    told = f"warning: {listed(parts)} stands in the names of folders only and is no column of the table"
    return source_of_table(replace(table, notes=(*table.notes, told)) if parts else table, options)


_PACKED_SUFFIXES = frozenset({".gz", ".zst", ".bz2", ".xz", ".zip"})
#: The options that mean something for tables.
_OF_TABLES = frozenset(
    {"targets", "drop", "text", "ids", "ordinal", "date", "weights", "split_by", "missing", "na", "decimal", "like"}
)

#: The options that mean something for arrays side by side.
_OF_ARRAYS = frozenset({"features", "targets", "weights", "missing", "like"})

#: Tried in this order; the first that recognises every path reads them.
FORMATS: tuple[Format, ...] = (
    Format(
        "HDF5 (.h5, .h5ad, .nc, .mat of MATLAB 7.3; F.h5:/GROUP)", is_hdf5_location, _alone(read_hdf5),
        _OF_ARRAYS,
    ),
    Format("MATLAB (.mat up to 7)", is_matlab, _alone(read_matlab), _OF_ARRAYS),
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
    Format("NumPy (.npz)", _named(".npz"), _alone(read_npz), _OF_ARRAYS),
    Format("NumPy (.npy)", _named(".npy"), _tables(lambda path, _: read_npy(path)), _OF_TABLES),
    Format("IDX (the files of MNIST or their folder)", _is_idx, lambda paths, _: read_idx(paths)),
    Format("LIBSVM (.libsvm, .svm)", _is_libsvm, _alone(read_libsvm), frozenset({"like"})),
    Format(
        "CSV or TSV (.csv, .tsv, .tab, .txt, .dat, .data, any separator)",
        _named(".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".asc", ".psv", ""),
        _tables(_delimited), _OF_TABLES | {"separator", "encoding", "header"},
    ),
)  # fmt: skip


def format_of(paths: Sequence[Path]) -> Format | None:
    """Return the first format that recognises all paths."""
    return next((each for each in FORMATS if all(map(each.recognises, paths))), None)


def require_taken(format_: Format, options: ImportOptions) -> None:
    """Check that all options that were given mean something for a format.

    Raises
    ------
    UsageError
        If one does not.
    """
    for field, value in options.given().items():
        if field in OPTION_OF and field not in format_.takes:
            first = next(iter(value)) if isinstance(value, Collection) and not isinstance(value, str) else value
            word = f" {first}" if isinstance(first, str) else ""
            raise UsageError(f"{OPTION_OF[field]}{word} means nothing for {format_.name}; leave it out")
