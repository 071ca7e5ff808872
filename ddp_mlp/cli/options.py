"""Options and output that several commands share."""

from __future__ import annotations

import json
from typing import Any

import click

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output, logs on standard error.",
)


def tell(line: str) -> None:
    """Print a line for the user on standard error."""
    click.echo(line, err=True)


def print_result(result: dict[str, Any], *, as_json: bool) -> None:
    """Print a result as one JSON object, or as a table of names and values."""
    if as_json:
        click.echo(json.dumps(result))
        return
    width = max(len(name) for name in result)
    for name, value in result.items():
        click.echo(f"{name:<{width}}  {_shown(value)}")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
