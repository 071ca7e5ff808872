"""Turn files of other formats, and made data, into data sets.

Formats are entries of `formats.FORMATS`, made data sets entries of `MAKERS`.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ddp_mlp.data.dataset.contents import Contents
from ddp_mlp.data.dataset.dataset import split_location
from ddp_mlp.data.dataset.writing import create_dataset, require_writable
from ddp_mlp.data.formats import FORMATS, format_of, require_taken
from ddp_mlp.data.hdf5.guard import is_hdf5
from ddp_mlp.data.sources.made.digits import make_digits
from ddp_mlp.data.sources.made.synthetic import RECIPES, make_synthetic
from ddp_mlp.data.sources.options import ImportOptions
from ddp_mlp.data.sources.others import way_out
from ddp_mlp.data.sources.splitting import split_off_test
from ddp_mlp.data.sources.tables.words import shown
from ddp_mlp.data.sources.unchanged import Watch
from ddp_mlp.errors import DataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.source import Source


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
    found = format_of(paths)
    if found is None:
        if others := [(path, way) for path in paths if (way := way_out(path))]:
            raise UsageError(f"{others[0][0]}: {others[0][1]}")
        known = "; ".join(f.name for f in reversed(FORMATS))
        raise UsageError(
            f"{paths[0]}: no format recognised; known are {known}; text and IDX also as .gz, .zst, .bz2, .xz or .zip"
        )
    require_taken(found, options)
    watch = Watch([split_location(path)[0] for path in paths])
    with watch.reading():
        source = found.read(paths, options)
    if options.task not in {"auto", source.schema.task}:
        raise UsageError(
            f"{paths[0]}: --task {options.task}, but the data are {source.schema.task}; leave the option out"
        )
    _require_names(paths[0], source.schema)
    return split_off_test(watch.over(source), options.test_fraction, options.seed, stratify=options.stratify)


def _require_names(path: Path, schema: Schema) -> None:
    """Check that names and categories are texts that a data set can hold.

    Raises
    ------
    DataError
        If one has a NUL byte, or half of a character.
    """
    for names in (schema.feature_names, schema.target_names, schema.class_names):
        for name in names or ():
            if "\0" in name or (not name.isascii() and any(0xD800 <= ord(letter) < 0xE000 for letter in name)):
                raise DataError(f"{path}: {shown(name)} has a NUL byte or half of a character; mend it in the file")


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
        raise DataError(f"{source.origin}: the {empty[0]} split has no rows; at least one is needed")
    contents = Contents(
        source.schema, source.sizes, source.origin, source.feature_dtype, source.has_targets, source.ids
    )
    with create_dataset(path, contents, force=force, compress=compress) as writer:
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
    return path.exists() and not is_hdf5(path) and format_of([path]) is not None


def open_for_model(path: Path, options: ImportOptions) -> Source:
    """Open a file as rows of the schema that `options` name: a table by its columns, others as they are, to be bound.

    Raises
    ------
    MissingInputError, UsageError, DataError
        As `open_source`; if the rows do not fit.
    """
    found = format_of([path]) if split_location(path)[0].exists() else None
    return open_source([path], options if found is None or "like" in found.takes else replace(options, like=None))


def import_for_model(path: Path, out: Path, schema: Schema, *, answers_only: bool) -> Source:
    """Import a file as rows of a model's schema: a table by the names of its columns, others as they are.

    Raises
    ------
    MissingInputError, UsageError, DataError
        As `open_source`; if the rows do not fit.
    OutputError, StorageError
        As `write_source`.
    """
    source = open_for_model(path, ImportOptions(like=schema, answers_only=answers_only))
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
