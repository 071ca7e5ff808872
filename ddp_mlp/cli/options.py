"""Options and output that several commands share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.errors import DdpMlpError, printable

if TYPE_CHECKING:
    from click import ParamType as ParamType
else:

    class ParamType(click.ParamType):
        """Takes the type of its values in brackets, as older versions of click do not."""

        def __class_getitem__(cls, kind: object) -> type[ParamType]:
            return cls


class Duration(ParamType[float]):
    """A time such as ``3h50m``, ``90m`` or ``45s``; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds, a positive number."""
        parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", str(value))
        if not parts or not any(parts.groups()):
            self.fail(f"{value!r} is no time; write 3h50m, 90m or 45s", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in parts.groups())
        return 3600 * hours + 60 * minutes + seconds


DURATION = Duration()

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output, logs on standard error.",
)


def tell(line: str) -> None:
    """Print a line, or several, for the user on standard error; escape sequences in it as text."""
    click.echo("\n".join(printable(part) for part in line.split("\n")), err=True)


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
        click.echo(f"{name:<{width}}  {shown(value)}")


def shown(value: Any) -> str:
    """Return a value as a cell of a table."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def pin_isa(config: Path, overrides: Iterable[str]) -> None:
    """Have LLVM and NumPy use the instructions that a configuration names; call it before they are loaded.

    What is wrong with the configuration is reported by whoever loads it for all ranks.
    """
    from ddp_mlp.config import load_config
    from ddp_mlp.core.targets import pin

    with suppress(DdpMlpError):
        pin(load_config(config, overrides).train.isa)
