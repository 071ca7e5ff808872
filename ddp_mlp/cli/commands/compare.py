"""``ddp-mlp compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import json_option, print_json
from ddp_mlp.errors import counted, printable


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@json_option
def compare(run_a: Path, run_b: Path, as_json: bool) -> None:
    """Tell whether two runs have the same bits; exit 1 if not, naming since when and where."""
    from ddp_mlp.run.comparison import compare_runs

    result = compare_runs(run_a, run_b)
    if as_json:
        print_json(result)
    else:
        _print(result)
    sys.exit(0 if result["same_bits"] else 1)


def _print(result: dict[str, Any]) -> None:
    click.echo(_verdict(result) + _gap(result["not_comparable"]))
    for layer in result["layers"]:
        click.echo(f"{layer['name']:<20}largest difference {layer['largest_difference']:.3g}")


def _verdict(result: dict[str, Any]) -> str:
    first, compared = result["first_difference"], result["epochs_compared"]
    if result["same_bits"]:
        return f"same bits, over {counted(compared, 'epoch')}"
    if first:
        layers = printable(", ".join(first["layers"]))
        return f"first difference after epoch {first['epoch']}, step {first['step']}: {layers}"
    if result["layers"] and result["not_comparable"]:
        return f"the {compared} epochs that can be compared are the same bits, the last weights are not"
    return f"the {compared} epochs that both have are the same bits; one run is longer"


def _gap(epochs: list[int]) -> str:
    """Return a part of a line about epochs of which one of the runs lacks the hashes."""
    if not epochs:
        return ""
    return f"; not comparable from epoch {epochs[0]} to {epochs[-1]}: a hashes.csv lacks {counted(len(epochs), 'row')}"
