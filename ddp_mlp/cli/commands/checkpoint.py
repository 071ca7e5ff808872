"""``ddp-mlp checkpoint list|show|verify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import json_option, print_json, print_result
from ddp_mlp.cli.schema_text import schema_lines
from ddp_mlp.errors import printable

_path = click.argument("path", type=click.Path(path_type=Path))


@click.group()
def checkpoint() -> None:
    """List, show and verify checkpoints."""


def _files(path: Path) -> list[Path]:
    """Return the checkpoints that PATH means: a file, a run directory, or its ``checkpoints``."""
    from ddp_mlp.checkpoint.checkpoint import list_checkpoints
    from ddp_mlp.checkpoint.model import refuse_ensemble
    from ddp_mlp.errors import MissingInputError
    from ddp_mlp.plain_files import is_directory
    from ddp_mlp.run.files.directory import RunDirectory

    refuse_ensemble(path)
    if not is_directory(path):
        if not path.exists():
            raise MissingInputError(f"{path}: no such file; name a run directory or a checkpoint")
        return [path]
    found = list_checkpoints(RunDirectory(path).checkpoints) or list_checkpoints(path)
    if not found:
        raise MissingInputError(f"{path}: no checkpoints in this directory")
    return found


def _verdicts(path: Path) -> list[dict[str, Any]]:
    """Read each checkpoint that PATH means. PATH itself may be a link to one, those in a directory may not."""
    return [_verdict(file, follow=file == path) for file in _files(path)]


def _verdict(path: Path, *, follow: bool) -> dict[str, Any]:
    from ddp_mlp.checkpoint.checkpoint import load_checkpoint
    from ddp_mlp.errors import DdpMlpError

    try:
        progress = load_checkpoint(path, follow=follow).state.progress
    except DdpMlpError as error:
        return {"path": str(path), "good": False, "reason": str(error).removeprefix(f"{path}: ")}
    return {"path": str(path), "good": True, "step": progress.step, "epoch": progress.epoch}


@checkpoint.command("list")
@_path
@json_option
def list_(path: Path, as_json: bool) -> None:
    """List the checkpoints of a run, the newest first."""
    verdicts = _verdicts(path)
    if as_json:
        print_json({"checkpoints": verdicts})
        return
    for verdict in verdicts:
        state = f"step {verdict['step']}, epoch {verdict['epoch']}" if verdict["good"] else verdict["reason"]
        click.echo(printable(f"{verdict['path']}  {state}"))


@checkpoint.command()
@_path
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show the contents of the newest good checkpoint of PATH, or of the file PATH."""
    import msgspec

    from ddp_mlp.checkpoint.checkpoint import load_checkpoint, newest_good
    from ddp_mlp.core.layout import digest

    newest = _files(path)[0]
    found = load_checkpoint(path, follow=True) if newest == path else newest_good(newest.parent)[0]
    assert found is not None  # noqa: S101 - _files has refused a directory without any
    progress = found.state.progress
    result = {
        "path": str(found.path),
        "step": progress.step,
        "epoch": progress.epoch,
        "position": progress.position,
        "weights_sha256": digest(found.state.parameters),
        "n_parameters": len(found.state.parameters),
        "dtype": found.config.train.dtype,
        "micro_batches": found.micro_batches,
        "best_loss": progress.best_loss,
        "best_epoch": progress.best_epoch,
        "data_fingerprint": found.fingerprint,
        "written_by": found.written_by,
        "config": msgspec.to_builtins(found.config),
    }
    if as_json:
        print_json(result | {"schema": msgspec.to_builtins(found.schema)})
        return
    print_result(result, as_json=False)
    for line in schema_lines(found.schema):
        click.echo(printable(line))


@checkpoint.command()
@_path
@json_option
def verify(path: Path, as_json: bool) -> None:
    """Verify every checkpoint of PATH; exit 65 if one is damaged."""
    verdicts = _verdicts(path)
    if as_json:
        print_json({"checkpoints": verdicts})
    else:
        for verdict in verdicts:
            line = f"{'good' if verdict['good'] else 'BAD '}  {verdict['path']}  {verdict.get('reason', '')}"
            click.echo(printable(line.rstrip()))
    sys.exit(0 if all(verdict["good"] for verdict in verdicts) else 65)
