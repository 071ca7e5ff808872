"""``ddp-mlp compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import json_option, print_json
from ddp_mlp.errors import printable


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@json_option
def compare(run_a: Path, run_b: Path, as_json: bool) -> None:
    """Tell whether two runs have the same bits; exit 1 if not, naming since when and where."""
    from ddp_mlp.training.comparison import compare_runs

    result = compare_runs(run_a, run_b)
    if as_json:
        print_json(result)
    else:
        _print(result)
    sys.exit(0 if result["same_bits"] else 1)


def _print(result: dict[str, Any]) -> None:
    if result["same_bits"]:
        click.echo(f"same bits, over {result['epochs_compared']} epochs")
        return
    first = result["first_difference"]
    if first:
        layers = printable(", ".join(first["layers"]))
        click.echo(f"first difference after epoch {first['epoch']}, step {first['step']}: {layers}")
    else:
        click.echo(f"the {result['epochs_compared']} epochs that both have are the same bits; one run is longer")
    for layer in result["layers"]:
        click.echo(f"{layer['name']:<20}largest difference {layer['largest_difference']:.3g}")
