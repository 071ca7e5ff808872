"""``ddp-mlp completion``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import tell

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

#: The file that each shell reads when it starts, below the home directory; fish reads a directory of its own.
_STARTS = {"bash": ".bashrc", "zsh": ".zshrc"}
_SHELLS = ("bash", "zsh", "fish")
_ZSH_READY = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"

shell_option = click.option("--shell", type=click.Choice(_SHELLS), help="[default: the one in SHELL]")


@click.group()
def completion() -> None:
    """Let Tab complete commands, options and their values."""


@completion.command()
@shell_option
def show(shell: str | None) -> None:
    """Print the script, for those who keep such scripts in a place of their own."""
    click.echo(_script(_chosen(shell)), nl=False)


@completion.command()
@shell_option
def install(shell: str | None) -> None:
    """Install it for this user: a script, and a line in ~/.bashrc or ~/.zshrc that reads it. Once more is no harm."""
    from ddp_mlp.durable import write_chosen

    name = _chosen(shell)
    script = _place(name)
    _make_folder(script.parent)
    write_chosen(script, _script(name).encode())
    tell(f"written: {script}")
    if name in _STARTS:
        start, line = Path.home() / _STARTS[name], f'[ ! -r "{script}" ] || . "{script}"  # ddp-mlp completion\n'
        before = _read(start)
        if line not in before:
            write_chosen(
                start,
                (before + "\n" * (not before.endswith("\n") and bool(before)) + line).encode(errors="surrogateescape"),
            )
            tell(f"added to {start}: {line.rstrip()}")
    tell("start a new shell, type ddp-mlp and press Tab")


def _chosen(shell: str | None) -> str:
    from ddp_mlp.errors import UsageError, literal

    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise UsageError(f"the shell {literal(name)} is not known; say which with --shell: {', '.join(_SHELLS)}")
    return name


def _place(shell: str) -> Path:
    """Return where the script of a shell goes."""
    if shell == "fish":
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(config) / "fish" / "completions" / "ddp-mlp.fish"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "ddp-mlp" / f"complete.{shell}"


def _script(shell: str) -> str:
    """Return the script by which a shell asks this program for completions."""
    from click.shell_completion import get_completion_class

    from ddp_mlp.cli.main import cli

    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows each of `_SHELLS`
    asked = kind(cli, {}, "ddp-mlp", "_DDP_MLP_COMPLETE")
    text = asked.source_template % asked.source_vars()  # as `source` does, which wants the shell to be installed
    return (_ZSH_READY if shell == "zsh" else "") + text + "\n"


def _read(path: Path) -> str:
    from ddp_mlp.errors import StorageError

    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None


def _make_folder(path: Path) -> None:
    from ddp_mlp.errors import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror}") from None
