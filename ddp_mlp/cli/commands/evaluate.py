"""``ddp-mlp evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import json_option, print_json, print_result, shown, tell

#: Wider confusion matrices than this are for ``--json`` alone, and of longer tables only so many rows are printed.
_MOST_CLASSES, _MOST_ROWS, _SHOWN_ROWS = 20, 50, 20


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--split", help="Split of DATA [default: test, else valid, else train].")
@click.option("--top-k", type=click.IntRange(1, 10**6), help="Also count answers among the K likeliest classes.")
@click.option("--features", metavar="PATHS", help="Arrays of the features, if not named as in training.")
@click.option("--targets", metavar="PATHS", help="Arrays of the targets, likewise.")
@json_option
def evaluate(
    model: Path,
    data: str,
    split: str | None,
    top_k: int | None,
    features: str | None,
    targets: str | None,
    as_json: bool,
) -> None:
    """Measure MODEL (a run directory, checkpoint, model file or ensemble) on DATA (F.h5, F.h5:/group, or a table).

    Every sample counts once and the same; errors of a regression are in the units of DATA. Of an ensemble: its mean
    answer, the mean score of its members, and how far its spread can be trusted.
    """
    from ddp_mlp.comm import connect, known_to_all
    from ddp_mlp.errors import UsageError
    from ddp_mlp.training.inference.files import Rows, apply_model

    rows = Rows(data, split, features, targets)
    with connect() as comm, apply_model(model, rows, comm, tell) as applied:
        if top_k and applied.model.schema.task == "regression":
            raise known_to_all(UsageError("--top-k counts classes, but the model answers quantities; leave it out"))
        result = {"split": applied.split, **applied.evaluate(top_k or 0)}
        if comm.rank != 0:
            return
        if as_json:
            print_json(result)
        else:
            _print_report(result)


def _print_report(result: dict[str, Any]) -> None:
    """Print single numbers as a list, then what there is of each class or target as tables."""
    print_result({name: value for name, value in result.items() if not isinstance(value, list)}, as_json=False)
    for name in ("members", "targets", "classes"):
        if len(rows := result.get(name, [])) > 1:
            _print_table(list(rows[0]), [list(row.values()) for row in _worst(rows)])
            if len(rows) > _MOST_ROWS:
                click.echo(f"the {_SHOWN_ROWS} worst of {len(rows)} {name}; --json has all")
    if "confusion" in result and len(result["confusion"]) <= _MOST_CLASSES:
        names = [row["class"] for row in result["classes"]]
        rows = [[name, *counts] for name, counts in zip(names, result["confusion"], strict=True)]
        _print_table(["class \\ answer", *names], rows)


def _worst(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table; of a long one those with the lowest F1, R2 or accuracy, if they occur."""
    if len(rows) <= _MOST_ROWS:
        return rows
    key = next(name for name in ("f1", "r2", "accuracy") if name in rows[0])
    known = [row for row in rows if row[key] is not None and row.get("n_samples") != 0]
    return sorted(known, key=lambda row: float(row[key]))[:_SHOWN_ROWS]


def _print_table(header: list[str], rows: list[list[Any]]) -> None:
    lines = [header, *([shown(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    click.echo()
    for line in lines:
        cells = (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
        click.echo("  ".join([line[0].ljust(widths[0]), *cells]))
