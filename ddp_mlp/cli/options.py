"""Options and output that several commands share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ddp_mlp.cli.terminal import coloured
from ddp_mlp.errors import DdpMlpError, brief, literal, printable

#: Seconds that a run may be limited to: 100 years.
_LONGEST_S = 100 * 365 * 86400

if TYPE_CHECKING:
    from click import ParamType as ParamType

    from ddp_mlp.config import Config
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
            self.fail(f"{literal(value)} is no time; write 3h50m, 90m or 45s", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in parts.groups())
        total = 3600 * hours + 60 * minutes + seconds
        if not 0 < total <= _LONGEST_S:
            self.fail(f"{literal(value)} is no time to run for; above 0 and up to {_LONGEST_S / 3600:.0f}h", param, ctx)
        return total


class Number(ParamType[float]):
    """A finite number between bounds, `below` not included."""

    name = "number"

    def __init__(self, least: float, below: float) -> None:
        self._least, self._below = least, below

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not self._least <= number < self._below:
            allowed = f"write a number from {self._least:g} to below {self._below:g}"
            self.fail(f"{literal(value)}: {allowed}", param, ctx)
        return number


DURATION = Duration()
#: Bounds of what is counted on a command line; those of the configuration stand in its schema.
MOST_RANKS = 2**16  # as no run has more micro-batches
RANKS = THREADS = click.IntRange(1, MOST_RANKS)
RESTARTS = click.IntRange(0, 10**6)
SEED = click.IntRange(0, 2**63 - 1)
SAMPLES = click.IntRange(1, 10**9)

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on standard output, logs on standard error.",
)


def tell(line: str) -> None:
    """Print a line, or several, for the user on standard error: short, and escape sequences in it as text."""
    click.echo("\n".join(coloured(printable(part)) for part in brief(line).split("\n")), err=True, color=True)


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
    """Return a value as a cell of a table; of large numbers the thousands stand apart.

    Examples
    --------
    >>> shown(719061.34), shown(0.1234567), shown(101770), shown(None)
    ('719,061', '0.123457', '101,770', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e4 <= abs(value) < 1e15:
        return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1e5 else f"{value:,.6g}"
    return f"{value:.6g}" if isinstance(value, float) else brief(printable(str(value)))


def read_config(config: Path, overrides: Iterable[str]) -> Callable[[], Config]:
    """Read a configuration, and have LLVM and NumPy use the instructions that it names, before they are loaded.

    Returns
    -------
    callable
        Gives the configuration, or raises what is wrong with it, where all ranks can agree on that.
    """
    from ddp_mlp.config import load_config
    from ddp_mlp.core.targets import pin

    try:
        loaded = load_config(config, overrides)
    except DdpMlpError as error:
        return partial(_raise, error)
    pin(loaded.train.isa)
    return lambda: loaded


def _raise(error: DdpMlpError) -> NoReturn:
    raise error
