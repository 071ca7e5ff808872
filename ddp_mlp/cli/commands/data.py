"""Commands that make, import and inspect data sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import SAMPLES, SEED, Number

if TYPE_CHECKING:
    from pathlib import Path as PathType

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
@click.option("--out", required=True, metavar="F.h5", help="File to write.")
@click.option("--target", "targets", multiple=True, metavar="COL", help="Column to predict; may be repeated.")
@click.option("--features", multiple=True, metavar="PATH", help="Arrays to learn from, where the format has paths.")
@click.option("--drop", multiple=True, metavar="COL", help="Column to leave out; may be repeated.")
@click.option("--test-fraction", type=Number(0, 1), default=0.0, metavar="X", help="Share of rows for a test split.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chooses the rows of the test split.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "binary", "multiclass"]),
    default="auto",
    show_default=True,
    help="auto: text and few whole numbers are classes.",
)
@click.option("--compress", is_flag=True, help="Write gzip chunks: smaller, slower to read.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def import_(
    sources: tuple[str, ...],
    out: str,
    targets: tuple[str, ...],
    features: tuple[str, ...],
    drop: tuple[str, ...],
    test_fraction: float,
    seed: int,
    task: str,
    compress: bool,
    force: bool,
) -> None:
    """Import SOURCE...: CSV or TSV files with a header, IDX files or their folder, also .gz."""
    from ddp_mlp.data.importing import ImportOptions, import_dataset

    options = ImportOptions(targets, features, drop, task, test_fraction, seed)
    paths = [_path(s) for s in sources]
    source = import_dataset(paths, _path(out), options, force=force, compress=compress)
    click.echo(_summary(source, out))


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
    d = source.description
    splits = ", ".join(f"{name} {n}" for name, n in source.sizes.items())
    classes = f", {d.n_classes} classes" if d.n_classes else f", {d.n_targets} targets"
    return f"{out}: {d.task}, {d.n_features} features{classes}; {splits} samples"
