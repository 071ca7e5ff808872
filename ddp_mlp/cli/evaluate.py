"""``ddp-mlp evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import json_option, print_result, tell


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--split", help="Split of DATA [default: test, else valid, else train].")
@json_option
def evaluate(model: Path, data: str, split: str | None, as_json: bool) -> None:
    """Measure MODEL (a run directory, checkpoint or model file) on DATA (F.h5 or F.h5:/group)."""
    from ddp_mlp.comm import connect
    from ddp_mlp.training.application import apply_model

    with connect() as comm, apply_model(model, data, split, comm, tell) as applied:
        result = {"split": applied.split, **applied.evaluate()}
        if comm.rank == 0:
            print_result(result, as_json=as_json)
