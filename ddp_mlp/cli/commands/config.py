"""``ddp-mlp config init|show|schema|reference``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import json_option, print_json, tell

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group()
def config() -> None:
    """Begin, look at and describe configurations."""


@config.command()
@click.argument("data", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write, - for standard output [default: NAME OF DATA.toml]."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(data: str | None, out: Path | None, force: bool) -> None:
    """Write a commented configuration that fits DATA (F.h5, F.h5:/group, or a table that is to be imported)."""
    from ddp_mlp.durable import refuse_existing, write_whole
    from ddp_mlp.errors import shell_word
    from ddp_mlp.training.draft import draft

    is_printed = out == Path("-")
    file = Path("config.toml" if is_printed else out or f"{Path((data or 'config').partition(':')[0]).stem}.toml")
    if not is_printed:
        refuse_existing(file, force=force)
    drafted = draft(data, file)
    if is_printed:
        click.echo(drafted.text, nl=False)
        return
    write_whole(file, drafted.text.encode())
    steps = [*([drafted.first] if drafted.first else []), f"ddp-mlp train {shell_word(file)}"]
    tell(f"{file} is written; next: {', then '.join(steps)}")


@config.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of CONFIG.")
@json_option
def show(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print every key of CONFIG, its value, where that came from, and what the data make of what is left open."""
    print_explained(config, overrides, as_json=as_json)


def print_explained(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print every key of a configuration as a file with comments, or as a JSON object."""
    from ddp_mlp.config import load_config
    from ddp_mlp.config.explained import explain, explained_text
    from ddp_mlp.training.guesses import guess

    keys = explain(config, overrides)
    guesses, unknown = guess(load_config(config, overrides))
    if not as_json:
        click.echo(explained_text(keys, guesses, unknown), nl=False)
        return
    if unknown:
        tell(f"warning: {unknown}")
    described: dict[str, dict[str, Any]] = {}
    for key in keys:
        guessed = {"guessed": guesses[key.path]} if key.path in guesses else {}
        described[key.path] = {"value": key.value, "origin": key.origin, **guessed}
    print_json(described)


@config.command()
def schema() -> None:
    """Print a JSON Schema of the configuration, for editors."""
    from ddp_mlp.config.reference import json_schema

    print_json(json_schema())


@config.command()
def reference() -> None:
    """Print every key, what it allows, its default and its meaning, as Markdown."""
    from ddp_mlp.config.reference import reference_text

    click.echo(reference_text(), nl=False)
