"""Options and output that several commands share."""

from __future__ import annotations

import json
import math
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


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object; numbers that JSON does not have, such as infinity, as null."""
    click.echo(json.dumps(_finite(result), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_result(result: dict[str, Any], *, as_json: bool) -> None:
    """Print a result as one JSON object, or as a table of names and values."""
    if as_json:
        print_json(result)
        return
    width = max(len(name) for name in result)
    for name, value in result.items():
        click.echo(f"{name:<{width}}  {_shown(value)}")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
