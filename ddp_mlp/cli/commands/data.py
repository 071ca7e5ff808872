"""Commands that make, import and inspect data sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import SAMPLES, SEED, Number
from ddp_mlp.errors import counted

if TYPE_CHECKING:
    from pathlib import Path as PathType

    from ddp_mlp.data.schema import Schema
    from ddp_mlp.data.sources.source import Source

_NAMES = "xor, noisy-xor, moons, spirals, sine, teacher, digits"


def _path(value: str) -> PathType:
    from pathlib import Path

    return Path(value)


@click.group()
def data() -> None:
    """Make, import and inspect data sets."""


@data.command(help=f"Make the data set NAME: {_NAMES}.")
@click.argument("name")
@click.option("--out", required=True, metavar="F.h5", help="File to write.")
@click.option("--samples", type=SAMPLES, help="Samples to train on; a quarter as many are added as test split.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Same seed, same samples.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def make(name: str, out: str, samples: int | None, seed: int, force: bool) -> None:
    """Make a data set."""
    from ddp_mlp.data.importing import make_dataset

    source = make_dataset(name, _path(out), samples=samples, seed=seed, force=force)
    click.echo(_summary(source, out))


@data.command(name="import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", metavar="F.h5", help="File to write; needed without --dry-run.")
@click.option("--target", "targets", multiple=True, metavar="COL", help="Column to predict; may be repeated.")
@click.option("--features", multiple=True, metavar="PATH", help="Arrays to learn from, where the format has paths.")
@click.option("--drop", multiple=True, metavar="COL", help="Column to leave out; may be repeated.")
@click.option("--text", multiple=True, metavar="COL", help="Column of categories that look like numbers.")
@click.option(
    "--ordinal",
    multiple=True,
    metavar="COL[=A,B,...]",
    help="Categories as their position: alphabetical, or as listed.",
)
@click.option("--date", multiple=True, metavar="COL[=FORMAT]", help="Column of dates, such as t=%d/%m/%Y.")
@click.option(
    "--id", "ids", multiple=True, metavar="COL", help="Column that names a row or its group: kept, no feature."
)
@click.option("--weights", metavar="COL", help="Column of sample weights.")
@click.option("--split-by", metavar="COL", help="Column that says train, valid or test.")
@click.option("--test-fraction", type=Number(0, 1), default=0.0, metavar="X", help="Share of rows for a test split.")
@click.option("--stratify", is_flag=True, help="Take the same share of each class for it.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chooses the rows of the test split.")
@click.option(
    "--missing",
    type=click.Choice(["auto", "impute", "indicator", "drop", "error"]),
    default="auto",
    show_default=True,
    help="What a missing cell becomes: filled in by training, also marked, its row left out, refused.",
)
@click.option(
    "--na", multiple=True, metavar="MARK", help="Cell that means a missing value, such as . or -999; may be repeated."
)
@click.option("--separator", metavar="S", help="Between cells: a character, tab or blank. Found if not stated.")
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal sign. Found if not stated.")
@click.option("--header/--no-header", default=None, help="Names in the first line, or a row. Found if not stated.")
@click.option("--encoding", metavar="E", help="Encoding of text, such as latin-1. Found if not stated.")
@click.option("--like", metavar="F.h5|MODEL", help="Take columns, categories and classes from a data set or a model.")
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook; the first if not stated.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "binary", "multiclass"]),
    default="auto",
    show_default=True,
    help="auto: text and few whole numbers are classes.",
)
@click.option("--compress", is_flag=True, help="Write gzip chunks: smaller, slower to read.")
@click.option("--dry-run", is_flag=True, help="Read all, say what would be made of it, write nothing.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def import_(
    sources: tuple[str, ...],
    out: str | None,
    ordinal: tuple[str, ...],
    date: tuple[str, ...],
    compress: bool,
    dry_run: bool,
    force: bool,
    like: str | None,
    **stated: Any,
) -> None:
    """Import SOURCE... as a data set.

    Tables as text with any separator (CSV, TSV), Parquet, Feather, JSON, JSON lines, Excel, ARFF,
    LIBSVM, NPZ, NPY, and IDX; also packed as .gz, .zst, .bz2, .xz or .zip. Several files of one
    format are one table.
    """
    from ddp_mlp.data.importing import import_dataset
    from ddp_mlp.data.sources.options import ImportOptions

    if out is None and not dry_run:
        raise click.UsageError("Missing option '--out'.")
    positions = {name: tuple(filter(None, found.split(","))) for name, found in map(_assigned, ordinal)}
    options = ImportOptions(
        ordinal=positions, date=dict(map(_assigned, date)), like=_schema_of(like) if like else None, **stated
    )
    paths = [_path(s) for s in sources]
    source = import_dataset(paths, _path(out or "-"), options, force=force, compress=compress, dry_run=dry_run)
    # Decisions are told beside the result, so that a program that reads the one is not disturbed by the other.
    for note in source.notes:
        click.echo(note, err=True)
    click.echo(_summary(source, "dry run" if dry_run else str(out)))


def _schema_of(location: str) -> Schema:
    """Return the schema of a model, an ensemble or a data set."""
    from ddp_mlp.checkpoint.ensemble import load_trained
    from ddp_mlp.data.dataset.dataset import open_dataset
    from ddp_mlp.errors import DataError

    try:
        return load_trained(_path(location)).schema
    except DataError:
        if _path(location).is_dir():
            raise
    with open_dataset(location) as dataset:
        return dataset.schema


def _assigned(text: str) -> tuple[str, str]:
    """Split ``COL=WORDS``; the column may stand alone."""
    name, _, words = text.partition("=")
    return name, words


@data.command()
@click.argument("location", metavar="F.h5[:/GROUP]")
@click.option("--features", metavar="PATHS", help="Arrays of the features, for layouts that are not recognised.")
@click.option("--targets", metavar="PATHS", help="Arrays of the targets, likewise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(location: str, features: str | None, targets: str | None, as_json: bool) -> None:
    """Show the contents of a data set, and whether its values can be trained on."""
    from ddp_mlp.cli.inspection_text import text_lines
    from ddp_mlp.data.inspection import inspect_dataset
    from ddp_mlp.errors import DataError

    report = inspect_dataset(location, features=features, targets=targets)
    click.echo(json.dumps(report.as_dict()) if as_json else "\n".join(text_lines(report)))
    if report.problem is not None:
        raise DataError(report.problem)


def _summary(source: Source, out: str) -> str:
    d = source.schema
    splits = ", ".join(f"{name} {n}" for name, n in source.sizes.items())
    outputs = f"{counted(d.n_classes, 'class')}" if d.n_classes else counted(d.n_targets, "target")
    return f"{out}: {d.task}, {counted(d.n_features, 'feature')}, {outputs}; {splits} samples"
