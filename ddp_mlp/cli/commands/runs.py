"""``ddp-mlp runs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import json_option, print_json, shown, tell
from ddp_mlp.errors import brief, printable

if TYPE_CHECKING:
    from ddp_mlp.report.records.listing import Listing

#: Letters of a fraction up to which a person has typed it.
_TYPED = 10
_SORTS = ("name", "state", "epochs", "when", "loss", "accuracy", "rmse", "r2", "mae", "macro_f1", "roc_auc")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("runs"), metavar="[DIR]")
@click.option(
    "--sort", type=click.Choice(_SORTS),
    help="Order of the lines [default: name; for a search with --metric, the best by that first].",
)  # fmt: skip
@json_option
def runs(directory: Path, sort: str | None, as_json: bool) -> None:
    """List the runs below DIR [default: runs]: state, epochs, best scores, when, and the settings that differ."""
    from ddp_mlp.report.records.listing import listing_of, ranked_listing, sorted_by

    lines, score = (sorted_by(listing_of(directory), sort), "") if sort else ranked_listing(directory)
    if as_json:
        print_json({"runs": lines, **({"ranked_by": score} if score else {})})
    elif lines:
        if score:
            tell(f"ranked by {score}, as the search was asked to")
        _print(lines)
    else:
        tell(f"no runs below {directory}; ddp-mlp train CONFIG.toml makes one")


def _print(lines: list[Listing]) -> None:
    scores = [name for name in lines[0] | {k: None for line in lines for k in line} if name.startswith("valid_")]
    names = scores or ["train_loss"]
    header = ["run", "state", "epochs", *names, "when", "differs"]
    rows = [
        [
            line["run"], line["state"], f"{line['epochs']}/{shown(line['of_epochs'])}",
            *(shown(line.get(name)) for name in names), line["when"][:16].replace("T", " "),
            " ".join(f"{key}={_as_set(value)}" for key, value in line["differs"].items()),
        ]
        for line in lines
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [
            text.rjust(width) if 2 <= i < 3 + len(names) else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _as_set(value: Any) -> str:
    """Return a value as ``--set`` takes it; what a search drew in fewer digits."""
    if isinstance(value, str):
        return brief(printable(value))
    drawn = isinstance(value, float) and len(repr(value)) > _TYPED
    return f"{value:.6g}" if drawn else brief(printable(json.dumps(value, ensure_ascii=False)))
