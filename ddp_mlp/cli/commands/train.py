"""``ddp-mlp train``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import DURATION, THREADS, json_option, print_result, read_config, tell
from ddp_mlp.comm.launcher import is_rank_of_several
from ddp_mlp.errors import StoppedError

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.config import Config
    from ddp_mlp.run.options import RunOptions


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a key of the configuration.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run directory [default: runs/NAME OF CONFIG, then runs/NAME-2, ...].",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the newest good checkpoint of the run directory [default: the newest of CONFIG].",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is in --out.")
@click.option(
    "--threads-per-rank",
    "threads",
    type=THREADS,
    default=1,
    show_default=True,
    envvar="DDP_MLP_THREADS_PER_RANK",
    help="Micro-batches that each rank computes at once.",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "none"]),
    default="auto",
    show_default=True,
    envvar="DDP_MLP_PROGRESS",
    help="auto: a bar in a terminal, of `launch` too; sparse lines elsewhere.",
)
@click.option(
    "--max-time",
    type=DURATION,
    help="Save and stop after this long, such as 3h50m, 90m or 45s; a bare number is seconds.",
)
@click.option("--dry-run", is_flag=True, help="Check the configuration and print every key, as `config show`.")
@json_option
def train(
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    overwrite: bool,
    threads: int,
    progress: str,
    max_time: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train the network that CONFIG describes.

    Alone, or on every rank of `mpirun`, `srun` or `ddp-mlp launch`: the weights are the
    same bits on any number of ranks up to [train] micro_batches.
    """
    from ddp_mlp.cli.commands.config import print_explained
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.run.signals import stop_signals_held

    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run and --overwrite replaces it; give one of them")
    read = read_config(config, overrides)
    if dry_run and not is_rank_of_several(os.environ):  # it needs no other rank, be there one or not
        read()
        print_explained(config, overrides, as_json=as_json)
        return
    with stop_signals_held(), connect() as comm:
        with agreed(comm):
            loaded = read()
            earlier = _with_earlier_defaults(config, overrides) if resume else None
        if dry_run:
            with agreed(comm):
                if comm.rank == 0:
                    print_explained(config, overrides, as_json=as_json)
            return
        from ddp_mlp.run.options import RunOptions

        directory = out or _choose_directory(loaded, earlier, config, comm)
        options = RunOptions(directory, resume, overwrite, threads, max_time, earlier)
        summary = _execute(loaded, options, progress, comm)
        _print_summary(summary, comm, as_json=as_json)
    if summary["status"] == "stopped":
        sys.exit(StoppedError.exit_code)


def _with_earlier_defaults(path: Path, overrides: tuple[str, ...]) -> Config:
    from ddp_mlp.config import load_config

    return load_config(path, overrides, with_earlier_defaults=True)


def _execute(loaded: Config, options: RunOptions, progress: str, comm: Communicator) -> dict[str, Any]:
    """Collective. Run, with progress shown on rank 0, and return the summary."""
    from ddp_mlp.cli.progress import make_progress
    from ddp_mlp.run.run import Run

    with make_progress(progress, comm) as shown:
        return Run(loaded, replace(options, watch=shown.watch), comm, shown.tell).execute(shown.show)


def _choose_directory(loaded: Config, earlier: Config | None, path: Path, comm: Communicator) -> Path:
    """Collective. Return the run directory that rank 0 finds for a run without --out, and say which."""
    from ddp_mlp.comm import agreed
    from ddp_mlp.run.files.naming import run_directory

    chosen = ""
    with agreed(comm):
        if comm.rank == 0:
            chosen = str(run_directory(loaded, path, earlier))
            tell(f"run directory: {chosen}")
    return Path(comm.share_text(chosen)[0])


def _print_summary(summary: dict[str, Any], comm: Communicator, *, as_json: bool) -> None:
    """Print the result; a person has read the understanding of the data before the first step."""
    if comm.rank == 0:
        print_result({k: value for k, value in summary.items() if as_json or k != "understood"}, as_json=as_json)
