"""``ddp-mlp log-to``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import tell


@click.group("log-to")
def log_to() -> None:
    """Hand runs on to programs that compare experiments."""


@log_to.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@click.option("--experiment", default="ddp-mlp", show_default=True, help="Name of the experiment; made if need be.")
@click.option(
    "--store",
    metavar="URI",
    help="Tracking server, database or directory [default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db].",
)
@click.option("--again", is_flag=True, help="Log a run once more that is there already.")
def mlflow(runs: tuple[Path, ...], experiment: str, store: str | None, again: bool) -> None:
    """Log RUN... to MLflow: the configuration, each epoch, the scores of the best one, and the files.

    \b
    ddp-mlp log-to mlflow runs/mnist
    ddp-mlp log-to mlflow runs/* --experiment digits --store http://localhost:5000
    """  # noqa: D301 - a sign for click
    from ddp_mlp.report.mlflow_log import log_all

    for run, known_as in log_all(runs, experiment, store, again=again):
        tell(f"{run}: logged as {known_as}")
